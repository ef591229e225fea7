"""Sums of the largest eigenvalues of a Hermitian matrix, and what singular values make of them.

Φ(H) = λ₁ + ... + λ_k has the gradient P, the projector onto the eigenvectors of these (Overton and
Womersley 1993): the function of H that is 1 at λ₁..λ_k and 0 at the others. Its derivatives are sums
over divided differences,

    D P[E]_ij = t_ij K_ij,     t_ij = 1/|λ_i - λ_j| if the cut runs between λ_i and λ_j, and 0 if not,

K = Vᴴ E V, and so on (`..functions._jump_differences`): values on one side of the cut may repeat, and
only gaps across it divide. In the recursion the terms have one sign, so nothing cancels.

At a tie across the cut, λ_k = λ_{k+1}, Φ has a kink. P becomes the mean of the projectors that the
tie allows, the subgradient that no rotation of the tied space changes; derivatives of it are NaN.

Singular values: H = [0, A; Aᴴ, 0] has the eigenvalues ±σ and |m - n| zeros, so the k largest sum up
to σ₁ + ... + σ_k. Its eigenvectors are those of an SVD, (u, ±v)/√2 and those of the null space.
"""

from dataclasses import dataclass
from itertools import pairwise, permutations
from string import ascii_lowercase

import jax.numpy as jnp

from ..._core._matmul import matmul
from ..._core._power_of_two import nearest
from ..functions._jump_differences import jump_differences

_TIE = 10  # times n eps ‖H‖: gaps below this are rounding


def dilation(A):
    """[0, A; Aᴴ, 0]."""
    m, n = A.shape[-2:]
    batch = [(0, 0)] * (A.ndim - 2)
    upper = jnp.pad(A, [*batch, (0, n), (m, 0)])
    return upper + jnp.pad(A.mT.conj(), [*batch, (m, 0), (0, n)])


@dataclass(frozen=True)
class LargestSum:
    """Φ(H) = the sum of the `count` largest eigenvalues; `rows` those of A, if H is a dilation."""

    count: int
    rows: int | None = None
    loops_on_data = False

    def derivative(self, point, directions, slots, dual):
        return spectral_form(self, point[0], directions, dual)

    def value(self, x):
        return x[len(x) - self.count :].sum()

    def unit(self, x):
        return largest_unit(x)

    def differences(self, x, order):
        """f[x_i0, ..., x_ik] of the function that is 1 above the cut, 0 below, for all indices."""
        n, cut = len(x), len(x) - self.count
        rounding = _TIE * n * jnp.finfo(x.dtype).eps * jnp.abs(x).max()
        above = jnp.arange(n) >= cut
        tie = (0 < cut < n) & (x[cut] - x[max(cut - 1, 0)] <= rounding)
        if order == 0:
            tied = jnp.abs(x - x[cut % n]) <= rounding
            mean = (tied & above).sum(dtype=x.dtype) / tied.sum(dtype=x.dtype)
            return jnp.where(tie & tied, mean, above.astype(x.dtype))
        indices = jnp.meshgrid(*[jnp.arange(n)] * (order + 1), indexing="ij")
        nodes = jnp.sort(jnp.stack(indices), 0)
        exact = jump_differences(x / self.unit(x), above.astype(x.dtype), above, nodes)
        return jnp.where(tie, jnp.nan, exact)


def largest_unit(x):
    """A power of two: in it x and its gaps have powers in range."""
    return nearest(jnp.abs(x).max())


def spectral_form(potential, H, directions, dual):
    """D^k tr F(H), a scalar or open in its last slot, for the `differences` of F' with x in its `unit`."""
    if dual is None and not directions:
        return jnp.vectorize(lambda H: _value(potential, H), signature="(n,n)->()")(H)
    *others, last = directions if dual is None else (*directions, None)
    signature = ",".join(["(n,n)"] * (1 + len(others))) + "->(n,n)"
    form = jnp.vectorize(lambda H, *E: _form(potential, H, E), signature=signature)(H, *others).mT
    return (form * last).sum((-2, -1)) if dual is None else form


def _value(potential, H):
    return potential.value(_values(H, potential.rows)).astype(H.dtype)


def _form(potential, H, directions):
    """D^k f(H)[E₁..E_k] of one matrix; of a dilation, for k = 0, what of it is in the blocks of A."""
    if not directions and potential.rows is not None:
        return dilation(_block(potential, H[: potential.rows, potential.rows :]))
    x, V = _eigen(H, potential.rows)
    Vh = V.mT.conj()
    weights = potential.differences(x, len(directions)).astype(H.dtype)
    if not directions:
        return matmul(V * weights[None, :], Vh)
    unit = potential.unit(x).astype(H.dtype)
    K = [matmul(matmul(Vh, E / unit), V) for E in directions]
    nodes = ascii_lowercase[: len(K) + 1]
    links = ",".join(a + b for a, b in pairwise(nodes))
    sums = f"{nodes},{links}->{nodes[0]}{nodes[-1]}"
    paths = [jnp.einsum(sums, weights, *order, precision="highest") for order in permutations(K)]
    return matmul(matmul(V, sum(paths[1:], paths[0])), Vh)


def _block(potential, A):
    """U diag(f(σ) - f(-σ))/2 Vᴴ, the upper right block of f(H)."""
    U, s, Vh = jnp.linalg.svd(_or_zero(A), full_matrices=False)
    w = potential.differences(_values_of_dilation(s, sum(A.shape)), 0)
    w = (w[::-1] - w)[: len(s)] / 2
    w = jnp.where(jnp.isfinite(A).all(), w, jnp.nan)
    return matmul(U * w.astype(A.dtype)[None, :], Vh)


def _or_zero(A):
    """A, if all of it is finite: LAPACK loops on infinities."""
    return jnp.where(jnp.isfinite(A).all(), A, jnp.zeros_like(A))


def _values(H, rows):
    """Eigenvalues, ascending."""
    finite = jnp.isfinite(H).all()
    H = _or_zero(H)
    if rows is None:
        x = jnp.linalg.eigvalsh(H)
    else:
        s = jnp.linalg.svd(H[:rows, rows:], compute_uv=False)
        x = _values_of_dilation(s, len(H))
    return jnp.where(finite, x, jnp.nan)


def _values_of_dilation(s, n):
    return jnp.concatenate([-s, jnp.zeros_like(s, shape=n - 2 * len(s)), s[::-1]])


def _eigen(H, rows):
    """Eigenvalues, ascending, and eigenvectors: of a dilation, from an SVD."""
    finite = jnp.isfinite(H).all()
    H = _or_zero(H)
    x, V = jnp.linalg.eigh(H) if rows is None else _eigen_of_dilation(H[:rows, rows:])
    return jnp.where(finite, x, jnp.nan), V


def _eigen_of_dilation(A):
    U, s, Vh = jnp.linalg.svd(A)
    k, half, V = len(s), 0.5**0.5, Vh.mT.conj()
    u, v = half * U[:, :k], half * V[:, :k]
    null = jnp.concatenate(
        [
            jnp.pad(U[:, k:], ((0, len(V)), (0, 0))),
            jnp.pad(V[:, k:], ((len(U), 0), (0, 0))),
        ],
        1,
    )
    vectors = [jnp.concatenate([u, -v]), null, jnp.concatenate([u, v])[:, ::-1]]
    return _values_of_dilation(s, len(U) + len(V)), jnp.concatenate(vectors, 1)
