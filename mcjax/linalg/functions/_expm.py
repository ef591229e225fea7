"""The matrix exponential.

    exp(A) = T(A / 2^s)^(2^s),        T(X) ≈ exp(X),

scaling and squaring. Two polynomials T, one for the value and one for derivatives:

`_fast`, for values, matches the Taylor series to X¹⁵ in four products (Sastre, Linear Algebra Appl.
539 (2018) 229, in another basis), which no scheme does in fewer.

`_lean`, for derivatives, is a chain of five products in which each step needs only X and the step
before it,

    P₁ = α X²,    P_{k+1} = (P_k + a_k X + b_k I) P_k + c_k X,    T = P₅ + I,

so that a gradient, which carries every matrix twice, keeps almost nothing alive. Its 13 coefficients
are a real root of the 13 equations that match the Taylor series to X¹³, found to 50 digits.

With log(e^{-x} T(x)) = Σ h_j x^j, j >= m, and Σ |h_j| θ^{j-1} = u, the backward error is below the
unit roundoff u while ‖X^j‖^{1/j} <= θ for j >= m. So the powers of A decide how much to scale (Al-Mohy
& Higham 2009), not ‖A‖, which can be far larger. Bounds on them come free of further products: from
‖A²‖, for large A from estimates of ‖A⁴‖ and ‖A⁵‖, and from the row vectors 1ᵀ|A|^k. The last also
bounds rounding errors, which no cancellation in A reduces.

Triangular A: after each squaring the diagonal and the first off-diagonal are replaced by their
closed forms (Al-Mohy & Higham 2009, section 2), which ends the growth of errors there. What is
replaced is rounding only, so its derivative is zero.

Derivatives: `mcjax._core._matrix_function`. D exp(A)[E] = ∫₀¹ e^{(1-t)A} E e^{tA} dt costs three
products where the value costs one.
"""

from functools import reduce
from math import log2
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from ..._core._check import same_dtype, square
from ..._core._matmul import add_diagonal, matmul, row_minus_column
from ..._core._matrix_function import matrix_function
from ..._core._power_of_two import times_power_of_two
from ..._core._shapes import Square
from ._funm import funm
from ._growth import random_rows

_LARGE = 32  # from this size on, a few products with vectors cost nothing
_THETA_FAST = {"float32": 2.346, "float64": 0.6764}
_THETA_LEAN = {"float32": 1.8167, "float64": 0.41276}
_ROUNDING = 2.0  # the largest ‖|X|^k‖^{1/k}: e² bounds the growth of rounding errors


class ExpmInfo(NamedTuple):
    """How `expm` went: `squarings` of each matrix. The error grows with them, most for A far from normal."""

    squarings: Int[Array, "*batch"]


def expm(
    A: Square, *, hermitian: bool = False, with_info: bool = False
) -> Square | tuple[Square, ExpmInfo]:
    """Matrix exponential: SciPy's `expm`, differentiable to any order in both modes.

    Identity: D exp(A)[E] = ∫₀¹ e^{(1-t)A} E e^{tA} dt.

    Args:
      A: (..., n, n), real or complex; integers are promoted.
      hermitian: A is symmetric or Hermitian and (A + Aᴴ)/2 is used, through an eigendecomposition
        (`funm`): exact at any norm, and a second derivative costs no more than a first.
      with_info: return an `ExpmInfo` too, for two products more. It has no derivative.

    Returns:
      exp(A), (..., n, n). NaN for a matrix with entries that are not finite.

    Cost: 4 + s products, s about log2 of the norm, each matrix of a batch its own s and no cap on
    it; a gradient costs three times that and no storage beyond a few matrices.

    Source: Al-Mohy and Higham, SIAM J. Matrix Anal. Appl. 31 (2009) 970, with a polynomial of our
    own (see the head of this file).
    """
    A = square(A, "expm")
    P = funm(A, jnp.exp, hermitian=True) if hermitian else matrix_function(exponential, A)
    return (P, _info(A, hermitian)) if with_info else P


def _info(A, hermitian):
    if hermitian or A.size == 0:
        return ExpmInfo(jnp.zeros(A.shape[:-2], "int32"))
    A = lax.stop_gradient(A)
    return ExpmInfo(scale(A, one_norm(A), _THETA_FAST)[0][..., 0, 0].astype("int32"))


