"""One peer in a process of its own: it prepares an operation, then times it when it is its turn.

PyTorch, OpenBLAS and XLA keep threads spinning after a call, so peers in one process slow each other
down. Here every peer is alone in its process, and the others wait while it runs.
"""

import importlib
import os
import sys
import time
from functools import lru_cache, reduce
from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """A stack of matrices: `function` names the benchmark, `input` one of its INPUTS."""

    function: str
    input: str
    batch: tuple[int, ...]
    n: int

    @property
    def module(self):
        return importlib.import_module(f"benchmarks.{self.function}")

    def arrays(self):
        """The arguments, a cotangent of each shape that occurs, and directions."""
        shape = (*self.batch, self.n, self.n)
        args, directions = (
            self.module.INPUTS[self.input](np.random.default_rng(seed), shape) for seed in (1, 2)
        )
        return args, directions, np.random.default_rng(3).standard_normal(shape)


def start():
    """Called once in a new process, before any library is imported."""
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # several processes share one GPU


def describe(peer):
    """The version and the device of a peer, or None where it cannot run."""
    try:
        library = importlib.import_module(peer)
    except ImportError:
        return None
    version = library.__version__
    if peer == "torch":
        device = "cuda" if library.cuda.is_available() else "cpu"
    elif peer == "scipy":
        device = "cpu"
    else:
        import jax

        device = jax.default_backend()
    return {"version": version, "device": device, "python": sys.version.split()[0]}


def prepare(peer, case, operation):
    """Run an operation once. What it returned and what it needs, or why there is none."""
    try:
        run, facts = _operation(peer, case, operation)
        facts["value"] = [_array(x) for x in _flat(run())]
    except Exception as error:  # a peer without this derivative says so in many ways
        return {"missing": f"{type(error).__name__}: {error}".splitlines()[0]}
    began = time.perf_counter()
    run()
    return {**facts, "seconds": time.perf_counter() - began}


def measure(peer, case, operation, calls):
    """Seconds a call, over `calls` of them after one that wakes threads and caches."""
    run, _ = _operation(peer, case, operation)
    run()
    began = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - began) / calls


def count(peer, case, operation):
    """The matrix products that are executed, where the peer lets us see them."""
    if peer not in ("mcjax", "jax") or case.batch:
        return None
    from ._products import count_products

    function, args = _jax_function(getattr(case.module, peer)(), case, operation)
    return count_products(function, *args)


@lru_cache(maxsize=1)
def _operation(peer, case, operation):
    """A function of no arguments that runs until the result is there, and facts about it."""
    library = {"mcjax": _jax, "jax": _jax, "scipy": _scipy, "torch": _torch}[peer]
    return library(getattr(case.module, peer)(), case, operation)


def _flat(result):
    return result if isinstance(result, tuple | list) else (result,)


def _array(x):
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)


def _jax(function, case, operation):
    import jax

    chosen, args = _jax_function(function, case, operation)
    compiled = jax.jit(chosen).lower(*args).compile()
    temporaries = compiled.memory_analysis().temp_size_in_bytes
    facts = {"temporaries": temporaries / args[0].nbytes}
    return lambda: jax.block_until_ready(compiled(*args)), facts


def _jax_function(function, case, operation):
    import jax

    jax.config.update("jax_enable_x64", True)
    args, directions, weight = jax.tree.map(jax.numpy.asarray, case.arrays())

    def loss(*args):
        result = function(*args)
        return (result * weight if result.shape == weight.shape else result).sum()

    gradient = jax.grad(loss, argnums=tuple(range(len(args))))

    def hvp(*args):
        return jax.jvp(gradient, args, directions)[1]

    return {"forward": function, "gradient": gradient, "hvp": hvp}[operation], args


def _scipy(function, case, operation):
    args, _, weight = case.arrays()
    if operation == "forward":
        return lambda: function(*args), {}
    gradient = getattr(case.module, f"scipy_{operation}")()
    if case.batch:
        gradient = np.vectorize(gradient, signature="(n,n),(n,n)->(n,n)")
    return lambda: gradient(*args, weight), {}


def _torch(function, case, operation):
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    args, directions, weight = case.arrays()
    weight = torch.tensor(weight, device=device)
    args, directions = (
        [torch.tensor(x, device=device, requires_grad=on) for x in xs]
        for xs, on in ((args, operation != "forward"), (directions, False))
    )

    def loss():
        result = function(*args)
        return (result * weight if result.shape == weight.shape else result).sum()

    def forward():
        return function(*args)

    def gradient():
        return torch.autograd.grad(loss(), args)

    def hvp():
        first = torch.autograd.grad(loss(), args, create_graph=True)
        slope = reduce(torch.add, ((g * d).sum() for g, d in zip(first, directions, strict=True)))
        return torch.autograd.grad(slope, args)

    chosen = {"forward": forward, "gradient": gradient, "hvp": hvp}[operation]

    def run():
        result = chosen()
        if device == "cuda":
            torch.cuda.synchronize()
        return result

    return run, {}
