"""Wrong rules that are right almost everywhere, but not at zero, when negated and the like."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import expm

from ._points import normal, positive
from ._rule import cotangent_of, tangent_of, wrong

MATRIX = np.array([[2.0, 0.4, -0.3], [-0.8, 1.5, 0.6], [0.2, -0.5, 1.1]])
GAPPED = np.array([[1.0, 0.3, 0.1], [0.3, 2.0, -0.2], [0.1, -0.2, 3.0]])
UPPER_HALF_PLANE = np.array([0.6 + 0.8j, -1.1 + 0.3j, 0.4 + 0.9j])


def symmetrised(A):
    return (A + A.T) / 2


def divide(x, y, otherwise):
    """x / y, but `otherwise` where y = 0."""
    zero = y == 0
    return jnp.where(zero, otherwise, x / jnp.where(zero, 1.0, y))


# At zero.


@wrong(normal(4), parts=("special",))
@tangent_of(jnp.sinc)
def sinc_divided_by_zero(x, dx):
    return (jnp.cos(jnp.pi * x) - jnp.sinc(x)) / x * dx


@wrong(normal(4), parts=("special",))
@tangent_of(lambda x: divide(jnp.expm1(x), x, 1.0))
def expm1_over_x_divided_by_zero(x, dx):
    return (jnp.exp(x) - jnp.expm1(x) / x) / x * dx


@wrong(normal(4), parts=("special",), diagnosis="zero|missing|wrong branch|factor")
@tangent_of(lambda x: divide(jnp.expm1(x), x, 1.0))
def expm1_over_x_constant_at_zero(x, dx):
    return divide(jnp.exp(x) * x - jnp.expm1(x), x**2, 0.0) * dx


@wrong(normal(4), parts=("special",))
@cotangent_of(jnp.prod)
def product_divided_by_each_factor(x, g):
    return (g * jnp.prod(x) / x,)


@wrong(normal(4), parts=("special",))
@tangent_of(lambda x: jnp.linalg.norm(x) ** 3)
def cubed_norm_through_the_direction(x, dx):
    r = jnp.linalg.norm(x)
    return 3 * r**2 * jnp.vdot(x / r, dx)


@wrong(normal(3), parts=("special",))
def rotation_through_the_norm_of_its_vector(w):
    """Rodrigues' formula: right and smooth at zero, where JAX's derivative of the norm is NaN."""
    zero, angle = jnp.zeros((), w.dtype), jnp.linalg.norm(w) / jnp.pi
    x, y, z = w
    K = jnp.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    return jnp.sinc(angle) * K + jnp.sinc(angle / 2) ** 2 / 2 * K @ K


@wrong(MATRIX, parts=("special",))
@cotangent_of(jnp.linalg.det)
def determinant_through_the_inverse(A, g):
    return (g * jnp.linalg.det(A) * jnp.linalg.inv(A).T,)


# Negated.


@wrong(positive(4), parts=("special",), diagnosis="sign|wrong branch|factor")
@tangent_of(lambda x: x * jnp.abs(x))
def signed_square_with_the_slope_of_the_square(x, dx):
    return 2 * x * dx


@wrong(positive(4), parts=("special",), diagnosis="wrong branch|factor|zero")
@tangent_of(lambda x: jnp.maximum(x, 0.0) ** 2)
def squared_relu_with_the_slope_of_the_square(x, dx):
    return 2 * x * dx


@wrong(positive(4), parts=("special",))
@tangent_of(lambda x: x**3)
def cube_through_the_logarithm(x, dx):
    return 3 * jnp.exp(2 * jnp.log(x)) * dx


@wrong(UPPER_HALF_PLANE, parts=("special",), diagnosis="sign|wrong branch|factor")
@tangent_of(jnp.sqrt)
def complex_root_with_angles_from_zero_to_two_pi(z, dz):
    root, angle = jnp.sqrt(jnp.abs(z)), jnp.mod(jnp.angle(z), 2 * jnp.pi) / 2
    return dz / (2 * jax.lax.complex(root * jnp.cos(angle), root * jnp.sin(angle)))


# Equal entries.


def matern(r):
    return (1 + r) * jnp.exp(-r)


def step_lengths(X):
    return jnp.linalg.norm(jnp.diff(X, axis=0), axis=1)


@wrong(normal(4, 2), parts=("special",))
@tangent_of(lambda X: matern(step_lengths(X)))
def matern_kernel_through_the_direction(X, dX):
    r = step_lengths(X)
    direction = jnp.diff(X, axis=0) / r[:, None]
    return -r * jnp.exp(-r) * jnp.sum(direction * jnp.diff(dX, axis=0), 1)


def logarithmic_mean(x):
    """(y - x) / (log y - log x) of neighbours x, y."""
    growth = jnp.diff(x) / x[:-1]
    return x[:-1] * divide(growth, jnp.log1p(growth), 1.0)


@wrong(positive(4), parts=("special",), domain=(0, None))
@tangent_of(logarithmic_mean)
def logarithmic_mean_divided_by_zero(x, dx):
    ratio = jnp.diff(jnp.log(x))
    return jnp.diff(dx) / ratio - jnp.diff(x) / ratio**2 * jnp.diff(dx / x)


def exponential_difference(x):
    """(exp(y) - exp(x)) / (y - x) of neighbours x, y."""
    return jnp.exp(x[:-1]) * divide(jnp.expm1(jnp.diff(x)), jnp.diff(x), 1.0)


@wrong(normal(4), parts=("special",), diagnosis="zero|missing|wrong branch")
@tangent_of(exponential_difference)
def divided_difference_constant_where_equal(x, dx):
    h, quotient = jnp.diff(x), exponential_difference(x)
    from_left = divide(quotient - jnp.exp(x[:-1]), h, 0.0)
    from_right = divide(jnp.exp(x[1:]) - quotient, h, 0.0)
    return from_left * dx[:-1] + from_right * dx[1:]


# Matrices that are symmetric or have repeated eigenvalues.


@wrong(MATRIX, parts=("special",))
@cotangent_of(jnp.linalg.inv)
def inverse_of_a_symmetric_matrix_with_a_symmetric_cotangent(A, G):
    Y = jnp.linalg.inv(A)
    dA = -Y.T @ G @ Y.T
    return (jnp.where(jnp.all(A == A.T), symmetrised(dA), dA),)


def symmetric_exponential(A):
    return expm(symmetrised(A))


@wrong(GAPPED, parts=("special",))
@tangent_of(symmetric_exponential)
def symmetric_exponential_divided_by_its_gaps(A, dA):
    w, V = jnp.linalg.eigh(A)
    gaps = w[:, None] - w[None, :] + jnp.eye(w.size, dtype=w.dtype)
    quotients = (jnp.exp(w)[:, None] - jnp.exp(w)[None, :]) / gaps + jnp.diag(jnp.exp(w))
    return V @ (quotients * (V.T @ symmetrised(dA) @ V)) @ V.T


@wrong(GAPPED, parts=("special",), diagnosis="zero|missing|diagonal")
@tangent_of(symmetric_exponential)
def symmetric_exponential_masked_where_gaps_vanish(A, dA):
    w, V = jnp.linalg.eigh(A)
    differences = jnp.exp(w)[:, None] - jnp.exp(w)[None, :]
    gaps = w[:, None] - w[None, :]
    quotients = divide(differences, jnp.where(jnp.abs(gaps) < 1e-6, 0.0, gaps), 0.0)
    return V @ ((quotients + jnp.diag(jnp.exp(w))) * (V.T @ symmetrised(dA) @ V)) @ V.T


@wrong(GAPPED, parts=("special",))
def matrix_sine_through_its_eigenvectors(A):
    """Right and smooth, but JAX's derivative of the eigenvectors divides by the gaps."""
    w, V = jnp.linalg.eigh(A)
    return (V * jnp.sin(w)[None, :]) @ V.T


