"""Matrix equations, exactly."""

import numpy as np

from ._exact import fixed, floating, of_stacks, solve


@of_stacks
def sylvester(A, B, Q):
    """X with A X + X B = Q, from its Kronecker form."""
    (n, m), like = Q.shape, Q
    parts = [(np.real(x), np.imag(x)) if np.iscomplexobj(Q) else (x,) for x in (A, B, Q)]
    kron = []
    for a, b in zip(*parts[:2], strict=True):
        eye = [np.eye(k, dtype=int).astype(object) for k in (n, m)]
        kron.append(np.kron(fixed(a), eye[1]) + np.kron(eye[0], fixed(b).T))
    q = [fixed(x).reshape(-1, 1) for x in parts[2]]
    if len(kron) == 1:
        return floating(solve(kron[0], q[0])).reshape(n, m)
    K = np.block([[kron[0], -kron[1]], [kron[1], kron[0]]])
    x, y = np.split(floating(solve(K, np.concatenate(q))), 2)
    return (x + 1j * y).reshape(n, m).astype(like.dtype)


def sylvester_jvp(primals, tangents):
    """A dX + dX B = dQ - dA X - X dB."""
    A, B, _ = primals
    dA, dB, dQ = tangents
    X = sylvester(*primals)
    return sylvester(A, B, dQ - dA @ X - X @ dB)
