"""Derivatives of black-box functions from their values alone, each with an error bar and a status.

`derivative`, `jvp`, `jacobian` and `hessian` extrapolate differences, or take a complex step where that is
allowed; `noise` says how noisy a function is; `step_sweep` and `taylor_test` show whether a derivative
is right; `stencil` gives the exact weights of any difference formula. They take any function of
pytrees on the host, and run inside jit and vmap. Nothing here uses a derivative rule of JAX, except
for `taylor_test`, which tests them.
"""

from ._arguments import METHODS
from ._derivative import derivative, jvp
from ._estimate import Estimate, Status
from ._jacobian import hessian, jacobian
from ._noise_level import noise
from ._stencil import Stencil, stencil
from ._sweep import Sweep, step_sweep
from ._taylor import TaylorTest, taylor_test

__all__ = [
    "METHODS",
    "Estimate",
    "Status",
    "Stencil",
    "Sweep",
    "TaylorTest",
    "derivative",
    "hessian",
    "jacobian",
    "jvp",
    "noise",
    "stencil",
    "step_sweep",
    "taylor_test",
]
