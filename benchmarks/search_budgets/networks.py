"""Our competitor: packed searches with halving, the best beside the default."""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, ParameterSampler

from benchmarks.tables.models import make_ours
from sklimb.model_selection import PackedSearchCV, search_space

HALVING = 3
# Where halving compares candidates of a pack there should be some.
FEWEST = 3
# Of the time of one network of a fit: the rows of a candidate are two thirds, and
# halving ends most candidates early. Only the first round is planned with it.
FIRST_GUESS = 0.8
# The last fit is one out of the box with other settings, which may take this much more.
MARGIN = 2
# A round may cost more a candidate than the one before.
CAUTION = 0.8
# And a candidate of the full space than one of the small, 2 to 6 times as measured: it
# may have 384 units in three layers.
FULL = 5


def warm_up():
    """A fit that pays for what the first one of a process pays."""
    rng = np.random.default_rng(0)
    make_ours(0, max_epochs=2).fit(rng.normal(size=(100, 3)), np.arange(100) % 2)


class Mean:
    """The mean of the probabilities of fitted classifiers.

    What scikit-learn's VotingClassifier gives, of classifiers that are fitted already.
    The best of many noisy scores is often no better than the default; the mean of the
    two costs no more, since the default was fitted to tell the time.

    Parameters
    ----------
    default, searched : classifier
        Fitted to the same rows.
    """

    def __init__(self, default, searched):
        self.default, self.searched = default, searched

    def predict_proba(self, X):
        both = [self.default.predict_proba(X), self.searched.predict_proba(X)]
        return np.mean(both, axis=0)


def fit_networks(X, y, cv, seed, clock):
    """The mean of a fit out of the box and of the best that the budget finds.

    A fit out of the box comes first: it tells the time, and where time ends there, it
    is the result. Then the small space, in random order after the default, and draws
    of the full one; rounds go on while they and the last fit are expected to end in
    time.

    Returns
    -------
    model, dict
        A fitted classifier, and what was tried.
    """
    clf = make_ours(seed)
    plain, seconds = clock.timed(lambda: clone(clf).fit(X, y))
    reserve = MARGIN * seconds
    if reserve > clock.left:
        return plain, {"candidates": 0, "rounds": [], "chosen": {}}
    each = FIRST_GUESS * len(cv) * seconds / len(plain.member_seeds_)
    queue, best, rounds = _candidates(clf, seed), (-float("inf"), {}), []
    n_small, spent, n = len(queue[0]), 0.0, 0
    while queue:
        if n == n_small:
            # Of the full space nothing is known yet.
            each, spent, n_small, n = FULL * each, 0.0, None, 0
        size = int(min((clock.left - reserve) * CAUTION / each, len(queue[0])))
        if size < min(FEWEST, len(queue[0])):
            break
        taken, queue[0] = queue[0][:size], queue[0][size:]
        queue = [part for part in queue if part]
        search = PackedSearchCV(
            clf,
            [{name: [value] for name, value in params.items()} for params in taken],
            cv=cv,
            scoring="neg_log_loss",
            halving_factor=HALVING,
            refit=False,
        )
        _, own = clock.timed(lambda search=search: search.fit(X, y))
        # Of all rounds of a space: a round of one candidate says little.
        spent, n = spent + own, n + size
        each = spent / n
        rounds.append([size, round(own, 2)])
        best = max(best, (float(search.best_score_), search.best_params_), key=_first)
    model = Mean(plain, clf.set_params(**best[1]).fit(X, y))
    n_tried = sum(size for size, _ in rounds)
    return model, {"candidates": n_tried, "rounds": rounds, "chosen": best[1]}


def _first(pair):
    return pair[0]


def _candidates(clf, seed):
    """Candidates of the small space, and many of the full one."""
    small = search_space(clf)
    default = {"frequency_scale": "auto", "dropout": 0.1, "smoothing_eps": 0.0}
    n = len(ParameterGrid(small))
    drawn = list(ParameterSampler(small, n, random_state=seed))
    drawn.sort(key=lambda params: params != default)  # which comes first
    full = search_space(clf, "full")
    # In parts, so that a round is never much more than the small space.
    more = list(ParameterSampler(full, 20 * n, random_state=seed))
    return [drawn, *(more[i : i + n] for i in range(0, len(more), n))]


def fit_out_of_the_box(X, y, cv, seed, clock):
    """No search at all."""
    return make_ours(seed).fit(X, y), {}
