"""Matrix equations, exactly."""

import numpy as np

from ._exact import embed, fixed, floating, of_stacks, product, solve


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


def continuous_lyapunov(A, Q):
    """X with A X + X Aᴴ = Q."""
    return sylvester(A, _adjoint(A), Q)


def continuous_lyapunov_jvp(primals, tangents):
    """A dX + dX Aᴴ = dQ - dA X - X dAᴴ."""
    (A, Q), (dA, dQ) = primals, tangents
    X = continuous_lyapunov(A, Q)
    return continuous_lyapunov(A, dQ - dA @ X - X @ _adjoint(dA))


@of_stacks
def discrete_lyapunov(A, Q):
    """X with X - A X Aᴴ = Q, from its Kronecker form in exact real numbers: the columns of K are the
    images of a basis."""
    n, a, parts = len(A), embed(A), 1 + np.iscomplexobj(Q)
    zero = np.zeros((n, n), A.dtype)
    basis = []
    for i in range(n):
        for j in range(n):
            for unit in (1, 1j)[:parts]:
                basis.append(zero.copy())
                basis[-1][i, j] = unit
    columns = [_top(x - product(product(a, x), a.T), n, parts) for x in map(embed, basis)]
    x = solve(np.stack(columns, 1), _top(embed(Q), n, parts)[:, None])
    return sum(np.float64(floating(c)) * X for c, X in zip(x[:, 0], basis, strict=True))


def _top(x, n, parts):
    """The numbers of an embedded matrix, each once."""
    return np.concatenate([x[:n, :n].ravel(), x[n:, :n].ravel()][:parts])


def discrete_lyapunov_jvp(primals, tangents):
    """dX - A dX Aᴴ = dQ + dA X Aᴴ + A X dAᴴ."""
    (A, Q), (dA, dQ) = primals, tangents
    X = discrete_lyapunov(A, Q)
    return discrete_lyapunov(A, dQ + dA @ X @ _adjoint(A) + A @ X @ _adjoint(dA))


def _adjoint(A):
    return A.swapaxes(-1, -2).conj()