def expm_frechet(
    A: Square, E: Square, *, compute_expm: bool = True
) -> tuple[Square, Square] | Square:
    """exp(A) and its Fréchet derivative D exp(A)[E]: SciPy's `expm_frechet`.

    Args:
      A, E: (..., n, n) of one shape.
      compute_expm: return the pair (SciPy's default), or the derivative alone.

    The derivative is linear in E and differentiable in both; `jax.jvp` of `expm` is the same thing.
    Cost and source: as for `expm`.
    """
    A, E = same_dtype(square(A, "expm_frechet"), square(E, "expm_frechet"))
    if A.shape != E.shape:
        raise ValueError(
            f"expm_frechet: A and E must have one shape, got {A.shape} and {E.shape}; "
            "use jnp.broadcast_to, or jax.vmap over directions"
        )
    value, tangent = jax.jvp(expm, (A,), (E,))
    return (value, tangent) if compute_expm else tangent


def exponential(A, order):
    """exp(A) and, in `order` derivatives of this, its derivatives."""
    return scale_and_square(
        A, order, jnp.exp, lambda E: add_diagonal(E, 1.0), lambda P: matmul(P, P)
    )


def scale_and_square(A, order, scalar, start, square):
    """exp(A), or a function of it: `scalar` of a number, `start` of T - I, `square` for doubling."""
    functions = scalar, start, square
    if order == 0:
        return _scale_and_square(A, _fast, _THETA_FAST, *functions)

    # In a branch of its own the derivative shares nothing with the value: XLA would otherwise keep
    # the intermediates of one for the other, twice the memory for a sixth of the time.
    def here(A):
        return _scale_and_square(A, _lean, _THETA_LEAN, *functions)

    return lax.cond(jnp.any(jnp.isfinite(A)), here, lambda A: A * jnp.nan, A)


def _fast(X, X2):
    """T - I in four products, X² included."""
    Y = matmul(
        add_diagonal(4.0187616102010355e-4 * X2 + 2.9455314402796829e-3 * X, 3.2307628881223121e-2),
        X2,
    )
    Z = add_diagonal(
        Y - 4.1016695458060797e-2 * X2 + 0.40175684406735678 * X, -2.3373194047115793e-2
    )
    Z = matmul(Z, Y) + 2.41408928217560188e-2 * X2 - 4.1302763659297829e-2 * X
    T = Z + 5.7923617070732605 * Y + 5.0969565009167792e-2 * X2 + 2.2655119361556714 * X
    T = matmul(add_diagonal(T, 10.408017352313544), Z) - 3.0301234007387123 * Y
    return T + 0.44636268863183346 * X2 + 1.4298798808644770 * X


def _lean(X, X2):
    """T - I in five products, X² included, of X and the last result alone."""
    P = -0.010809864136286751 * X2
    for a, b, c in (
        (-0.15240219689426005, 0.51440588501066807, 0.14824909912884121),
        (-0.40821365565814708, -2.3407586283833450, 0.16232807932628994),
        (0.15730370029648308, -1.2308794066036899, -0.12632479296437003),
        (3.1688254449519376, 4.6537151786536230, 0.52996092244247028),
    ):
        P = _product(add_diagonal(P + a * X, b), P) + c * X
    return P


@jax.custom_jvp
def _product(X, Y):
    """X Y, to be computed after its derivative.

    The derivative is the wider of the two. Scheduled after X Y it would find one matrix more alive,
    and a batch of tiny matrices, where XLA fuses all it can, would form it again and again.
    """
    return matmul(X, Y)


@_product.defjvp
def _(primals, tangents):
    (X, Y), (dX, dY) = primals, tangents
    tangent = _product(dX, Y) + _product(X, dY)
    X, Y, tangent = lax.optimization_barrier((X, Y, tangent))
    return _product(X, Y), tangent


def _scale_and_square(A, polynomial, theta, scalar, start, square):
    if A.size == 0:
        return A
    norm = one_norm(A)
    s, X, X2 = scale(A, norm, theta)
    P = start(polynomial(X, X2))

    triangular = _is_triangular(A) & jnp.isfinite(norm)

    def refine(k, P):  # P approximates exp(A / 2^(s - k))
        def refined(P):
            X = times_power_of_two(lax.stop_gradient(A), k - s)
            return _replace(P, jnp.where(triangular, _triangular_band(X, P, scalar), P))

        return lax.cond(jnp.any(triangular), refined, lambda P: P, P)

    def square_once(state):
        k, P = state
        squared = refine(k + 1, square(P))
        return k + 1, squared if A.ndim == 2 else jnp.where(k < s, squared, P)

    zero = jnp.zeros_like(s.max())
    return lax.while_loop(lambda state: state[0] < s.max(), square_once, (zero, refine(zero, P)))[1]


def one_norm(A):
    """‖A‖₁, (..., 1, 1), a constant to derivatives."""
    return jnp.abs(lax.stop_gradient(A)).sum(-2, keepdims=True).max(-1, keepdims=True)


