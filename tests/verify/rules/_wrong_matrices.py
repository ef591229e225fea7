"""Wrong rules of steps of differential equations, of matrices, and of complex numbers."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import expm

from ._points import is_spd, normal, positive, spd
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


# Steps of differential equations.

STEP = 0.4


def oscillator(y):
    return jnp.stack([y[1], (1 - y[0] ** 2) * y[1] - y[0]])


def runge_kutta_step(y):
    k1 = oscillator(y)
    k2 = oscillator(y + STEP / 2 * k1)
    k3 = oscillator(y + STEP / 2 * k2)
    k4 = oscillator(y + STEP * k3)
    return y + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


@wrong(np.array([1.2, -0.7]), parts=("jvp",))
@tangent_of(runge_kutta_step)
def runge_kutta_with_the_tangent_of_euler(y, dy):
    return dy + STEP * jax.jvp(oscillator, (y,), (dy,))[1]


def euler_path(A, y):
    path = [y]
    for _ in range(5):
        path.append(path[-1] + STEP / 4 * A @ path[-1])
    return path


@wrong(MATRIX, np.array([1.0, -0.5, 0.8]), parts=("vjp",))
@cotangent_of(lambda A, y: euler_path(A, y)[-1])
def adjoint_equation_with_an_untransposed_matrix(A, y, g):
    dA = jnp.zeros_like(A)
    for state in reversed(euler_path(A, y)[:-1]):
        dA = dA + STEP / 4 * jnp.outer(g, state)
        g = g + STEP / 4 * A @ g
    return dA, g


# Functions of matrices.


@wrong(MATRIX, parts=("vjp",))
@cotangent_of(inv)
def inverse_without_its_transposes(A, G):
    return (-inv(A) @ G @ inv(A),)


@wrong(MATRIX, parts=("vjp",), diagnosis="transpose")
@cotangent_of(inv)
def inverse_with_the_transpose_of_the_cotangent(A, G):
    return (-inv(A) @ G.T @ inv(A),)


@wrong(MATRIX, normal(3), parts=("vjp", "alone"), diagnosis="sign.*argument 0")
@cotangent_of(solve)
def solve_without_its_minus(A, b, g):
    y = solve(A.T, g)
    return jnp.outer(y, solve(A, b)), y


@wrong(MATRIX, OTHER, parts=("jvp",))
@tangent_of(jnp.matmul)
def product_rule_in_the_wrong_order(A, B, dA, dB):
    return dA @ B + dB @ A


@wrong(MATRIX, OTHER, parts=("vjp",), diagnosis="swapped arguments")
@cotangent_of(jnp.matmul)
def product_with_swapped_cotangents(A, B, G):
    return A.T @ G, G @ B.T


@wrong(MATRIX, OTHER, parts=("vjp", "alone"), diagnosis="transpose.*argument 0")
@cotangent_of(lambda A, B: jnp.trace(A @ B))
def trace_of_a_product_without_one_transpose(A, B, g):
    return g * B, g * A.T


@wrong(MATRIX, parts=("vjp",), diagnosis="transpose")
@cotangent_of(lambda A: jnp.linalg.slogdet(A)[1])
def logdet_without_its_transpose(A, g):
    return (g * inv(A),)


@wrong(MATRIX, parts=("vjp",), diagnosis="transpose")
@cotangent_of(lambda A: jnp.sum(jnp.linalg.svd(A, compute_uv=False)))
def nuclear_norm_with_v_u(A, g):
    U, _, V = jnp.linalg.svd(A)
    return (g * (U @ V).T,)


@wrong(MATRIX, parts=("jvp",))
@tangent_of(expm)
def matrix_exponential_as_if_all_commuted(A, dA):
    return expm(A) @ dA


@wrong(MATRIX, normal(3), parts=("vjp", "alone"))
@cotangent_of(lambda A, x: x @ A @ x)
def quadratic_form_as_if_symmetric(A, x, g):
    return g * jnp.outer(x, x), g * 2 * A @ x


@wrong(normal(5, 3), parts=("jvp",))
@tangent_of(lambda A: solve(A.T @ A, A.T))
def pseudoinverse_with_the_tangent_of_the_inverse(A, dA):
    P = solve(A.T @ A, A.T)
    return -P @ dA @ P


@wrong(normal(5, 3), normal(5, seed=1), parts=("jvp", "alone"))
@tangent_of(lambda A, b: solve(A.T @ A, A.T @ b))
def least_squares_without_its_residual(A, b, dA, db):
    x = solve(A.T @ A, A.T @ b)
    return solve(A.T @ A, A.T @ (db - dA @ x))


@wrong(spd(3), parts=("vjp",), domain=is_spd)
@cotangent_of(jnp.linalg.cholesky)
def cholesky_with_a_full_diagonal(A, G):
    L = jnp.linalg.cholesky(A)
    return (symmetrised(inv(L).T @ jnp.tril(L.T @ G) @ inv(L)),)


@wrong(spd(3), parts=("vjp",), diagnosis="symmetri", domain=is_spd)
@cotangent_of(jnp.linalg.cholesky)
def cholesky_without_symmetrisation(A, G):
    L = jnp.linalg.cholesky(A)
    P = jnp.tril(L.T @ G)
    return (inv(L).T @ (P - jnp.diag(jnp.diag(P)) / 2) @ inv(L),)


@wrong(spd(3), normal(3), parts=("vjp", "alone"), diagnosis="symmetri.*argument 0")
@cotangent_of(lambda A, b: solve(symmetrised(A), b))
def symmetric_solve_without_symmetrisation(A, b, g):
    x, y = solve(symmetrised(A), b), solve(symmetrised(A), g)
    return -jnp.outer(y, x), y


def lowest_projector(A):
    v = jnp.linalg.eigh(A)[1][:, 0]
    return jnp.outer(v, v)


@wrong(GAPPED, parts=("jvp",), diagnosis="sign")
@tangent_of(lowest_projector)
def spectral_projector_with_the_gaps_reversed(A, dA):
    w, V = jnp.linalg.eigh(A)
    v, rest = V[:, 0], V[:, 1:]
    dv = rest @ (rest.T @ symmetrised(dA) @ v / (w[1:] - w[0]))
    return jnp.outer(dv, v) + jnp.outer(v, dv)


@wrong(
    normal(3),
    spd(3),
    parts=("vjp", "alone"),
    domain=lambda x, S: jnp.linalg.eigvalsh(S)[0] > 0,
)
@cotangent_of(lambda x, S: -(x @ solve(S, x) + jnp.linalg.slogdet(S)[1]) / 2)
def gaussian_density_without_its_determinant(x, S, g):
    y = solve(S, x)
    return -g * y, g * jnp.outer(y, y) / 2


def lyapunov(A, Q):
    """X with A X + X Aᵀ = Q."""
    one = jnp.eye(len(A), dtype=A.dtype)
    return solve(jnp.kron(A, one) + jnp.kron(one, A), Q.ravel()).reshape(Q.shape)


@wrong(MATRIX, OTHER, parts=("vjp",))
@cotangent_of(lyapunov)
def lyapunov_equation_as_its_own_adjoint(A, Q, G):
    X, S = lyapunov(A, Q), lyapunov(A, G)
    return -(S @ X.T + S.T @ X), S


@wrong(MATRIX, OTHER, parts=("vjp",))
@cotangent_of(jnp.kron)
def kronecker_product_with_its_factors_reversed(A, B, G):
    blocks = G.reshape(*B.shape[:1], *A.shape[:1], *B.shape[1:], *A.shape[1:])
    return jnp.einsum("piqj,pq->ij", blocks, B), jnp.einsum("piqj,ij->pq", blocks, A)


def tridiagonal(lower, diagonal, upper):
    return jnp.diag(lower, -1) + jnp.diag(diagonal) + jnp.diag(upper, 1)


@wrong(
    normal(3, seed=1),
    4 + positive(4),
    normal(3, seed=2),
    normal(4, seed=3),
    parts=("vjp", "alone"),
    diagnosis="swapped arguments",
)
@cotangent_of(lambda lower, diagonal, upper, b: solve(tridiagonal(lower, diagonal, upper), b))
def tridiagonal_solve_with_swapped_bands(lower, diagonal, upper, b, g):
    T = tridiagonal(lower, diagonal, upper)
    x, y = solve(T, b), solve(T.T, g)
    return -y[:-1] * x[1:], -y * x, -y[1:] * x[:-1], y


# Complex numbers. In JAX a cotangent g stands for the map z ↦ Re(g z), without a conjugate.


@wrong(COMPLEX, parts=("jvp", "linear", "conjugation"), diagnosis="conjugate")
@tangent_of(jnp.exp)
def exponential_with_a_conjugate_tangent(z, dz):
    return jnp.exp(z) * jnp.conj(dz)


@wrong(COMPLEX, parts=("jvp", "conjugation"))
@tangent_of(lambda z: z * jnp.conj(z))
def squared_modulus_as_if_holomorphic(z, dz):
    return 2 * jnp.conj(z) * dz


@wrong(COMPLEX, parts=("jvp", "conjugation"), diagnosis="conjugate")
@tangent_of(jnp.abs)
def modulus_without_its_conjugate(z, dz):
    return jnp.real(z * dz) / jnp.abs(z)


@wrong(VECTOR, parts=("vjp", "conjugation"), diagnosis="conjugate")
@cotangent_of(lambda x: lax.complex(jnp.cos(x), jnp.sin(x)))
def phase_with_a_conjugate_on_the_wrong_factor(x, g):
    derivative = lax.complex(-jnp.sin(x), jnp.cos(x))
    return (jnp.real(jnp.conj(derivative) * g),)


@wrong(VECTOR, POSITIVE, parts=("vjp", "alone"))
@cotangent_of(lambda r, phase: lax.complex(r * jnp.cos(phase), r * jnp.sin(phase)))
def polar_form_whose_phase_drops_the_imaginary_part(r, phase, g):
    dr = jnp.real(g * lax.complex(jnp.cos(phase), jnp.sin(phase)))
    return dr, -r * jnp.sin(phase) * jnp.real(g)


@wrong(COMPLEX_MATRIX, parts=("vjp", "conjugation"), diagnosis="conjugate")
@cotangent_of(lambda A: jnp.linalg.slogdet(A)[1])
def complex_logdet_with_a_conjugate(A, g):
    return (g.astype(A.dtype) * inv(A).T.conj(),)


@wrong(COMPLEX_MATRIX, COMPLEX_MATRIX.T + 1, parts=("vjp", "conjugation"), diagnosis="conjugate")
@cotangent_of(jnp.matmul)
def complex_product_with_hermitian_transposes(A, B, G):
    return G @ B.conj().T, A.conj().T @ G


@wrong(
    np.array([[1.0, 0.2 + 0.3j], [0.2 - 0.3j, 3.0]]),
    parts=("vjp", "conjugation"),
    diagnosis="conjugate|transpose",
)
@cotangent_of(lambda A: jnp.linalg.eigvalsh(A)[0])
def hermitian_eigenvalue_with_the_conjugate_projector(A, g):
    v = jnp.linalg.eigh(A)[1][:, 0]
    return (g.astype(A.dtype) * jnp.outer(v, v.conj()),)


@wrong(COMPLEX, parts=("vjp", "conjugation"))
@cotangent_of(jnp.fft.fft)
def fourier_transform_with_its_adjoint(z, g):
    return (z.size * jnp.fft.ifft(g),)


@wrong(normal(6), parts=("vjp",))
@cotangent_of(jnp.fft.rfft)
def real_fourier_transform_with_doubled_frequencies(x, g):
    return (x.size * jnp.fft.irfft(jnp.conj(g), x.size),)


def centred_gram(X, axis):
    Y = X - jnp.mean(X, axis=axis, keepdims=True)
    return Y.T @ Y


@wrong(
    normal(4, 3),
    parts=("primal",),
    diagnosis="another value",
    reference=lambda X: centred_gram(X, 0),
)
def gram_matrix_centred_along_the_other_axis(X):
    return centred_gram(X, 1)


@wrong(MATRIX, VECTOR[:3], parts=("vjp",), diagnosis="missing transpose of the derivative.*1")
@cotangent_of(solve)
def solve_whose_adjoint_is_not_transposed(A, b, g):
    y = solve(A, g)
    return -jnp.outer(y, solve(A, b)), y
