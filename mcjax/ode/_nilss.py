"""Derivatives of long-time averages of chaotic systems: non-intrusive least squares shadowing.

Tangents of a chaotic solution grow like e^{Λt}, and so does the derivative of an average over a finite time,
though the average over infinite time may be smooth in p. A nearby system has a *shadowing* solution, which
stays close, at a speed of its own. Its tangent v is the bounded one of v' = f_u v + f_p + η f. Look for it as

    v = v* + W a,        v*' = f_u v* + f_p,        W' = f_u W,        on each of K segments of length Δ,

with M columns W, as many as there are positive exponents. What a tangent has along f is a shift in time,
and grows no more than linearly: at the ends of segments it is taken out (^⊥). There W^⊥ = Q R, and the next
segment starts from Q and from v*^⊥ - Q b, b = Qᵀ v*^⊥. So v^⊥ is continuous if a_{k+1} = R_k a_k + b_k, and

    minimise Σ_k ∫ |(v* + W a_k)^⊥|² dt   subject to continuity

picks the bounded one: linear least squares, with block-tridiagonal equations. v^⊥ = v - ξ f has the time
scale η = -ξ', and d⟨J⟩/dp = (1/T) ∫ J_u v^⊥ + J_p + η (J - J̄) dt, J̄ = ⟨J⟩. As ξ J_u f + ξ' (J - J̄) is the
derivative of ξ (J - J̄), for any ξ that is 0 where a segment starts,

    d⟨J⟩/dp = (1/T) Σ_k [ ∫ J_u (v* + W a_k) + J_p dt + ξ_k (J̄ - J) at the end of the segment ].

ξ = ⟨v, f⟩/|f|² takes out all that v has along f. Where a solution comes to rest it would grow like 1/|f|,
for nothing: tangents along f fall there as f does. So |f| counts as s at least, a tenth of its mean so far.
If |f| ~ e^{-λt}, s falls like 1/t, |J̄ - J| ~ 1/T + |f|, and all terms ξ (J̄ - J)/T together are of order
log T/T. What keeps moving is faster than s time and again, and rid of all along f each time.
"""

from collections.abc import Callable
from typing import NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from ._flow import SOLVER, only_if, tolerances, tolerant, vector


class Shadowing(NamedTuple):
    """⟨J⟩, d⟨J⟩/dp, the exponents of W per time, the size of the shadow, and whether the solver succeeded."""

    average: Float[Array, ""]
    derivative: Float[Array, ""]
    exponents: Float[Array, " directions"]
    shadow: Float[Array, " segments"]
    successful: Bool[Array, ""]


