"""The checker: a function's derivatives against everything that they must agree with."""

from collections.abc import Callable
from dataclasses import replace

from ._function import flatten
from ._parts import PARTS, applicable
from ._point import Point
from ._verdict import Part, Report


def check(
    f: Callable,
    *args,
    reference: Callable | None = None,
    truth: Callable | None = None,
    truth_jvp: Callable | None = None,
    seed: int = 0,
) -> Report:
    """Check the derivatives of f at args: first and second order, every mode and transform.

    Args:
      f: a function of pytrees; integers, booleans and keys among its arguments are held fixed.
      args: where to check it.
      reference: plain JAX that computes the same by other means, whose gradient is right.
      truth: args ↦ the value of f to full precision, not made by JAX.
      truth_jvp: (args, tangents) ↦ the derivative of f along tangents, likewise.
      seed: of the random directions and cotangents.

    Returns:
      A `Report`: print it, or use `.ok`, `.raise_if_wrong()`, `.to_json()`. Every part is right,
      wrong or undecided, with the digits obtained and the digits required.

    First derivatives are compared with `truth_jvp`, with the gradient of `reference`, and, always,
    with differences of f in double precision; forward with reverse mode; second derivatives of three
    kinds with each other and with differences of the gradient; then jit, vmap and float32 with the
    plain double-precision answer, and the lowering for CUDA is tried.

    What is required is computed: 10 n times how far a reference moves when its input moves by one
    rounding, or four times the error bar of the differences (`mcjax.verify.difference`).
    """
    function, x, names = flatten(f, args)
    point = Point(function, x, names, seed, reference, truth, truth_jvp)
    return report(point, getattr(f, "__name__", type(f).__name__))


def report(point: Point, title: str, parts=None) -> Report:
    """The parts that apply at a point, or those of them that are named."""
    names = [name for name in applicable(point) if parts is None or name in parts]
    return Report(title, tuple(_guarded(name, PARTS[name], point) for name in names))


def _guarded(name, part, point) -> Part:
    """The part, or what it raised: a mode or device that f does not have decides nothing."""
    try:
        return replace(part(point), name=name)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        # JAX's two ways to say that a custom_vjp has no forward mode
        missing = name == "cuda" or "forward-mode" in reason or "custom_lin" in reason
        return Part(name, "undecided" if missing else "wrong", detail=reason, raised=True)
