"""One peer in a process of its own: it prepares an operation, then times it when it is its turn.

PyTorch, OpenBLAS and XLA keep threads spinning after a call, so peers in one process slow each other
down. Here every peer is alone in its process, with the threads it takes by default, and the others
wait while it runs.
"""

import importlib
import os
import sys
import time
from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """A stack of matrices: `function` names the benchmark, `input` one of its INPUTS."""

    function: str
    input: str
    batch: tuple[int, ...]
    n: int

    def arrays(self):
        """The arguments, and the weights G of the loss Σ G ∘ f(A)."""
        shape = (*self.batch, self.n, self.n)
        args = load(self.function).INPUTS[self.input](np.random.default_rng(1), shape)
        return args, np.random.default_rng(2).standard_normal(shape)


def load(function):
    return importlib.import_module(f"benchmarks.{function}")


def start():
    """Called once in a new process, before any library is imported."""
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # several processes share one GPU


def describe(peer):
    """The version and the device of a peer, or None where it is not installed."""
    try:
        library = importlib.import_module(peer)
    except ImportError:
        return None
    device = "cpu"
    if peer == "torch" and library.cuda.is_available():
        device = "gpu"
    elif peer in ("jax", "mcjax"):
        import jax

        device = jax.default_backend()
    return {"version": library.__version__, "device": device, "python": sys.version.split()[0]}


def prepare(peer, case, operation):
    """Run an operation once. What it returned and what it needs, or why there is none."""
    try:
        run, facts = _operation(peer, case, operation)
        return {**facts, "value": [_array(x) for x in _flat(run())]}
    except Exception as error:  # a peer without this derivative says so in many ways
        return {"missing": f"{type(error).__name__}: {error}".splitlines()[0]}


def measure(peer, case, operation, turn):
    """The seconds of single calls, `turn` in all, after one that wakes threads and caches."""
    run, _ = _operation(peer, case, operation)
    run()
    times = []
    while sum(times) <= turn:
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return times


@lru_cache(maxsize=1)
def _operation(peer, case, operation):
    """A function of no arguments that runs until the result is there, and facts about it."""
    library = {"mcjax": _jax, "jax": _jax, "scipy": _scipy, "torch": _torch}[peer]
    return library(getattr(load(case.function), peer)(), case, operation)


def _flat(result):
    return result if isinstance(result, tuple | list) else (result,)


def _array(x):
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)


def _weighted(result, weight):
    return (result * weight if result.shape == weight.shape else result).sum()


def _jax(function, case, operation):
    import jax

    from ._products import count_products

    jax.config.update("jax_enable_x64", True)
    args, weight = jax.tree.map(jax.numpy.asarray, case.arrays())
    chosen = function
    if operation == "gradient":

        def loss(weight, *args):
            return _weighted(function(*args), weight)

        chosen = jax.grad(loss, tuple(range(1, 1 + len(args))))
        args = (weight, *args)
    compiled = jax.jit(chosen).lower(*args).compile()
    bytes_ = compiled.memory_analysis().temp_size_in_bytes
    return lambda: jax.block_until_ready(compiled(*args)), {
        "temporaries": float(f"{bytes_ / weight.nbytes:.3g}"),
        "products": None if case.batch else count_products(chosen, *args),
    }


def _scipy(function, case, operation):
    args, weight = case.arrays()
    if operation == "forward":
        return lambda: function(*args), {}
    gradient = load(case.function).scipy_gradient()
    if case.batch:
        gradient = np.vectorize(gradient, signature="(n,n),(n,n)->(n,n)")
    return lambda: gradient(*args, weight), {}


def _torch(function, case, operation):
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    args, weight = case.arrays()
    weight = torch.tensor(weight, device=device)
    args = [torch.tensor(x, device=device, requires_grad=operation != "forward") for x in args]

    def run():
        result = function(*args)
        if operation == "gradient":
            result = torch.autograd.grad(_weighted(result, weight), args)
        if device == "cuda":
            torch.cuda.synchronize()
        return result

    return run, {}
