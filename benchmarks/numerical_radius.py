"""max |xᴴ A x|. No peer has it: theirs is a grid of 500 angles, right to five digits."""

import numpy as np

from . import _inputs as inputs

SIZES = (16, 64)
INPUTS = {"randn/√n": inputs.gaussian}


def mcjax():
    from mcjax.linalg import numerical_radius

    return numerical_radius


def scipy():
    turns = np.exp(1j * np.linspace(0, np.pi, 500, endpoint=False))

    def function(A):
        turned = [np.linalg.eigvalsh(z * A + (z * A).conj().mT) / 2 for z in turns]
        return np.abs(turned).max((0, -1))

    return function
