"""Gauss-Legendre quadrature on one step, with a Kronrod companion.

The Gauss rule with 3 nodes integrates polynomials of degree 5 exactly, so over a step h of a solution
of order 5 its error, h⁷, is below that of the solution. Four more nodes (Kronrod) give a rule of degree
11 that uses the same values, and the difference of the two is the error number of the Gauss rule.

Source: Piessens, de Doncker-Kapenga, Überhuber and Kahaner, QUADPACK (1983), section 2.2;
  Laurie, Calculation of Gauss-Kronrod quadrature rules, Math. Comp. 66 (1997).
"""

import numpy as np

_OUTER = 0.9604912687080202834235  # roots of the Stieltjes polynomial of degree 4 on [-1, 1]
_INNER = 0.4342437493468025580021
_GAUSS = np.sqrt(0.6)
_NODES = np.array([-_OUTER, -_GAUSS, -_INNER, 0, _INNER, _GAUSS, _OUTER])


def _weights(nodes):
    """Of the interpolatory rule on [-1, 1], from the moments of Legendre polynomials, halved."""
    moments = np.zeros(len(nodes))
    moments[0] = 1.0
    return np.linalg.solve(np.polynomial.legendre.legvander(nodes, len(nodes) - 1).T, moments)


# On [0, 1]: weights add to one. The Gauss nodes are every second node of Kronrod.
KRONROD_NODES = (1 + _NODES) / 2
KRONROD_WEIGHTS = _weights(_NODES)
GAUSS_NODES = KRONROD_NODES[1::2]
GAUSS_WEIGHTS = _weights(_NODES[1::2])
