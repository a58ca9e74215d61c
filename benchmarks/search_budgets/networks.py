"""Our competitor: packed searches with halving, then one fit out of the box."""

import numpy as np
from sklearn.model_selection import ParameterGrid, ParameterSampler

from benchmarks.tables.models import make_ours
from sklimb.fitting.budget import NETWORKS
from sklimb.model_selection import PackedSearchCV, search_space

HALVING = 3
# Where halving compares candidates of a pack there should be some.
FEWEST = 3
# Of the time of one fit: a fold has two thirds of its rows, and halving ends most
# candidates early. Only the first round is planned with it.
FIRST_GUESS = 0.5
# The last fit takes as many networks as the budget of rows pays for, packed; this much
# more than their number times the time of one.
MARGIN = 1.1
# A round may cost more a candidate than the one before.
CAUTION = 0.8


def warm_up():
    """A fit that pays for what the first one of a process pays."""
    rng = np.random.default_rng(0)
    make_ours(0, max_epochs=2).fit(rng.normal(size=(100, 3)), np.arange(100) % 2)


def n_networks(n_rows):
    """Networks of a fit out of the box."""
    return next((n for below, n in NETWORKS if n_rows < below), 1)


def fit_networks(X, y, cv, seed, clock, n_merged):
    """The best of what the budget allows, refitted to all rows.

    The small space comes first, in random order after the default, then draws of the
    full one; rounds go on while they and the last fit are expected to end in time.

    Returns
    -------
    model, dict
        A fitted classifier, and what was tried.
    """
    one, seconds = clock.timed(
        lambda: make_ours(seed, n_members=1, validation_folds=None).fit(X, y)
    )
    reserve = MARGIN * n_networks(n_merged) * seconds
    if reserve > clock.left:
        return one, {"candidates": 0, "rounds": [], "chosen": {}}
    clf = make_ours(seed, n_members="auto", validation_folds="auto")
    each = FIRST_GUESS * len(cv) * seconds
    queue, best, rounds = _candidates(clf, seed), (-float("inf"), {}), []
    while queue:
        size = int(min((clock.left - reserve) * CAUTION / each, len(queue[0])))
        if size < min(FEWEST, len(queue[0])):
            break
        taken = queue[0][:size]
        queue[0] = queue[0][size:]
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
        each = own / size
        rounds.append([size, round(own, 2)])
        best = max(best, (float(search.best_score_), search.best_params_), key=_first)
    model = clf.set_params(**best[1]).fit(X, y)
    n_tried = sum(size for size, _ in rounds)
    return model, {"candidates": n_tried, "rounds": rounds, "chosen": best[1]}


def _first(pair):
    return pair[0]


def _candidates(clf, seed):
    """Candidates of the small space, and many of the full one."""
    small = search_space(clf)
    default = {"frequency_scale": 0.1, "dropout": 0.1, "smoothing_eps": 0.0}
    n = len(ParameterGrid(small))
    drawn = list(ParameterSampler(small, n, random_state=seed))
    drawn.sort(key=lambda params: params != default)  # which comes first
    full = search_space(clf, "full")
    # In parts, so that a round is never much more than the small space.
    more = list(ParameterSampler(full, 20 * n, random_state=seed))
    return [drawn, *(more[i : i + n] for i in range(0, len(more), n))]


def fit_out_of_the_box(X, y, cv, seed, clock, n_merged):
    """No search at all."""
    clf = make_ours(seed, n_members="auto", validation_folds="auto")
    return clf.fit(X, y), {}
