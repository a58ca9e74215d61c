"""The validation of each epoch: its rows, and one score per member."""

import numpy as np
import torch
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    roc_auc_score,
)
from sklearn.preprocessing import label_binarize

from sklimb.training.device import padded_blocks

MONITORS = ("loss", "average_precision", "roc_auc", "balanced_accuracy")


class Panel:
    """Validation rows of each member, padded with rows of weight 0.

    Parameters
    ----------
    sets : list of Rows
    set_of : list of int
        Which set each member is validated on.
    """

    def __init__(self, sets, set_of):
        self.sets, self.set_of = sets, list(set_of)
        self._arrange()

    def take_(self, members):
        """Keep only the given members."""
        self.set_of = [self.set_of[k] for k in members]
        self._arrange()

    def _arrange(self):
        used = sorted(set(self.set_of))
        sets = [self.sets[i] for i in used]
        n = max(len(rows) for rows in sets)
        self.X = _stacked([rows.X for rows in sets], n)
        self.y = _stacked([rows.y for rows in sets], n)
        self.weight = _stacked([rows.weight for rows in sets], n)
        self._index = None
        if self.set_of != list(range(len(sets))) and len(sets) > 1:
            position = [used.index(i) for i in self.set_of]
            self._index = torch.tensor(position, device=self.y.device)
            self.y, self.weight = self.y[self._index], self.weight[self._index]

    def blocks(self, size):
        """Inputs (K or 1, size, columns), block by block, zeros at the end."""
        for begin, n, block in padded_blocks(self.X, size):
            block = block.to(self.y.device)  # if the table is larger than the device
            if self._index is not None:
                block = block.index_select(0, self._index)
            yield begin, n, block

    def rows_of(self, k):
        """The set of member k."""
        return self.sets[self.set_of[k]]


def _stacked(parts, n):
    if len(parts) == 1:
        return parts[0].unsqueeze(0)
    out = parts[0].new_zeros(len(parts), n, *parts[0].shape[1:])
    for i, part in enumerate(parts):
        out[i, : len(part)] = part
    return out


class Monitor:
    """Weighted score of the probabilities that predict_proba would give.

    Parameters
    ----------
    name : {"loss", "average_precision", "roc_auc", "balanced_accuracy"}
        "loss" is the log loss, on the device; the others are scikit-learn's (one
        against the rest, macro average, with more than two classes).
    panel : Panel
        Validation rows of each member.
    """

    def __init__(self, name, panel):
        self.name, self.panel = name, panel
        self.greater_is_better = name != "loss"

    def __call__(self, log_probability):
        """Score of each member from log probabilities (K, rows, classes)."""
        if self.name == "loss":
            y, weight = self.panel.y, self.panel.weight
            index = y.expand(len(log_probability), -1).unsqueeze(-1)
            nll = -log_probability.gather(2, index).squeeze(-1)
            return (nll * weight).sum(1) / weight.sum(1)
        p = log_probability.exp().cpu().numpy()
        scores = []
        for k, member in enumerate(p):
            rows = self.panel.rows_of(k)
            y, weight = rows.y.cpu().numpy(), rows.weight.cpu().numpy()
            scores.append(self.of(y, member[: len(y)], weight))
        return np.array(scores)

    def of(self, y, p, weight):
        """Score of probabilities (rows, classes); NaN if some are NaN, as of a loss."""
        if not np.isfinite(p).all():
            return np.nan
        if self.name == "loss":
            nll = -np.log(np.maximum(p[np.arange(len(y)), y], 1e-300))
            return np.average(nll, weights=weight)
        if self.name == "balanced_accuracy":
            return balanced_accuracy_score(y, p.argmax(1), sample_weight=weight)
        present = np.unique(y)
        score = roc_auc_score if self.name == "roc_auc" else average_precision_score
        if p.shape[1] == 2:
            return score(y, p[:, 1], sample_weight=weight)
        one_hot = label_binarize(y, classes=np.arange(p.shape[1]))
        return np.mean(
            [score(one_hot[:, c], p[:, c], sample_weight=weight) for c in present]
        )


class BestScores:
    """Score of each member's best epoch by another measure than the one it stops by.

    Parameters
    ----------
    name : str
        One of MONITORS.
    panel : Panel
        Validation rows of all members.
    """

    def __init__(self, name, panel):
        self.monitor = Monitor(name, None)
        self.rows = [panel.rows_of(k) for k in range(len(panel.set_of))]
        self.log_p = [None] * len(self.rows)

    def keep(self, members, log_p):
        """Keep log probabilities (members, rows, classes) of the given `members`."""
        for k, own in zip(members, log_p, strict=True):
            self.log_p[k] = own[: len(self.rows[k])].clone()

    def __call__(self):
        """One score per member, NaN where nothing was kept."""
        return np.array([self._of(k) for k in range(len(self.rows))])

    def _of(self, k):
        if self.log_p[k] is None:
            return np.nan
        y, weight = (t.cpu().numpy() for t in (self.rows[k].y, self.rows[k].weight))
        return self.monitor.of(y, self.log_p[k].exp().cpu().numpy(), weight)


def check_monitor(name, y):
    """Refuse a ranking score on validation rows (of positive weight) of one class."""
    if name in ("average_precision", "roc_auc") and len(np.unique(y)) < 2:
        raise ValueError(
            f"monitor={name!r} needs validation rows of two classes, and they are all "
            "of one. Use monitor='loss', or a validation split that holds both."
        )
