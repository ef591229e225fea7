"""python -m benchmarks.eigsh K.mtx [M.mtx] [-k 4] [--largest] [--depths 20,40]

The k eigenvalues of K v = λ M v closest to zero, or the largest (M diagonal), and the gradient of a loss
of the pairs in the diagonal of K, by `mcjax.linalg.eigsh`, by the dense `eigh` and, if it is installed,
by the adjoint of Lanczos's iteration in matfree. Closest to zero, each factors K once; the largest take
products with K alone. Matrices are Matrix Market files.

Times are the best of interleaved calls, of the loss and of its gradient alone: what value and gradient take
together less what the loss takes. Errors are relative to a gradient in extended precision: eigenpairs by
inverse iteration, derivatives by the bordered systems, all residuals in long double. `bound` is 10
residual/gap, in units of the gradient.
"""

import argparse
import time
from pathlib import Path

import numpy as np


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eigsh", description=__doc__)
    parser.add_argument("matrices", nargs="+", type=Path)
    parser.add_argument("-k", type=int, default=4)
    parser.add_argument("--depths", type=lambda s: [*map(int, s.split(","))], default=[20, 30, 40])
    parser.add_argument("--largest", action="store_true")
    parser.add_argument("--repeat", type=int, default=20)
    arguments = parser.parse_args()
    import jax

    jax.config.update("jax_enable_x64", True)
    K, m = read(*arguments.matrices)
    k, n = arguments.k, len(K)
    weights = np.random.default_rng(0).standard_normal((n, k))
    largest = arguments.largest
    losses = {"mcjax": mcjax(K, m, k, largest), "dense": dense(K, m, k, largest)}
    try:
        losses |= {f"matfree, {d}": matfree(K, m, k, largest, d) for d in arguments.depths}
    except ImportError:
        print("matfree is not installed")
    true, bound = truth(K, m, k, largest, weights)
    print(f"n = {n}, k = {k}, jax {jax.__version__}, bound {bound:.1e}")
    programs = {name: compiled(pairs, m, weights) for name, pairs in losses.items()}
    times = {name: [] for name in programs}
    for _ in range(arguments.repeat):
        for name, (value, both) in programs.items():
            times[name].append([seconds(value, n), seconds(both, n)])
    print(
        f"{'':14} {'loss, s':>9} {'gradient':>9} {'both':>9} {'error':>9} {'temporaries, MB':>16}"
    )
    for name, (_, both) in programs.items():
        value, total = np.min(times[name], 0)
        error = np.linalg.norm(both(np.zeros(n))[1] - true) / np.linalg.norm(true)
        memory = both.memory_analysis().temp_size_in_bytes / 1e6
        print(
            f"{name:14} {value:9.3f} {total - value:9.3f} {total:9.3f} {error:9.1e} {memory:16.1f}"
        )


def compiled(pairs, m, weights):
    """The loss, and the loss with its gradient in the diagonal of K."""
    import jax

    def loss(theta):
        w, V = pairs(theta)
        return (V**2 * m[:, None] * weights).sum() + w.sum() / w[0]

    start = np.zeros(len(m))
    return [jax.jit(f).lower(start).compile() for f in (loss, jax.value_and_grad(loss))]


def seconds(function, n):
    import jax

    began = time.perf_counter()
    jax.block_until_ready(function(np.zeros(n)))
    return time.perf_counter() - began


def read(stiffness, mass=None):
    from scipy.io import mmread

    K = mmread(stiffness).toarray()
    return K, np.ones(len(K)) if mass is None else mmread(mass).diagonal()


def mcjax(K, m, k, largest):
    import jax.numpy as jnp
    import lineax

    from mcjax.linalg import eigsh

    K = jnp.asarray(K)
    mass = lineax.DiagonalLinearOperator(jnp.asarray(m))

    def pairs(theta):
        if largest:
            multiply = lambda x: K @ x + theta * x  # noqa: E731
            return eigsh(multiply, k, B=mass, which="LA", v0=m, solve=lambda x: x / m)[:2]
        stiffness = lineax.MatrixLinearOperator(K) + lineax.DiagonalLinearOperator(theta)
        return eigsh(stiffness, k, B=mass, sigma=0.0)[:2]

    return pairs


