"""Scores of the classes on encoded rows, as functions of the columns that can move."""

import numpy as np
import torch

from sklimb.analysis._fitted import n_members, objective_of
from sklimb.training.device import as_numbers


class Scores:
    """Scores of the classes, of which the largest is predicted, on encoded rows.

    Groups are the members, or one group for their mixture.
    """

    def __init__(self, clf, function, boundary="argmax", mixed=True):
        self.objective = objective_of(clf).requires_grad_(False)
        self.device = torch.device(clf.net_.device)
        self.dtype = next(self.objective.model.parameters()).dtype
        self.log_weights = None
        if mixed and n_members(clf) > 1:
            weights = torch.tensor(clf.member_weights_, device=self.device)
            self.log_weights = weights.log()[:, None, None]
        self.n_groups = n_members(clf) if not mixed else 1
        shift = np.zeros(len(clf.classes_))
        if boundary == "decision":
            shift = np.log(clf.decision_factors_)
        self.shift = torch.tensor(shift, device=self.device)
        encoder = clf.encoder_
        # Columns that move: the numbers of a table, all pixels of an image.
        self.n_free = getattr(encoder, "n_numeric_", None)
        if clf._of == "images":
            self.n_free = None
        if self.n_free == 0:
            raise ValueError(
                f"{function} needs a numeric column: all columns are categories, which "
                "have nothing between them."
            )

    def rows(self, encoded):
        """Encoded rows as (groups, rows, columns), and how many columns move."""
        x = as_numbers(encoded.to(self.device), self.dtype)
        n_free = x.shape[1] if self.n_free is None else self.n_free
        return x.expand(self.n_groups, *x.shape), n_free

    def __call__(self, x):
        """(groups, rows, classes), in float64."""
        log_p = self.objective.log_probability(self.objective.model(x))
        if self.log_weights is not None:
            log_p = torch.logsumexp(log_p + self.log_weights, 0, keepdim=True)
        return log_p + self.shift
