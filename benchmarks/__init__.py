"""How fast mcjax is, as ratios against its peers: `python -m benchmarks expm`."""

FUNCTIONS = (
    "expm",
    "sqrtm",
    "logm",
    "fractional_matrix_power",
    "signm",
    "funm",
    "solve_sylvester",
    "lyapunov",
    "care",
    "dare",
    "stein",
    "cosm",
    "polar",
    "lstsq",
    "det",
    "logdet",
    "charpoly",
    "cholesky",
    "nuclear_norm",
    "eigh",
    "svd",
    "eigvals",
)
PEERS = ("mcjax", "jax", "scipy", "torch")
OPERATIONS = ("forward", "gradient")
