"""What comparisons of a gradient found, to read and to ask."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class GradientPart:
    """One comparison: relative difference found and allowed, what was compared, and the verdict."""

    name: str
    verdict: Literal["right", "wrong", "undecided"]
    found: float
    allowed: float
    detail: str = ""


@dataclass(frozen=True)
class GradientReport:
    """The comparisons. Print it, or ask `.ok`."""

    parts: tuple[GradientPart, ...]
    loss: float
    gradients: tuple[Any, ...]

    @property
    def ok(self) -> bool:
        """Nothing is wrong, and a gradient was compared with differences."""
        return self.verdict == "right"

    @property
    def verdict(self) -> Literal["right", "wrong", "undecided"]:
        """Wrong if any part is; right if differences say so; else undecided."""
        if any(p.verdict == "wrong" for p in self.parts):
            return "wrong"
        decided = any(p.verdict == "right" and p.name.startswith("Taylor") for p in self.parts)
        return "right" if decided else "undecided"

    def raise_if_wrong(self) -> None:
        """Raise an AssertionError with this report if anything is wrong."""
        if self.verdict == "wrong":
            raise AssertionError(str(self))

    def __str__(self) -> str:
        lines = [f"gradient of a loss {self.loss:.10g}: {self.verdict}", ""]
        lines += [f"{'part':34}{'verdict':11}{'found':>9}{'allowed':>9}  detail"]
        for p in self.parts:
            numbers = f"{p.found:9.1e}{p.allowed:9.1e}"
            lines.append(f"{p.name:34}{p.verdict:11}{numbers}  {p.detail}".rstrip())
        return "\n".join(lines)
