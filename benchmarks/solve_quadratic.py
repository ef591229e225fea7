"""The minimal solvent of A X² + B X + C = 0. No peer has it: theirs is by eigenvectors of the pencil."""

import numpy as np

from . import _inputs as inputs


def _dominant(rng, shape):
    """B = 6 I: half of the eigenvalues inside a circle, half outside."""
    six = np.broadcast_to(6 * np.eye(shape[-1]), shape)
    return *inputs.gaussian(rng, shape), six, *inputs.gaussian(rng, shape)


SIZES = (64, 256)
INPUTS = {"randn/√n, 6": _dominant}


def mcjax():
    from mcjax.linalg import solve_quadratic

    return solve_quadratic


def scipy():
    from scipy.linalg import eig

    def solvent(A, B, C):
        n = len(A)
        one, zero = np.eye(n), np.zeros((n, n))
        w, V = eig(np.block([[zero, one], [-C, -B]]), np.block([[one, zero], [zero, A]]))
        inside = np.argsort(np.abs(w))[:n]
        V = V[:n, inside]
        return np.linalg.solve(V.T, (V * w[inside]).T).T.real

    return np.vectorize(solvent, signature="(n,n),(n,n),(n,n)->(n,n)")
