"""Successive halving inside a pack: candidates that fall behind stop training."""

import numpy as np

# Epochs before the first comparison: a score after one or two says little.
FIRST_EPOCH = 4
# Candidates that a pack should have, so that there is something to compare.
HALVING_CANDIDATES = 8


class Halving:
    """Which jobs end after an epoch; also what a progress bar learns of a pack.

    At epochs 4, 4 f, 4 f^2, ... the best 1/f of the candidates that are left go on, by
    the mean over folds of their best validation score. Test rows are not looked at.

    Parameters
    ----------
    pairs : list of (candidate, split)
        One for each job.
    factor : float or None
        None drops nobody.
    jobs : dict
        pair -> Job
    progress : callable or None
        Called with the number of jobs that are done.
    """

    def __init__(self, pairs, factor, jobs, progress=None):
        self.candidate = np.array([c for c, _ in pairs])
        self.factor, self.progress = factor, progress
        first = jobs[pairs[0]].estimator
        self.sign = -1.0 if first.monitor == "loss" else 1.0
        self.left = set(self.candidate.tolist())
        self.next_epoch = FIRST_EPOCH

    def __call__(self, epoch, best, done):
        """`best` validation score and whether it is `done`, by job -> who ends."""
        ends = np.zeros(len(done), dtype=bool)
        if self.factor is not None and epoch >= self.next_epoch:
            self.next_epoch *= self.factor
            keep = self._best(best)
            ends = ~np.isin(self.candidate, list(keep))
            self.left = keep
        if self.progress is not None:
            self.progress(int((done | ends).sum()))
        return ends

    def _best(self, best):
        """The candidates that go on; one whose score is not a number comes last."""
        left = sorted(self.left)
        score = [self.sign * best[self.candidate == c].mean() for c in left]
        if np.isnan(score).all():  # there are no validation rows
            return self.left
        score = np.nan_to_num(score, nan=-np.inf)
        n_keep = max(1, int(np.ceil(len(left) / self.factor)))
        order = np.argsort(-score, kind="stable")
        return {left[i] for i in order[:n_keep]}