def nilss(
    f: Callable,
    objective: Callable,
    y0,
    p,
    *,
    segment: float,
    segments: int,
    directions: int,
    solver: diffrax.AbstractSolver = SOLVER,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    max_steps: int = 4096,
    key: Array | None = None,
) -> Shadowing:
    """The derivative in p of the time average of objective(t, y, p) on the attractor of y' = f(t, y, p).

    Args:
      f: (t, y, p) ↦ y', autonomous.
      objective: (t, y, p) ↦ a number, J.
      y0: a state on the attractor, or on the way to an equilibrium: integrate a transient first.
      p: a number, the parameter. Others are closed over.
      segment: time Δ between orthonormalisations; e^{Λ Δ} should be a hundred or so at most.
      segments: how many; T = segment * segments is the time of the average.
      directions: M, as many as there are positive Lyapunov exponents, or more, less than y has numbers.
      solver, stepsize_controller, max_steps: as for `diffrax.diffeqsolve`, for each segment; by default
        Tsit5, and a PIDController with rtol = atol = √eps.
      key: of the first tangents, by default `jax.random.key(0)`.

    Returns:
      average and derivative.
      exponents (M,), the largest Lyapunov exponents but for the zero along f. All positive ones have to be
        among them: with one direction more, the last is negative.
      shadow (segments,): mean |v^⊥|² of each segment. It stays bounded where there is a shadow.
      successful: false and NaN if the solver failed. Whether T is long enough, a second T tells.

    The result is a statistical estimate and has no derivatives of its own.

    Errors: those of a time average, 1/√T, and 1/T for the ends; systematic where the system is not
      uniformly hyperbolic.
    Cost: M + 1 tangents, and (K M)³ for the least squares, K segments.
    Source: Ni and Wang, J. Comput. Phys. 347 (2017) 56; Wang, Hu and Blonigan, ibid. 267 (2014) 210.
    """
    y0, unravel = vector(y0)
    stepsize_controller = tolerant(stepsize_controller, y0.dtype)
    n = len(y0)
    if not segment > 0 or segments < 1:
        raise ValueError(
            "nilss: the segment must be a positive time, as backwards the attractor is another, and "
            f"segments at least 1, got {segment} and {segments}"
        )
    if not 1 <= directions < n:
        raise ValueError(
            f"nilss: directions must be at least 1 and less than the {n} of y, one of which is along f, got "
            f"{directions}"
        )
    p = jnp.asarray(p, y0.dtype)
    if p.shape != ():
        raise ValueError(f"nilss: p is a number, got shape {p.shape}; close over the others")
    rtol, atol = tolerances(stepsize_controller, float(jnp.finfo(y0.dtype).eps) ** 0.5)
    still = lambda y: 10 * jnp.linalg.norm(atol + rtol * jnp.abs(y)) / segment  # noqa: E731
    problem = _Problem(f, objective, unravel, p, still)
    problem.check(y0)
    key = jax.random.key(0) if key is None else key
    W = jax.random.normal(key, (n, directions), y0.dtype)
    speed = problem.rate(y0)
    pace = jnp.linalg.norm(speed)
    W = jnp.linalg.qr(W - jnp.outer(speed, problem.shift(y0, speed, W, pace)))[0]

    def one_segment(carry, count):
        y, W, v, pace, okay = carry
        zero = (jnp.zeros((), y.dtype), jnp.zeros(directions + 1, y.dtype))
        zero += (jnp.zeros((directions + 1,) * 2, y.dtype),)
        start = (y, jnp.concatenate([W, v[:, None]], 1), *zero)
        end, found = problem.integrate(start, pace, segment, solver, stepsize_controller, max_steps)
        y, tangents, average, slopes, gram = end
        speed = problem.rate(y)
        drift = problem.shift(y, speed, tangents, pace)
        tangents = tangents - jnp.outer(speed, drift)
        Q, R = jnp.linalg.qr(tangents[:, :-1])
        v = tangents[:, -1]
        b = v @ Q
        record = (average, slopes, gram, drift, problem.value(y), R, b)
        pace += (jnp.linalg.norm(speed) - pace) / count
        return (y, Q, v - Q @ b, pace, okay & found), record

    start = (y0, W, jnp.zeros_like(y0), pace, jnp.array(True))
    counts = jnp.arange(2, segments + 2, dtype=y0.dtype)
    (*_, okay), record = lax.scan(one_segment, start, counts)
    average, slopes, gram, drift, ends, R, b = record
    a = _least_squares(gram[:, :-1, :-1], gram[:, :-1, -1], R, b)
    weights = jnp.concatenate([a, jnp.ones((segments, 1), a.dtype)], 1)
    T = segment * segments
    mean = average.sum() / T
    gained = (weights * drift).sum(1)
    derivative = ((weights * slopes).sum() + (gained * (mean - ends)).sum()) / T
    shadow = jnp.einsum("ki,kij,kj->k", weights, gram, weights) / segment
    growth = jnp.log(jnp.abs(jnp.diagonal(R, axis1=1, axis2=2))).sum(0) / T
    mean, derivative, growth, shadow = (
        only_if(okay, x) for x in (mean, derivative, growth, shadow)
    )
    return Shadowing(mean, derivative, growth, shadow, okay)


