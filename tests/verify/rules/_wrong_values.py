"""Wrong rules whose tangents or cotangents have wrong values: numbers and vectors."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import digamma, gammaln

from ._points import normal
from ._rule import cotangent_of, tangent_of, wrong

VECTOR = np.array([0.7, -1.2, 0.4, 1.9])
POSITIVE = np.array([0.7, 1.2, 0.4, 1.9])
MATRIX = np.array([[2.0, 0.4, -0.3], [-0.8, 1.5, 0.6], [0.2, -0.5, 1.1]])
OTHER = np.array([[1.0, -0.7, 0.2], [0.5, 1.8, -0.4], [0.9, 0.3, 1.3]])
GAPPED = np.array([[1.0, 0.3, 0.1], [0.3, 2.0, -0.2], [0.1, -0.2, 4.0]])
COMPLEX = np.array([0.6 + 0.8j, -1.1 + 0.3j, 0.4 - 0.9j])
COMPLEX_MATRIX = MATRIX + 1j * OTHER

inv, solve, softmax = jnp.linalg.inv, jnp.linalg.solve, jax.nn.softmax


def symmetrised(A):
    return (A + A.T) / 2


# Functions of single entries.


@wrong(VECTOR, parts=("jvp",), diagnosis="elementwise factor")
@tangent_of(jax.nn.sigmoid)
def sigmoid_without_its_complement(x, dx):
    return jax.nn.sigmoid(x) * dx


@wrong(VECTOR, parts=("vjp",), diagnosis="elementwise factor")
@cotangent_of(jnp.tanh)
def tanh_with_a_plus(x, g):
    return (g * (1 + jnp.tanh(x) ** 2),)


@wrong(VECTOR, parts=("jvp",), diagnosis="elementwise factor|missing term")
@tangent_of(jax.nn.silu)
def silu_without_its_second_term(x, dx):
    return jax.nn.sigmoid(x) * dx


@wrong(VECTOR, parts=("jvp",), diagnosis="factor")
@tangent_of(lax.erf)
def erf_without_two_over_root_pi(x, dx):
    return jnp.exp(-(x**2)) * dx


@wrong(np.array(0.8), parts=("jvp",), diagnosis="sign")
@tangent_of(jnp.cos)
def cosine_with_a_plus(x, dx):
    return jnp.sin(x) * dx


@wrong(POSITIVE, parts=("jvp",), diagnosis="elementwise factor", domain=(0, None))
@tangent_of(lax.lgamma)
def gammaln_by_the_first_term_of_stirling(x, dx):
    return jnp.log(x) * dx


@wrong(VECTOR, parts=("jvp",), diagnosis="elementwise factor|wrong branch")
@tangent_of(lambda r: jnp.where(jnp.abs(r) < 1, r**2 / 2, jnp.abs(r) - 0.5))
def huber_loss_with_the_quadratic_slope_everywhere(r, dr):
    return r * dr


@wrong(2 * VECTOR, parts=("jvp",), diagnosis="elementwise factor|wrong branch|zero")
@tangent_of(lambda x: jnp.minimum(x, 1.0))
def saturation_that_lets_every_tangent_through(x, dx):
    return dx


def interpolate_exp(x):
    grid = jnp.arange(-3.0, 4.0, dtype=x.dtype)
    return jnp.interp(x, grid, jnp.exp(grid))


@wrong(VECTOR, parts=("jvp",), diagnosis="factor|wrong branch")
@tangent_of(interpolate_exp)
def interpolation_with_the_slope_of_the_interval_before(x, dx):
    right = jnp.floor(x)
    return (jnp.exp(right) - jnp.exp(right - 1)) * dx


@wrong(POSITIVE, VECTOR, parts=("jvp", "alone"), domain=lambda x, p: jnp.all(x > 0))
@tangent_of(lambda x, p: x**p)
def power_without_the_logarithm(x, p, dx, dp):
    return p * x ** (p - 1) * dx + x**p * dp


@wrong(POSITIVE, np.array(3), parts=("jvp",), diagnosis="elementwise factor")
@tangent_of(lambda x, n: x ** n.astype(x.dtype))
def power_whose_exponent_stays(x, n, dx, dn):
    n = n.astype(x.dtype)
    return n * x**n * dx


@wrong(VECTOR, POSITIVE, parts=("vjp",), diagnosis="swapped arguments")
@cotangent_of(jnp.arctan2)
def arctan2_with_swapped_arguments(y, x, g):
    r = x**2 + y**2
    return -y / r * g, x / r * g


def normal_log_density(x, mean, scale):
    return -(((x - mean) / scale) ** 2) / 2 - jnp.log(scale)


@wrong(
    VECTOR,
    np.zeros(4),
    POSITIVE,
    parts=("vjp", "alone"),
    diagnosis="(factor|missing term).*argument 2",
    domain=lambda x, mean, scale: jnp.all(scale > 0),
)
@cotangent_of(normal_log_density)
def normal_density_that_forgets_its_normaliser(x, mean, scale, g):
    z = (x - mean) / scale
    return -g * z / scale, g * z / scale, g * z**2 / scale


def student_log_density(x, nu):
    normaliser = gammaln((nu + 1) / 2) - gammaln(nu / 2) - jnp.log(nu) / 2
    return jnp.sum(normaliser - (nu + 1) / 2 * jnp.log1p(x**2 / nu))


@wrong(
    VECTOR,
    np.array(3.5),
    parts=("vjp", "alone"),
    diagnosis="(factor|missing term).*argument 1",
    domain=lambda x, nu: nu > 0.1,
)
@cotangent_of(student_log_density)
def student_density_whose_tail_forgets_its_degrees(x, nu, g):
    normaliser = (digamma((nu + 1) / 2) - digamma(nu / 2) - 1 / nu) / 2
    dnu = normaliser - jnp.log1p(x**2 / nu) / 2
    return -g * (nu + 1) * x / (nu + x**2), g * jnp.sum(dnu)


# Functions of whole vectors.


@wrong(VECTOR, parts=("vjp",), diagnosis="factor")
@cotangent_of(lambda x: jnp.vdot(x, x))
def squared_norm_without_its_two(x, g):
    return (g * x,)


@wrong(VECTOR, parts=("vjp",), diagnosis="factor")
@cotangent_of(lambda x: jnp.var(x, ddof=1))
def unbiased_variance_with_the_biased_slope(x, g):
    return (g * 2 * (x - jnp.mean(x)) / x.size,)


@wrong(VECTOR, normal(4), parts=("vjp", "alone"), diagnosis="sign.*argument 1")
@cotangent_of(lambda x, y: jnp.linalg.norm(x - y))
def distance_with_one_sign_for_both(x, y, g):
    u = (x - y) / jnp.linalg.norm(x - y)
    return g * u, g * u


@wrong(np.array([1.0, 1.2, 1.5, 2.0]), parts=("vjp",), diagnosis="sign")
@cotangent_of(lambda r: jnp.sum(4 * (r**-12 - r**-6)))
def lennard_jones_energy_with_the_force(r, g):
    return (g * 24 * (2 * r**-13 - r**-7),)


@wrong(np.linspace(-1.0, 2.0, 50), parts=("vjp",))
@cotangent_of(lambda x: jnp.sum(jnp.exp(x)))
def one_entry_of_fifty(x, g):
    return (g * jnp.where(jnp.arange(x.size) == 37, 1.0, jnp.exp(x)),)


@wrong(VECTOR, parts=("vjp",), diagnosis="factor")
@cotangent_of(lambda y: jnp.sum(y) - (y[0] + y[-1]) / 2)
def trapezoid_with_full_weights_at_the_ends(y, g):
    return (g * jnp.ones_like(y),)


@wrong(VECTOR, parts=("vjp",))
@cotangent_of(jnp.cumsum)
def cumulative_sum_off_by_one(x, g):
    return (jnp.cumsum(g[::-1])[::-1] - g,)


@wrong(VECTOR, parts=("vjp",))
@cotangent_of(lambda x: jnp.roll(x, 1))
def shift_that_is_not_shifted_back(x, g):
    return (jnp.roll(g, 1),)


@wrong(normal(6), np.array([0.5, -1.0, 2.0]), parts=("vjp", "alone"))
@cotangent_of(jnp.convolve)
def convolution_whose_kernel_is_not_flipped(x, kernel, g):
    return jnp.convolve(g, kernel, "valid"), jnp.correlate(g, x, "valid")


@wrong(VECTOR, np.array([0, 2, 2, 1]), parts=("vjp",))
@cotangent_of(jnp.take)
def gather_that_keeps_the_last_of_repeated_indices(x, index, g):
    return jnp.zeros_like(x).at[index].set(g), None


@wrong(VECTOR, parts=("vjp",))
@cotangent_of(jnp.sort)
def sort_that_applies_the_permutation_twice(x, g):
    return (g[jnp.argsort(x)],)


@wrong(VECTOR, parts=("vjp",))
@cotangent_of(jnp.max)
def maximum_shared_by_all_entries(x, g):
    return (jnp.full_like(x, 1 / x.size) * g,)


@wrong(np.array([1.0, -0.5, 0.3, 0.8]), VECTOR, parts=("vjp", "alone"))
@cotangent_of(jnp.polyval)
def polynomial_with_its_powers_in_reverse(c, x, g):
    powers = x[:, None] ** jnp.arange(c.size, dtype=x.dtype)[None, :]
    return g @ powers, g * jnp.polyval(jnp.polyder(c), x)


@wrong(VECTOR, parts=("vjp",), diagnosis="factor")
@cotangent_of(jax.nn.logsumexp)
def logsumexp_that_forgets_to_normalise(x, g):
    return (g * jnp.exp(x - jnp.max(x)),)


@wrong(VECTOR, parts=("vjp",))
@cotangent_of(softmax)
def softmax_with_the_diagonal_of_its_jacobian(x, g):
    s = softmax(x)
    return (s * (1 - s) * g,)


@wrong(VECTOR, parts=("jvp",))
@tangent_of(softmax)
def softmax_with_a_constant_denominator(x, dx):
    return softmax(x) * dx


def cross_entropy(logits, labels):
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
    return -jnp.mean(chosen)


@wrong(normal(3, 4), np.array([2, 0, 3]), parts=("vjp",))
@cotangent_of(cross_entropy)
def cross_entropy_without_its_labels(logits, labels, g):
    return g * softmax(logits) / len(labels), None


@wrong(normal(3, 4), np.array([2, 0, 3]), parts=("vjp",), diagnosis="factor")
@cotangent_of(cross_entropy)
def cross_entropy_summed_over_the_batch(logits, labels, g):
    return g * (softmax(logits) - jax.nn.one_hot(labels, 4, dtype=g.dtype)), None


@wrong(VECTOR, parts=("vjp",))
@cotangent_of(lambda x: (x - jnp.mean(x)) / jnp.std(x))
def layer_norm_without_its_mean(x, g):
    y = (x - jnp.mean(x)) / jnp.std(x)
    return ((g - y * jnp.mean(g * y)) / jnp.std(x),)


def batch_norm(X):
    return (X - jnp.mean(X, 0, keepdims=True)) / jnp.std(X, 0, keepdims=True)


@wrong(normal(6, 3), parts=("vjp",))
@cotangent_of(batch_norm)
def batch_norm_with_constant_statistics(X, G):
    return (G / jnp.std(X, 0, keepdims=True),)


@wrong(VECTOR, POSITIVE, parts=("vjp",))
@cotangent_of(lambda x, y: x @ y / (jnp.linalg.norm(x) * jnp.linalg.norm(y)))
def cosine_similarity_without_its_projection(x, y, g):
    norms = jnp.linalg.norm(x) * jnp.linalg.norm(y)
    return g * y / norms, g * x / norms


@wrong(VECTOR, parts=("vjp",))
@cotangent_of(lambda x: jnp.outer(x, x))
def outer_square_from_one_side(x, G):
    return (G @ x,)


def differences(X):
    return X[:, None, :] - X[None, :, :]


@wrong(normal(4, 2), parts=("vjp",))
@cotangent_of(lambda X: jnp.sum(differences(X) ** 2, -1))
def pairwise_distances_by_their_rows_alone(X, G):
    return (2 * jnp.einsum("ij,ijk->ik", G, differences(X)),)


@wrong(
    normal(3, 4, seed=1),
    normal(5, 4, seed=2),
    normal(5, 2, seed=3),
    parts=("vjp", "alone"),
    diagnosis="factor.*argument 1",
)
@cotangent_of(lambda Q, K, V: softmax(Q @ K.T / 2) @ V)
def attention_whose_keys_miss_the_scale(Q, K, V, G):
    P = softmax(Q @ K.T / 2)
    dP = G @ V.T
    dS = P * (dP - jnp.sum(P * dP, 1, keepdims=True))
    return dS @ K / 2, dS.T @ Q, P.T @ G


@wrong(VECTOR, parts=("vjp",), diagnosis="missing transpose of the derivative")
@cotangent_of(jnp.cumsum)
def cumulative_sum_that_is_not_reversed(x, g):
    return (jnp.cumsum(g),)


@wrong(VECTOR, parts=("vjp",), diagnosis="rank one")
@cotangent_of(softmax)
def softmax_less_a_plain_mean(x, g):
    s = softmax(x)
    return (s * (g - jnp.mean(g)),)
