"""What "auto" of max_members and n_jobs goes by: memory, and timed steps."""

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table

from sklimb import (
    FTTransformerClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.fitting.jobs import make_job
from sklimb.fitting.prepare import prepare
from sklimb.model_selection import PackedSearchCV, _search, _sizes, _workers

X, Y = fixed_table()


def make_jobs(n, clf):
    return [make_job(clf, prepare(clf, X, Y)) for _ in range(n)]


def largest_pack(d_embedding, monkeypatch):
    """Members of the largest pack in 60 MB, where larger packs are always faster."""
    clf = TabularMLPClassifier(
        **{**PLAIN, "num_embeddings": "linear", "batch_size": 400},
        d_embedding=d_embedding,
    )
    monkeypatch.setattr(_sizes, "_free_bytes", lambda device: 60e6)
    monkeypatch.setattr(_sizes, "step_seconds", lambda jobs: 1.0)
    return _sizes.best_size(lambda n: make_jobs(min(n, 2), clf) * (-(-n // 2)), 1024)


def test_wider_embeddings_make_smaller_packs(monkeypatch):
    # By hand: 8 numbers of 4 bytes for each of 400 rows and 6 d_embedding inputs; the
    # weights are 6 times 4 bytes for about 114 d_embedding, a tenth of it.
    assert largest_pack(8, monkeypatch) == 64
    assert largest_pack(64, monkeypatch) == 4


@pytest.mark.parametrize("kind", [TabularResNetClassifier, FTTransformerClassifier])
def test_stacked_networks_are_measured(kind):
    small, large = (
        kind(n_blocks=n, max_epochs=1, batch_size=64, random_state=0) for n in (2, 4)
    )
    held = [_sizes._bytes_a_member(make_jobs(1, clf)[0]) for clf in (small, large)]
    weights = [
        6 * sum(p.nbytes for p in make_jobs(1, clf)[0].module.parameters())
        for clf in (small, large)
    ]
    activations = np.subtract(held, weights)
    # Twice the blocks, and what comes before and after them.
    assert 1.5 < activations[1] / activations[0] < 2.5


def test_packs_of_stacked_networks_are_timed(monkeypatch):
    # A failure in there is taken for a candidate that cannot be fitted.
    sizes = []

    def timed(make_jobs, n_fits):
        sizes.append(_sizes.best_size(make_jobs, n_fits))
        return sizes[-1]

    monkeypatch.setattr(_search, "best_size", timed)
    clf = TabularResNetClassifier(d_block=4, max_epochs=1, random_state=0)
    PackedSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=2, refit=False).fit(X, Y)
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("seconds", "n_processes"),
    [
        ({2: 0.10, 1: 0.12}, 2),  # two processes do two packs in 0.12 s
        ({2: 0.10, 1: 0.21}, None),  # threads halve the time
        ({2: 1e-4, 1: 1e-4}, None),  # over before processes have started
    ],
)
def test_processes_are_taken_where_they_save_more_than_their_start(
    seconds, n_processes, monkeypatch
):
    clf = TabularMLPClassifier(
        **{**PLAIN, "max_epochs": 50, "batch_size": 16}, n_iter_no_change=16
    )
    monkeypatch.setattr(
        _workers, "step_seconds", lambda jobs: seconds[torch.get_num_threads()]
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        made = _workers.processes_that_pay(lambda n: make_jobs(1, clf), 160)
        assert made == n_processes and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_small_search_trains_here():
    clf = TabularMLPClassifier(**PLAIN).set_params(max_epochs=1)
    alone, chosen = (
        PackedSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=2, refit=False, n_jobs=n)
        for n in (None, "auto")
    )
    for search in (alone, chosen):
        search.fit(X, Y)
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(chosen.cv_results_[name], alone.cv_results_[name])
