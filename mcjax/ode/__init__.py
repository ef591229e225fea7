"""Derivatives of flows y' = f(t, y; θ): adjoints for diffrax's solvers, and what is built on them.

diffrax steps, controls and interpolates; this room differentiates. One file is one idea: its
mathematics, its algorithm, its derivative.
"""

from ._check_gradient import GradientPart, GradientReport, check_ode_gradient
from ._control import ControlGradient, control_gradient
from ._dae import DAESolution, dae_solve
from ._delay import DelaySolution, delay_solve
from ._forward_sensitivity import ForwardSensitivity
from ._functional_error import FunctionalError, functional_error
from ._gauss import GaussAdjoint
from ._hybrid import HYBRID_RESULTS, HybridSolution, hybrid_solve
from ._jacobian import jacobian
from ._nilss import Shadowing, nilss
from ._periodic_orbit import PeriodicOrbit, periodic_orbit
from ._replay import ReplayAdjoint
from ._shooting_bvp import ShootingBVP, shooting_bvp
from ._steady_state import SteadyState, steady_state

__all__ = [
    "HYBRID_RESULTS",
    "ControlGradient",
    "DAESolution",
    "DelaySolution",
    "ForwardSensitivity",
    "FunctionalError",
    "GaussAdjoint",
    "GradientPart",
    "GradientReport",
    "HybridSolution",
    "PeriodicOrbit",
    "ReplayAdjoint",
    "Shadowing",
    "ShootingBVP",
    "SteadyState",
    "check_ode_gradient",
    "control_gradient",
    "dae_solve",
    "delay_solve",
    "functional_error",
    "hybrid_solve",
    "jacobian",
    "nilss",
    "periodic_orbit",
    "shooting_bvp",
    "steady_state",
]
