"""The parts of a check: each a property of every right derivative, from a `Point` to a `Part`.

They are listed from cause to consequence: the first that fails names the fault.
"""

from ._first import conjugation, jvp, primal, transpose, truth, truth_jvp, vjp
from ._second import forward_over_forward, hessian, reverse_over_reverse, third
from ._special import larger, sizes, special
from ._structure import alone, dtype, jit, linear, pure, zeros
from ._transforms import checkpoint, cuda, float32, scan, vmap

PARTS = {
    "truth": truth,
    "dtype": dtype,
    "pure": pure,
    "jit": jit,
    "primal": primal,
    "zeros": zeros,
    "linear": linear,
    "alone": alone,
    "truth jvp": truth_jvp,
    "jvp": jvp,
    "vjp": vjp,
    "transpose": transpose,
    "conjugation": conjugation,
    "hessian": hessian,
    "rev∘rev": reverse_over_reverse,
    "fwd∘fwd": forward_over_forward,
    "third": third,
    "vmap": vmap,
    "scan": scan,
    "checkpoint": checkpoint,
    "special": special,
    "sizes": sizes,
    "larger": larger,
    "float32": float32,
    "cuda": cuda,
}
SECOND = ("hessian", "rev∘rev", "fwd∘fwd")
ELSEWHERE = ("special", "sizes", "larger")
FULL = ("scan", "checkpoint", "larger", "float32", "cuda")  # what the fast level leaves out


def applicable(p, level: str) -> list[str]:
    """The parts for which there is something to compare with."""
    without = {
        "truth": p.truth is None,
        "truth jvp": p.truth_jvp is None,
        "conjugation": not p.is_complex,
        "alone": len(p.x) == len(p.outputs) == 1,
        "third": p.order < 3,
        "float32": not p.is_double,
    }
    without |= {name: p.order < 2 for name in SECOND}
    without |= {name: True for name in FULL if level == "fast"}
    return [name for name in PARTS if not without.get(name, False)]
