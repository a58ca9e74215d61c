"""The progress bar of a search: fits done, best score so far, time left."""

import math

import numpy as np

from sklimb._progress import progress_bar


class SearchBar:
    """One tqdm bar over all fits."""

    def __init__(self, search, n_candidates, results):
        self.search = search
        total = n_candidates * search.n_splits_
        done = len(results)
        self.bar = progress_bar(total=total, initial=done, desc="fits", unit="fit")
        self.finished = len(results)

    def within(self, n_done):
        """Show that `n_done` fits of the pack in training are done."""
        self.bar.n = self.finished + n_done
        self.bar.refresh()

    def finish(self, pairs, results):
        """Count a finished pack and show the best mean score of complete candidates."""
        self.finished += len(pairs)
        self.bar.n = self.finished
        best = self._best(results)
        if best is not None:
            self.bar.set_postfix({"best": f"{best:.4g}"}, refresh=False)
        self.bar.refresh()

    def _best(self, results):
        refit, by_candidate = self.search.refit, {}
        for (c, _), result in results.items():
            score = result["test_scores"]
            if isinstance(score, dict):
                score = (
                    score.get(refit, math.nan) if isinstance(refit, str) else math.nan
                )
            by_candidate.setdefault(c, []).append(score)
        complete = [
            np.mean(scores)
            for scores in by_candidate.values()
            if len(scores) == self.search.n_splits_ and np.isfinite(scores).all()
        ]
        return max(complete) if complete else None

    def close(self):
        self.bar.close()
