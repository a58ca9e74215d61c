"""How far "robust" numbers reach: smoothly up to three scales from their centre."""

import numpy as np

# Where "robust" numbers end, in scales from the centre; and beyond what, in scales,
# they are there already (their squares would overflow); float32 holds both, for graphs.
REACH, FAR = 3.0, 2.0**100


def within_reach(values):
    """Bring numbers, in scales from their centre, smoothly within +-REACH, in place."""
    np.clip(values, -FAR, FAR, out=values)
    values /= np.sqrt(1 + (values / REACH) ** 2)
    return values


def out_of_reach(z):
    """The inverse of `within_reach`."""
    z = np.clip(z, -REACH * (1 - 1e-12), REACH * (1 - 1e-12))
    return z / np.sqrt(1 - (z / REACH) ** 2)