class _Problem(NamedTuple):
    """Field and objective of vectors, at one parameter."""

    f: Callable
    objective: Callable
    unravel: Callable
    p: Array
    still: Callable

    def check(self, y):
        """Raise for what no field and no objective returns."""
        rate = jax.eval_shape(self.rate, y)
        if rate.shape != y.shape:
            raise ValueError(
                f"nilss: f must return what has the shape of y: y has {y.size} numbers, f returned "
                f"{rate.size}"
            )
        zero = jnp.zeros((), y.dtype)
        value = jax.eval_shape(self.objective, zero, self.unravel(y), self.p)
        leaves = [(x.shape, jnp.issubdtype(x.dtype, jnp.floating)) for x in jax.tree.leaves(value)]
        if leaves != [((), True)]:
            raise ValueError(f"nilss: objective(t, y, p) must return a real number, got {value}")

    def shift(self, y, speed, tangents, pace):
        """ξ = ⟨v, f⟩ / |f|², |f| at least a tenth of the mean speed and what tolerances alone may make."""
        slow = jnp.maximum(pace / 10, self.still(y))
        return speed @ tangents / jnp.maximum(speed @ speed, slow**2)

    def rate(self, y, p=None):
        p = self.p if p is None else p
        rate = self.f(jnp.zeros((), y.dtype), self.unravel(y), p)
        return jnp.concatenate([jnp.ravel(x).astype(y.dtype) for x in jax.tree.leaves(rate)])

    def value(self, y, p=None):
        p = self.p if p is None else p
        return jnp.asarray(self.objective(jnp.zeros((), y.dtype), self.unravel(y), p), y.dtype)

    def integrate(self, start, pace, segment, solver, controller, max_steps):
        """y, the tangents (W, v*), ∫ J, ∫ J_u (W, v*) + (0, J_p), and the matrix of ∫ ⟨·^⊥, ·^⊥⟩."""

        def field(t, state, _):
            y, tangents, *_ = state
            push = jnp.zeros(tangents.shape[1], y.dtype).at[-1].set(1)
            both = lambda y, p: (self.rate(y, p), self.value(y, p))  # noqa: E731
            along = lambda v, dp: jax.jvp(both, (y, self.p), (v, dp))[1]  # noqa: E731
            rates, slopes = jax.vmap(along, (1, 0), (1, 0))(tangents, push)
            f = self.rate(y)
            across = tangents - jnp.outer(f, self.shift(y, f, tangents, pace))
            return f, rates, self.value(y), slopes, across.T @ across

        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            solver,
            # diffrax makes the state of the type of the time.
            jnp.zeros((), self.p.dtype),
            jnp.asarray(segment, self.p.dtype),
            None,
            start,
            stepsize_controller=controller,
            max_steps=max_steps,
            adjoint=diffrax.ForwardMode(),
            throw=False,
        )
        end = jax.tree.map(lambda x: x[-1], solution.ys)
        return end, solution.result == diffrax.RESULTS.successful


def _least_squares(C, d, R, b):
    """The a_k with Σ aᵀ C a + 2 dᵀ a least and R_k a_k + b_k = a_{k+1}.

    With multipliers λ_k: C_k a_k + d_k + R_kᵀ λ_k - λ_{k-1} = 0. Put a_k = -C_k⁻¹ (d_k + R_kᵀ λ_k - λ_{k-1})
    into the constraints: a block-tridiagonal positive definite system for λ, here solved as a full matrix.
    """
    segments, M = d.shape
    inner = segments - 1
    if inner == 0:
        return -jnp.linalg.solve(C, d[..., None])[..., 0]
    inverse = jnp.linalg.inv(C)
    RC = R @ inverse
    main = RC[:-1] @ R[:-1].mT + inverse[1:]
    upper = -inverse[1:-1] @ R[1:-1].mT
    k = jnp.arange(inner)
    S = jnp.zeros((inner, M, inner, M), d.dtype)
    S = S.at[k, :, k, :].set(main)
    S = S.at[k[:-1], :, k[1:], :].set(upper).at[k[1:], :, k[:-1], :].set(upper.mT)
    rest = (inverse @ d[..., None])[..., 0]
    right = b[:-1] - (R[:-1] @ rest[:-1, :, None])[..., 0] + rest[1:]
    multipliers = jnp.linalg.solve(S.reshape(inner * M, -1), right.reshape(-1)).reshape(inner, M)
    zero = jnp.zeros((1, M), d.dtype)
    after, before = (
        jnp.concatenate([multipliers, zero]),
        jnp.concatenate([zero, multipliers]),
    )
    pull = (R.mT @ after[..., None])[..., 0] - before
    return -(inverse @ (d + pull)[..., None])[..., 0]