def dense(K, m, k, largest):
    import jax.numpy as jnp

    from mcjax.linalg import eigh  # jax's gradient is NaN where any two eigenvalues tie

    s = m**-0.5

    def pairs(theta):
        w, V = eigh(s[:, None] * (K + jnp.diag(theta)) * s)
        chosen = slice(-k, None) if largest else slice(k)
        return w[chosen], V[:, chosen] * s[:, None]

    return pairs


def matfree(K, m, k, largest, depth):
    import jax
    import jax.numpy as jnp
    import jax.scipy.linalg
    from matfree import decomp, eig

    s = m**0.5
    tridiagonal = eig.eigh_partial(decomp.tridiag_sym(depth, reortho="full"))
    start = np.cos(0.7 * np.arange(1.0, len(m) + 1) ** 2)

    def extreme(theta):
        multiply = lambda x, theta: (K @ (x / s) + theta * (x / s)) / s  # noqa: E731
        w, V = tridiagonal(multiply, jnp.asarray(start), theta)
        return w[-k:], V[-k:].T / s[:, None]

    def nearest(theta):
        factors = jax.scipy.linalg.lu_factor(K + jnp.diag(jax.lax.stop_gradient(theta)))

        def inverse(x, theta):
            solve = lambda _, b: jax.scipy.linalg.lu_solve(factors, b)  # noqa: E731
            multiply = lambda x: K @ x + theta * x  # noqa: E731
            return s * jax.lax.custom_linear_solve(multiply, s * x, solve, symmetric=True)

        nu, V = tridiagonal(inverse, jnp.asarray(start), theta)
        return 1 / nu[: -k - 1 : -1], V[: -k - 1 : -1].T / s[:, None]

    return extreme if largest else nearest


def truth(K, m, k, largest, weights):
    """The gradient, and 10 residual/gap for a residual of 64 eps ‖S‖, as `eigsh` allows."""
    from scipy.linalg import eigh, lu_factor, lu_solve

    exact, n = np.longdouble, len(m)
    chosen = (n - k - 1, n - 1) if largest else (0, k)
    w, V = eigh(K, np.diag(m), subset_by_index=chosen)
    nu = w if largest else 1 / w
    bound = 640 * np.finfo(float).eps * np.abs(nu).max() / np.abs(np.diff(nu)).min()
    w, V = (w[1:], V[:, 1:]) if largest else (w[:k], V[:, :k])
    K, m, weights, w, V = (x.astype(exact) for x in (K, m, weights, w, V))
    slopes = np.full(k, 1 / w[0])
    slopes[0] -= w.sum() / w[0] ** 2
    gradient = np.zeros(n, exact)
    for v, weight, value, slope in zip(V.T, weights.T, w, slopes, strict=True):
        for _ in range(4):  # Newton's steps for (v, λ), then the derivative, of one bordered matrix
            v = v / np.sqrt((m * v * v).sum())
            bordered = np.zeros((n + 1, n + 1), exact)
            bordered[:n, :n], bordered[:n, n], bordered[n, :n] = (
                K - value * np.diag(m),
                m * v,
                m * v,
            )
            factors = lu_factor(bordered.astype(float))
            rest = K @ v - value * m * v
            step = _refined(factors, bordered, np.append(rest, 0), lu_solve)
            v, value = v - step[:n], value + step[n]
        y = 2 * m * weight * v
        z = _refined(factors, bordered, np.append(y - m * v * (v @ y), 0), lu_solve)[:n]
        gradient += slope * v * v - z * v
    return gradient.astype(float), float(bound)


def _refined(factors, matrix, b, lu_solve):
    x = np.zeros_like(b)
    for _ in range(6):
        x = x + lu_solve(factors, (b - matrix @ x).astype(float))
    return x


if __name__ == "__main__":
    main()
