"""A line on stderr that tells how far a long solve is, and in the end what its certificate says:

    minimise: step 412, value 3.1e-05, step length 2.2e-03
    minimise: 530 steps, residual 1.2e-11, Newton step 4.5e-10

Solvers of optimistix call `verbose` in every step with what they know, by name. It leaves the program by a
callback and is printed ten times a second at most. Under vmap, where lanes would talk at once, nothing is.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from ._certificate import Certificate

_PAUSE = 0.1  # seconds between two lines


class Line:
    """One line, written again and again; of a solve without progress, none."""

    def __init__(self, name: str, shown: bool):
        self.name, self.shown, self.count, self.last = name, shown, 0, 0.0

    def begin(self) -> None:
        """A solve begins."""
        self._unless_mapped(self._begun)

    def step(self, value: Array, change: PyTree) -> None:
        """A step by `change` to where the function is `value`."""
        if self.shown:
            squares = [jnp.sum(jnp.abs(x) ** 2) for x in jax.tree.leaves(change)]
            self._unless_mapped(self._stepped, value, jnp.sqrt(sum(squares)))

    def end(self, steps: Array, certificate: Certificate) -> None:
        """It ended, and this is what is known of the point."""
        self._unless_mapped(self._ended, steps, certificate.residual, certificate.step)

    def told_by(self, solver: Any) -> Any:
        """The solver of optimistix, which tells this line of its steps if it tells of them at all."""
        if not self.shown or not hasattr(solver, "verbose"):
            return solver

        def verbose(*, loss_this_step, y, y_last_accepted_step=None, **_):
            last = y if y_last_accepted_step is None else y_last_accepted_step
            self.step(loss_this_step[1], jax.tree.map(lambda a, b: a - b, y[1], last[1]))

        return eqx.tree_at(lambda s: s.verbose, solver, verbose)

    def _begun(self):
        self.count, self.last = 0, 0.0

    def _stepped(self, value, length):
        self.count += 1
        now = time.monotonic()
        if now - self.last >= _PAUSE:
            self.last = now
            self._write(f"step {self.count}, value {value:.1e}, step length {length:.1e}")

    def _ended(self, steps, residual, step):
        self._write(f"{steps} steps, residual {residual:.1e}, Newton step {step:.1e}", "\n")

    def _write(self, text, end=""):
        print(f"\r{self.name}: {text:<60}", end=end, file=sys.stderr, flush=True)

    def _unless_mapped(self, function: Callable, *numbers: Array) -> None:
        @jax.custom_batching.custom_vmap
        def tell(*numbers):
            jax.debug.callback(function, *numbers)
            return jnp.zeros(())

        @tell.def_vmap
        def mapped(size, batched, *numbers):
            return jnp.zeros(()), False

        if self.shown:
            tell(*numbers)
