"""Successive halving inside a pack: the worst candidates stop training early."""

import warnings

import numpy as np

# Epochs before the first comparison: scores after one or two are too noisy.
FIRST_EPOCH = 4
# scikit-learn's scoring names and the monitors that equal them.
_METRICS = {
    "neg_log_loss": "loss",
    "roc_auc": "roc_auc",
    "roc_auc_ovr": "roc_auc",
    "average_precision": "average_precision",
    "balanced_accuracy": "balanced_accuracy",
}
# Fewest candidates that a pack should have, to be compared.
HALVING_CANDIDATES = 8


def check_halving(factor, final):
    """Refuse a classifier whose candidates cannot be compared while they train."""
    if not final.early_stopping:
        raise ValueError(
            f"halving_factor={factor!r} compares candidates on their validation rows, "
            "and early_stopping=False holds none out. Set early_stopping=True, or "
            "halving_factor=None."
        )
    if final.validation_folds not in (None, "auto"):
        raise ValueError(
            f"halving_factor={factor!r} and validation_folds="
            f"{final.validation_folds!r} cannot be combined: folds of a candidate "
            "train on their own, with nobody to compare with. Set one of them to None."
        )


def halving_size(size, n_splits, max_members):
    """Members of a pack: of a few candidates at least, which are compared in it."""
    least = n_splits * HALVING_CANDIDATES
    if max_members == "auto":
        return max(size, least)
    if size < 2 * n_splits:
        warnings.warn(
            f"max_members={size} leaves one candidate of {n_splits} folds in a pack, "
            "and halving_factor compares candidates of a pack: nobody is dropped. Set "
            f"max_members to {least} or more.",
            UserWarning,
            stacklevel=4,
        )
    return size


def metric_of(scoring, refit):
    """The monitor that compares candidates: that of the search's scoring, if any."""
    if isinstance(scoring, dict) and isinstance(refit, str):
        scoring = scoring.get(refit)
    elif isinstance(scoring, list | tuple | set) and isinstance(refit, str):
        scoring = refit
    return _METRICS.get(scoring) if isinstance(scoring, str) else None


class Halving:
    """Decides which jobs end after an epoch, and reports progress of the pack.

    At epochs 4, 4 f, 4 f^2, ... the best 1/f of the remaining candidates go on, by the
    mean over folds of the validation score of their best epoch. Test rows are not used.

    Parameters
    ----------
    pairs : list of (candidate, split)
        One for each job.
    factor : float or None
        None drops no candidate.
    jobs : dict
        pair -> Job
    progress : callable or None
        Called with the number of finished jobs.
    metric : str or None
        Name of the score, one of MONITORS; None is the estimator's `monitor`.
    """

    def __init__(self, pairs, factor, jobs, progress=None, metric=None):
        self.candidate = np.array([c for c, _ in pairs])
        self.factor, self.progress = factor, progress
        self.metric = metric or jobs[pairs[0]].recipe.parameters.monitor
        self.sign = -1.0 if self.metric == "loss" else 1.0
        self.left = set(self.candidate.tolist())
        self.dropped = {}  # candidate -> epoch after which it was stopped
        self.next_epoch = FIRST_EPOCH

    def compares_after(self, epoch):
        """Whether candidates are compared after this epoch."""
        return self.factor is not None and epoch >= self.next_epoch

    def __call__(self, epoch, best, done):
        """Mask of the jobs that end, by `best` validation score and `done` of each."""
        ends = np.zeros(len(done), dtype=bool)
        if self.compares_after(epoch):
            self.next_epoch *= self.factor
            keep = self._best(best)
            ends = ~np.isin(self.candidate, list(keep))
            for c in self.left - keep:
                if not done[self.candidate == c].all():
                    self.dropped[c] = epoch
            self.left = keep
        if self.progress is not None:
            self.progress(int((done | ends).sum()))
        return ends

    def _best(self, best):
        """The candidates that go on; those with a NaN score rank last."""
        left = sorted(self.left)
        score = [self.sign * best[self.candidate == c].mean() for c in left]
        if np.isnan(score).all():  # there are no validation rows
            return self.left
        score = np.nan_to_num(score, nan=-np.inf)
        n_keep = max(1, int(np.ceil(len(left) / self.factor)))
        order = np.argsort(-score, kind="stable")
        return {left[i] for i in order[:n_keep]}