def scale(A, norm, theta):
    """s, X = A / 2^s and X², where `theta` bounds ‖X^j‖^{1/j}, for each type."""
    p = _finite(jnp.ceil(jnp.log2(norm)))  # ‖A / 2^p‖ <= 1: its square cannot overflow
    A_p = times_power_of_two(A, -p)
    A_p2 = matmul(A_p, A_p)
    s = _squarings(norm, p, lax.stop_gradient((A_p, A_p2)), theta[norm.dtype.name])
    X2 = times_power_of_two(times_power_of_two(A_p2, p - s), p - s)
    return s, times_power_of_two(A, -s), X2


def _squarings(norm, p, powers, theta):
    """The least s with ‖(A / 2^s)^j‖^{1/j} <= θ for j >= 13, from bounds on those powers of A."""
    A_p, A_p2 = powers
    size = jnp.abs(A_p)
    row = size.sum(-2, keepdims=True)
    for _ in range(7):
        row = matmul(row, size)
    log_norm = jnp.log2(norm)
    # ‖A^j‖^{1/j} is about ‖|A|⁸‖^{1/8} at most; A¹⁵ = (A²)⁷ A gives a bound that sees signs.
    rate = jnp.log2(row.max(-1, keepdims=True)) / 8 + p
    log_square = jnp.log2(jnp.abs(A_p2).sum(-2, keepdims=True).max(-1, keepdims=True)) + 2 * p
    signed = (7 * log_square + log_norm) / 15
    if size.shape[-1] >= _LARGE:
        signed = jnp.minimum(signed, _estimate(A_p) + p)
    s = jnp.maximum(jnp.minimum(rate, signed) - log2(theta), rate - log2(_ROUNDING))
    s = jnp.maximum(s, p - (jnp.finfo(s.dtype).maxexp - 4))  # T has multiples of X up to 8
    return _finite(jnp.maximum(jnp.ceil(s), 0))


def _estimate(A):
    """log2 of max(‖A⁴‖^{1/4}, ‖A⁵‖^{1/5}), which bounds ‖A^j‖^{1/j} for j >= 12.

    The product of A^k with a random row has entries as large as the columns of A^k, in the 2-norm,
    √n times which bounds their 1-norm. The mean square over eight rows is that of the column times
    χ²/8, of 8 degrees of freedom: for one column in 900 it is below 1/9, and the factor 3 too small;
    for one in 170000 below 1/36. It must be the largest column, with entries all of one size: for
    others √n has slack. An estimate too small by g takes at most log2(g)/4 from s, by which the
    backward error of T grows to about g^{15/4} u.
    """
    n = A.shape[-1]
    fourth = reduce(matmul, [A] * 4, random_rows(A))

    def log_norm(rows):
        columns = jnp.sqrt((jnp.abs(rows) ** 2).mean(-2, keepdims=True))
        return jnp.log2(columns.max(-1, keepdims=True)) + log2(3 * n**0.5)

    return jnp.maximum(log_norm(fourth) / 4, log_norm(matmul(fourth, A)) / 5)


def _finite(x):
    return jnp.where(jnp.isfinite(x), x, 0)


def _is_triangular(A):
    below = row_minus_column(A) > 0
    above = row_minus_column(A) < 0
    upper = jnp.all(jnp.where(below, A == 0, True), (-2, -1), keepdims=True)
    lower = jnp.all(jnp.where(above, A == 0, True), (-2, -1), keepdims=True)
    return upper | lower


def _triangular_band(X, P, scalar):
    """P with the diagonal and the first off-diagonals of exp(X), or exp(X) - I, X triangular.

    exp(X)_{i,i+1} = x_{i,i+1} (e^a - e^b)/(a - b), and with a the larger of the two in real part
    the divided difference is e^a expm1(b - a)/(b - a), without cancellation or overflow.
    """
    d = jnp.diagonal(X, axis1=-2, axis2=-1)
    a = jnp.where(d[..., 1:].real > d[..., :-1].real, d[..., 1:], d[..., :-1])
    b = d[..., 1:] + d[..., :-1] - a
    gap = b - a
    ratio = jnp.where(gap == 0, 1.0, jnp.expm1(gap) / jnp.where(gap == 0, 1.0, gap))
    difference = jnp.exp(a) * ratio
    padding = [(0, 0)] * (X.ndim - 2)
    right = jnp.pad(difference, [*padding, (0, 1)])  # indexed by the smaller of i, j
    offset = row_minus_column(X)
    P = jnp.where(offset == 0, scalar(d)[..., :, None], P)
    P = jnp.where(offset == -1, X * right[..., :, None], P)
    return jnp.where(offset == 1, X * right[..., None, :], P)


@jax.custom_jvp
def _replace(P, exact):
    """The value `exact` with the derivative of P, which approximates it."""
    return exact


@_replace.defjvp
def _(primals, tangents):
    return _replace(*primals), tangents[0]  # again by this rule, for the derivative of both