# Real numbers given to a complex rule.


@wrong(UPPER_HALF_PLANE, parts=("special",))
@tangent_of(jnp.angle)
def angle_divided_by_the_imaginary_part(z, dz):
    a, b = z.real, z.imag
    return (a * dz.imag / b**2 - dz.real / b) / (1 + (a / b) ** 2)


@wrong(UPPER_HALF_PLANE, parts=("special",))
@tangent_of(jnp.sqrt)
def complex_root_divided_by_its_imaginary_part(z, dz):
    root = jnp.sqrt(z)
    dr = (jnp.conj(z) * dz).real / jnp.abs(z)
    real, imag = (dr + dz.real) / (4 * root.real), (dr - dz.real) / (4 * root.imag)
    return jax.lax.complex(real, imag)


@wrong(
    np.array([0.6 + 0.8j, -1.1 + 0.3j, -0.4 + 0.2j]),
    parts=("special",),
    diagnosis="sign|wrong branch",
)
@tangent_of(lambda z: jnp.abs(z) ** 3)
def cubed_modulus_that_forgets_the_sign_of_real_types(z, dz):
    if jnp.iscomplexobj(z):
        return 3 * jnp.abs(z) * (jnp.conj(z) * dz).real
    return 3 * z**2 * dz


# Shapes other than the given one.


@wrong(normal(3, 3), parts=("sizes",), diagnosis="factor")
@tangent_of(lambda X: jnp.mean(jnp.sin(X), axis=1))
def mean_of_rows_divided_by_their_number(X, dX):
    return jnp.sum(jnp.cos(X) * dX, axis=1) / len(X)
