"""How labels follow from probabilities, as torch modules."""

import numpy as np
import torch
from torch import nn

# As sklimb.fitting.decision floors them.
_FLOOR = 1e-150


class Factors(nn.Module):
    """The class of the largest probability times factor; see `decided`.

    **Shape**

    - Input: `(rows, n_classes)`, float64
    - Output: `(rows,)`, int64
    """

    def __init__(self, factors):
        super().__init__()
        self.plain = bool((factors == factors[0]).all())
        self.register_buffer("log_factors", torch.from_numpy(np.log(factors)))

    def values(self, p):
        """Log odds less those of the threshold; of more classes as many columns."""
        p = p.clamp_min(_FLOOR)
        if p.shape[1] == 2:
            odds = torch.log(p[:, 1] / p[:, 0])
            return odds + (self.log_factors[1] - self.log_factors[0])
        return p.log() + self.log_factors

    def forward(self, p):
        if self.plain:
            return p.argmax(1)
        values = self.values(p)
        return (values > 0).long() if values.ndim == 1 else values.argmax(1)


class Threshold(nn.Module):
    """One class of two from a value on, as scikit-learn's threshold classifiers do.

    Parameters
    ----------
    threshold : float
    position : int
        Of the class that is chosen from the threshold on.
    inner : Factors or None
        Whose `values` are compared; None compares the probability of the class.

    **Shape**

    - Input: `(rows, 2)`, float64
    - Output: `(rows,)`, int64
    """

    def __init__(self, threshold, position, inner=None):
        super().__init__()
        self.threshold, self.position, self.inner = float(threshold), position, inner

    def forward(self, p):
        if self.inner is None:
            value = p[:, self.position]
        else:
            value = self.inner.values(p)
            value = value if self.position == 1 else -value
        chosen = (value >= self.threshold).long()
        return chosen if self.position == 1 else 1 - chosen
