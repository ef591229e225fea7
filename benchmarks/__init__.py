"""How fast mcjax is, as ratios against its peers: `python -m benchmarks expm`."""

FUNCTIONS = ("expm", "sqrtm", "funm", "solve_sylvester", "det", "logdet")
PEERS = ("mcjax", "jax", "scipy", "torch")
OPERATIONS = ("forward", "gradient")
