"""Matrix calculus for JAX.

The rooms are loaded when first touched, so that ``import mcjax`` costs nothing:

- ``mcjax.linalg``: SciPy's linear algebra, with derivatives.
- ``mcjax.solve``: x(θ) defined by an equation: roots, minima, constrained minima, with certificates.
- ``mcjax.ode``: gradients of the solutions of differential equations, for diffrax.
- ``mcjax.verify``: is this derivative right? ``mcjax.check`` is its short form.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcjax import linalg, ode, solve, verify
    from mcjax.verify import check

__version__ = "0.1.0"
__all__ = ["check", "linalg", "ode", "solve", "verify"]


def __getattr__(name: str):
    if name == "check":
        return import_module("mcjax.verify").check
    if name in __all__:
        return import_module(f"mcjax.{name}")
    raise AttributeError(f"mcjax has no {name!r}; it has {', '.join(__all__)}")


def __dir__():
    return sorted({*globals(), *__all__})
