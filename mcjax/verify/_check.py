"""The checker: a function's derivatives against everything that they must agree with."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from ._diagnosis import diagnose
from ._function import flatten
from ._parts import ELSEWHERE, PARTS, SECOND, applicable
from ._point import Point
from ._report import OUTSIDE, Report
from ._verdict import Lost, Part, Undecided


def check(
    f: Callable,
    *args,
    reference: Callable | None = None,
    order: int = 2,
    domain: tuple | Callable | None = None,
    level: Literal["fast", "full"] = "fast",
    approx: float | None = None,
    seed: int = 0,
) -> Report:
    """Check the derivatives of f at args: values, structure, every mode and transform.

    Args:
      f: a function of pytrees that JAX can trace; integers, booleans and keys among its arguments are
        held fixed, and so are integer outputs. Any precision, real or complex.
      args: where to check it.
      reference: plain JAX that computes the same by other means, and that JAX differentiates right.
      order: the highest derivative that is looked at: 1, 2 or 3.
      domain: where f is defined: a pair of bounds of every entry (None for none), or a predicate of
        the arguments. Nothing is asked outside.
      level: "full" adds scan, checkpoint, a larger size, single precision, and lowering for CUDA.
      approx: the relative accuracy that f promises, where that is a solver's tolerance.
      seed: of the random directions and cotangents.

    Returns:
      A `Report`: print it, or use `.ok`, `.raise_if_wrong()`, `.to_json()`. Every part is right,
      wrong or undecided, with the digits obtained, the digits required, and the worst entry or the
      reason. The first part that is wrong names the fault, and `.diagnosis` says what it looks like.

    A derivative is a linear map that approximates f, so a rule can be wrong in its values, and in being
    a map, linear, of the right spaces, and the same map however it is asked. Values are compared with
    the gradient of `reference`, with JAX's own derivative of f without its rules, and always with
    differences of f in double precision (`mcjax.verify.differences`). Differences are the definition:
    the others add digits to them. Second derivatives are compared with differences of the first. Then
    the same is asked at the inputs where derivatives go wrong: zeros, equal entries, symmetric matrices,
    repeated eigenvalues, real numbers for complex ones, other shapes.

    What is required is computed: 10 n times how far a reference moves when its input moves by one
    rounding, and four times the error bar of the differences. A rule that misses it by its own rounding,
    or that has nine digits right, is right, and the report says how many digits it loses.

    Errors: at a kink, or where f has no digits left, parts are undecided. A fault that is below a
    billionth of the derivative, that shows at no input that was tried, or in no shape, is not found.

    Cost: some 2000 evaluations of f, and about ten compilations, which take most of the time.
    """
    if order not in (1, 2, 3):
        raise ValueError(f"check: order is 1, 2 or 3, not {order!r}")
    if level not in ("fast", "full"):
        raise ValueError(f"check: level is 'fast' or 'full', not {level!r}")
    function, x, names = flatten(f, args)
    point = Point(
        function, x, names, seed, reference, domain=domain, approx=approx or 0.0, order=order
    )
    return report(point, getattr(f, "__name__", type(f).__name__), level)


def report(point: Point, title: str, level: str = "full", parts=None) -> Report:
    """The parts that apply at a point, or those of them that are named."""
    names = [name for name in applicable(point, level) if parts is None or name in parts]
    with np.errstate(all="ignore"):  # numbers that are not finite are part of the question
        found = Report(title, tuple(_verdicts(names, point)), seed=point.seed, point=point)
        return replace(found, diagnosis=diagnose(point, found.wrong))


def _verdicts(names, point) -> Iterator[Part]:
    """One part after another; other inputs say nothing of a rule that is wrong at x itself."""
    wrong = False
    for name in names:
        if wrong and name in ELSEWHERE:
            yield Part(name, "undecided", detail="not looked at: wrong at the input itself")
            continue
        part = _confirmed(name, point)
        wrong |= part.verdict == "wrong" and name in OUTSIDE
        yield part


def _confirmed(name, point) -> Part:
    """A part, asked again where one answer is not enough.

    A fault is there in every direction; a comparison that went wrong by chance is not, and another
    direction may not meet the pole that left nothing to compare in the first. What a low precision does
    not show to be right, double precision may.
    """
    part = _guarded(name, point)
    if part.verdict == "right" or part.raised:
        return part
    low = part.verdict == "undecided" or name not in _EXACT
    if low and not point.is_double and point.is_the_same_in_double:
        again = _guarded(name, point.wide)
        if again.verdict == "right":
            return replace(again, detail=f"in double precision: {again.detail}")
    if part.verdict == "undecided" and name not in OUTSIDE:
        return part
    others = (_guarded(name, replace(point, seed=point.seed + 1000 * k)) for k in range(1, 7))
    if part.verdict == "undecided":
        return next((again for again in others if again.verdict == "right"), part)
    again = next(others)
    if again.verdict == "wrong":
        return part
    detail = f"in one direction and not in another: {part.detail}"
    return replace(part, verdict="undecided", detail=detail)


# Parts that rounding has no part in, or that are held against double precision already.
_EXACT = ("dtype", "pure", "primal", "zeros", "jvp", "vjp", "hessian", "third")


def _guarded(name, point) -> Part:
    """The part, or what it raised."""
    try:
        return replace(PARTS[name](point), name=name)
    except Undecided as reason:
        return Part(name, "undecided", detail=str(reason))
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        verdict = "undecided" if _decides_nothing(name, error) else "wrong"
        return Part(name, verdict, detail=reason, raised=True)


def _decides_nothing(name, error) -> bool:
    """A machine, or a derivative that nobody has: JAX without a rule does not have it either."""
    beyond = name in (*SECOND, "third", "cuda")
    return not isinstance(error, Lost) and (beyond or _is_refusal(error))


def _is_refusal(error) -> bool:
    """Does JAX say that there is no such thing (a custom_vjp forward, a while_loop backward)?"""
    phrases = (
        "forward-mode",
        "custom_lin",
        "everse-mode differentiation does not",
        "callbacks do not support",
        "UNIMPLEMENTED",  # by the compiler of this machine
    )
    return isinstance(error, NotImplementedError) or any(p in str(error) for p in phrases)
