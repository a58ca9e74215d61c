"""What a packed search survives: bad candidates, little memory, kills, lost workers."""

import copy
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from helpers.searches import (
    assert_same_results,
    both,
    tiny,
    uneven_splits,
    uneven_table,
)
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import roc_auc_score

from sklimb.fitting.prepare import prepare
from sklimb.model_selection import PackedSearchCV, _packs, _workers
from sklimb.model_selection._candidates import Folds
from sklimb.model_selection._checkpoint import Checkpoint

X, Y = uneven_table()
LR = {"lr": [1e-3, 3e-3, 1e-2, 3e-2]}


def search(estimator=None, grid=LR, **settings):
    """Twelve fits in four packs."""
    settings = {
        "cv": uneven_splits(),
        "scoring": "neg_log_loss",
        "max_members": 3,
        "refit": False,
        **settings,
    }
    return PackedSearchCV(estimator or tiny(), grid, **settings)


@pytest.fixture(scope="module")
def expected():
    """The search without anything that goes wrong."""
    return search().fit(X, Y)


@pytest.fixture
def trained(monkeypatch):
    """Sizes of the packs that were trained."""
    sizes = []

    def train(jobs, **how):
        sizes.append(len(jobs))
        return whole(jobs, **how)

    whole = _packs.train
    monkeypatch.setattr(_packs, "train", train)
    return sizes


def same_bits(got, want):
    assert_same_results(got, want, atol=0)
    a, b = got.cv_results_["n_epochs"], want.cv_results_["n_epochs"]
    np.testing.assert_array_equal(a, b)


# Successive halving.


@pytest.mark.parametrize("monitor", ["loss", "average_precision"])
def test_halving_drops_who_falls_behind_and_leaves_the_rest_alone(monitor):
    clf = tiny(max_epochs=9, monitor=monitor)
    grid = {"lr": [1e-6, 1e-2, 1e-5, 1e-4]}
    settings = {"grid": grid, "max_members": 12}
    whole = search(clf, **settings).fit(X, Y).cv_results_
    halved = search(clf, halving_factor=2, **settings).fit(X, Y).cv_results_
    assert whole["n_epochs"].tolist() == [9, 9, 9, 9]
    assert sorted(halved["n_epochs"]) == [4, 4, 8, 9]
    assert halved["n_epochs"][1] == 9
    for split in range(3):
        key = f"split{split}_test_score"
        # A pack of another size sums in another order.
        assert halved[key][1] == pytest.approx(whole[key][1], abs=1e-9)
        assert np.isfinite(halved[key]).all()
    assert halved["rank_test_score"][1] == 1


@pytest.mark.parametrize(
    ("scoring", "refit", "by_rank"),
    [
        ("roc_auc", False, True),
        ({"a": "neg_log_loss", "b": "roc_auc"}, "b", True),
        ("neg_log_loss", False, False),
        ("f1", False, False),
    ],
)
def test_halving_compares_by_what_the_search_ranks_by(
    monkeypatch, scoring, refit, by_rank
):
    """At epoch 4, by the validation rows of each candidate's best epoch."""
    told = []

    class Spy(_packs.Halving):
        def _best(self, best):
            told.append(best)
            return super()._best(best)

    monkeypatch.setattr(_packs, "Halving", Spy)
    split = uneven_splits()[0]
    settings = {"cv": [split], "max_members": 4, "scoring": scoring, "refit": refit}
    clf = tiny(max_epochs=5)
    search(clf, halving_factor=2, **settings).fit(X, Y)
    expected = []
    for lr in LR["lr"]:
        clf = tiny(max_epochs=4, lr=lr)
        rows = prepare(clf, X.iloc[split[0]], Y[split[0]])
        clf.fit(X.iloc[split[0]], Y[split[0]])
        log_p = clf.net_.blocks_log_probability(torch.from_numpy(rows.X_held))[0]
        y, weight = rows.held_out.y, rows.held_out.weight
        auc = roc_auc_score(y, log_p[:, 1], sample_weight=weight)
        expected.append(auc if by_rank else clf.best_score_[0])
    # A pack sums in another order.
    np.testing.assert_allclose(told[0], expected, atol=1e-9)


def test_halving_keeps_all_folds_of_a_candidate_together():
    with pytest.warns(UserWarning, match="nobody is dropped"):
        packed = search(max_members=5, halving_factor=3).fit(X, Y)
    for pack in packed.packs_:
        candidates = [c for c, _ in pack]
        assert all(candidates.count(c) == 3 for c in candidates)


# Candidates that fail.


@pytest.mark.filterwarnings("ignore:One or more of the:UserWarning")
@pytest.mark.parametrize("max_members", [1, 64])
@pytest.mark.parametrize("error_score", [np.nan, -7.0])
def test_a_loss_that_is_not_finite_gets_the_error_score(max_members, error_score):
    grid = {"lr": [3e-3, 1e300, 1e-2]}
    settings = {"max_members": max_members, "error_score": error_score}
    with pytest.warns(FitFailedWarning, match="before anything was learned"):
        packed = both(tiny(), grid, X, Y, **settings)
    score = packed.cv_results_["mean_test_score"]
    np.testing.assert_equal(score[1], error_score)
    assert np.isfinite(score[[0, 2]]).all()
    assert packed.cv_results_["n_epochs"].tolist() == [4, 0, 4]


@pytest.mark.parametrize("max_members", [1, 64])
def test_errors_are_raised_if_asked_for(max_members):
    grid = {"lr": [1e-2, 1e300]}
    failing = search(grid=grid, max_members=max_members, error_score="raise")
    with pytest.raises(ValueError, match="The loss became NaN or infinite"):
        failing.fit(X, Y)


def test_all_fits_failed(expected):
    failing = search(grid={"lr": [1e300]})
    before = dict(vars(failing))
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        failing.fit(X, Y)
    assert vars(failing) == before
    # A search that was fitted keeps what it found.
    fitted = copy.copy(expected).set_params(param_grid={"lr": [1e300]})
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        fitted.fit(X, Y)
    assert fitted.packs_ is expected.packs_
    assert fitted.cv_results_ is expected.cv_results_


# Memory.

NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory"),
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: type(error).__name__)
def test_a_pack_without_memory_is_halved_until_it_fits(monkeypatch, error, expected):
    whole, sizes = _packs.train, []

    def train(jobs, **how):
        sizes.append(len(jobs))
        if len(jobs) > 3:
            raise error
        return whole(jobs, **how)

    monkeypatch.setattr(_packs, "train", train)
    with pytest.warns(RuntimeWarning, match="did not fit in memory") as seen:
        packed = search(max_members=12).fit(X, Y)
    assert sizes == [12, 6, 3, 3, 6, 3, 3]
    assert "max_members=6 avoids the attempt" in str(seen[0].message)
    assert_same_results(packed, expected)


@pytest.mark.filterwarnings("ignore:One or more of the:UserWarning")
@pytest.mark.filterwarnings("ignore:A pack of .* is split in two:RuntimeWarning")
@pytest.mark.parametrize("error", [*NO_MEMORY, TypeError("no such luck")])
def test_a_fit_that_fails_even_alone_gets_the_error_score(monkeypatch, error, expected):
    whole = _packs.train

    def train(jobs, **how):
        if any(job.recipe.parameters.lr == 3e-3 for job in jobs):
            raise error
        return whole(jobs, **how)

    monkeypatch.setattr(_packs, "train", train)
    with pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 12"):
        packed = search(max_members=12).fit(X, Y)
    got, want = packed.cv_results_, expected.cv_results_
    assert np.isnan(got["mean_test_score"]).tolist() == [False, True, False, False]
    np.testing.assert_allclose(
        np.delete(got["mean_test_score"], 1),
        np.delete(want["mean_test_score"], 1),
        atol=1e-9,  # other packs, another order of sums
    )
    with pytest.raises(type(error)):
        search(max_members=12, error_score="raise").fit(X, Y)


# Checkpoints.


# Two packs are finished; in the third the process hangs until it is killed.
HANGS = """
import itertools, sys, time
sys.path[:0] = sys.argv[1], sys.argv[2]
import test_packed_search_faults as t
whole, calls = t._packs.train, itertools.count()
def train(jobs, **how):
    return time.sleep(600) if next(calls) == 2 else whole(jobs, **how)
t._packs.train = train
t.search(checkpoint=sys.argv[3]).fit(t.X, t.Y)
"""


def n_packs(folder):
    return len(list(Path(folder).glob("pack-*.safetensors")))


def wait_for_packs(folder, n, seconds=120):
    end = time.monotonic() + seconds
    while n_packs(folder) < n:
        assert time.monotonic() < end, "no pack was finished"
        time.sleep(0.005)


def test_a_killed_search_goes_on_where_it_was(tmp_path, trained, expected):
    # As many threads, for equal bits.
    env = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    here = Path(__file__).parent
    folders = str(here), str(here.parent), str(tmp_path)
    command = [sys.executable, "-c", HANGS, *folders]
    process = subprocess.Popen(command, env=env)
    wait_for_packs(tmp_path, 2)
    process.kill()
    process.wait()
    same_bits(search(checkpoint=tmp_path).fit(X, Y), expected)
    assert trained == [3, 3]
    # All is there now: nothing is trained again.
    same_bits(search(checkpoint=str(tmp_path)).fit(X, Y), expected)
    assert trained == [3, 3]


def test_a_pack_of_another_place_is_trained_again(tmp_path, trained, expected):
    search(checkpoint=tmp_path).fit(X, Y)
    n_trained = len(trained)
    first, second = sorted(tmp_path.glob("pack-*"))[:2]
    second.write_bytes(first.read_bytes())
    same_bits(search(checkpoint=tmp_path).fit(X, Y), expected)
    assert len(trained) == n_trained + 1


def test_results_are_kept_whole(tmp_path):
    metrics = {"loss": "neg_log_loss", "ap": "average_precision"}
    settings = {"scoring": metrics, "return_train_score": True, "checkpoint": tmp_path}
    first = search(**settings).fit(X, Y).cv_results_
    again = search(**settings).fit(X, Y).cv_results_
    assert set(first) == set(again)
    for key in first:
        assert repr(first[key]) == repr(again[key]), key


def metrics_of_a_callable(estimator, X, y):
    return {"mean": estimator.predict_proba(X)[:, 1].mean(), "n": len(y)}


@pytest.mark.filterwarnings("ignore:One or more of the:UserWarning")
def test_failed_fits_are_kept_too(tmp_path):
    settings = {
        "grid": {"lr": [1e300, 1e-2]},
        "scoring": metrics_of_a_callable,
        "refit": "mean",
        "max_members": 6,
        "checkpoint": tmp_path,
    }
    runs = []
    for _ in range(2):
        with pytest.warns(FitFailedWarning, match="3 fits failed"):
            runs.append(search(**settings).fit(X, Y))
    same_bits(*runs)
    assert np.isnan(runs[0].cv_results_["mean_test_mean"]).tolist() == [True, False]


def test_a_random_seed_is_kept(tmp_path):
    clf = tiny(random_state=None)
    first = search(clf, checkpoint=tmp_path).fit(X, Y)
    (tmp_path / "pack-00002.safetensors").unlink()
    same_bits(search(clf, checkpoint=tmp_path).fit(X, Y), first)
    other = search(clf).fit(X, Y).cv_results_["mean_test_score"]
    assert (other != first.cv_results_["mean_test_score"]).all()


def test_a_damaged_pack_is_trained_again(tmp_path, trained, expected):
    search(checkpoint=tmp_path).fit(X, Y)
    trained.clear()
    path = tmp_path / "pack-00001.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    same_bits(search(checkpoint=tmp_path).fit(X, Y), expected)
    assert trained == [3]


def unpicklable_loss():
    """Cross-entropy, as a function that pickle does not find."""

    def loss(logits, target):
        return -(logits.log_softmax(-1) * target).sum(-1)

    return loss


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished search whose loss cannot be pickled."""
    folder = tmp_path_factory.mktemp("search")
    search(tiny(loss=unpicklable_loss()), checkpoint=folder).fit(X, Y)
    return folder


def test_a_search_with_a_loss_that_cannot_be_pickled_goes_on(folder, trained):
    search(tiny(loss=unpicklable_loss()), checkpoint=folder).fit(X, Y)
    assert not trained


@pytest.mark.parametrize(
    ("what", "params", "settings", "fit"),
    [
        ("estimator", {"d_block": 9}, {}, {}),
        ("candidates", {}, {"grid": {"lr": [1e-3, 3e-3, 1e-2, 3.1e-2]}}, {}),
        ("scoring", {}, {"scoring": "roc_auc"}, {}),
        ("settings", {}, {"halving_factor": 2}, {}),
        ("settings", {}, {"error_score": 0.0}, {}),
        ("splits", {}, {"cv": 3}, {}),
        ("data", {}, {}, {"y": 1 - Y}),
        ("data", {}, {}, {"X": X.assign(a=X["a"] + 1e-9)}),
        ("data", {}, {}, {"sample_weight": np.arange(len(Y)) + 1.0}),
    ],
)
def test_a_folder_of_another_search_is_refused(folder, what, params, settings, fit):
    clf = tiny(loss=unpicklable_loss(), **params)
    other = search(clf, checkpoint=folder, **settings)
    with pytest.raises(ValueError, match=f"holds another search: {what} differ"):
        other.fit(**{"X": X, "y": Y, **fit})


@pytest.mark.parametrize(
    ("name", "message"),
    [("notes.txt", "other files in it"), ("search.json", "sklimb did not write")],
)
def test_a_folder_of_others_is_refused(tmp_path, name, message):
    (tmp_path / name).write_text("[1, 2]")
    with pytest.raises(ValueError, match=message):
        search(checkpoint=tmp_path).fit(X, Y)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@contextmanager
def full_disk():
    """No file grows beyond 100 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("begun", [False, True])
def test_a_full_disk_is_said_once_and_the_search_goes_on(tmp_path, begun, expected):
    folder = tmp_path / "search"
    if begun:  # then the packs fail to be written, not the plan
        search(checkpoint=folder).fit(X, Y)
        for path in folder.glob("pack-*"):
            path.unlink()
    with full_disk(), pytest.warns(RuntimeWarning) as seen:
        packed = search(checkpoint=folder).fit(X, Y)
    assert [str(w.message).split(":")[0] for w in seen] == [
        f"The checkpoint in {str(folder)!r} could not be written"
    ]
    same_bits(packed, expected)
    assert n_packs(folder) == 0


# Ctrl-C.

ALARM = {"steps": np.inf}


def loss_with_an_alarm(logits, target):
    """Cross-entropy; the user presses Ctrl-C after some steps."""
    if logits.shape[1] == 16:
        ALARM["steps"] -= 1
        if ALARM["steps"] == 0:
            signal.raise_signal(signal.SIGINT)
    return -(logits.log_softmax(-1) * target).sum(-1)


def test_ctrl_c_stops_the_search_and_finished_packs_are_kept(tmp_path, trained):
    clf = tiny(loss=loss_with_an_alarm)
    want = search(clf).fit(X, Y)
    ALARM["steps"] = 60  # 36 steps a pack
    stopped = search(clf, checkpoint=tmp_path)
    # What is started in a shell's background ignores the signal, and so do its tests.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            stopped.fit(X, Y)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert not hasattr(stopped, "cv_results_") and n_packs(tmp_path) == 1
    trained.clear()
    same_bits(search(clf, checkpoint=tmp_path).fit(X, Y), want)
    assert len(trained) == 3


# A cluster.


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of dask on this machine; yields their client."""
    from dask.distributed import Client, LocalCluster

    settings = {"n_workers": 2, "processes": True, "threads_per_worker": 1}
    with (
        LocalCluster(**settings, dashboard_address=None, host="127.0.0.1") as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_a_cluster_finds_the_same(cluster, expected):
    with joblib.parallel_config("dask"):
        # Workers have one thread each: sums may run in another order.
        assert_same_results(search().fit(X, Y), expected)


def test_rows_are_sent_once_and_not_with_each_pack(cluster, monkeypatch):
    sent, state = [], Folds.__getstate__
    monkeypatch.setattr(
        Folds, "__getstate__", lambda self: sent.append(len(self.X)) or state(self)
    )
    with joblib.parallel_config("dask"):
        found = search(max_members=1).fit(X, Y)
    assert len(found.packs_) > 2 and sent == [len(X)]


def test_a_killed_worker_loses_nothing(cluster, tmp_path):
    clf = tiny(max_epochs=30, early_stopping=False)
    want = search(clf).fit(X, Y)
    left = []

    def kill():
        wait_for_packs(tmp_path, 2)
        pid = next(iter(cluster.run(os.getpid).values()))
        left.append(12 - n_packs(tmp_path))
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with joblib.parallel_config("dask"):
        got = search(clf, max_members=1, checkpoint=tmp_path).fit(X, Y)
    killer.join()
    assert left[0] >= 2  # the other worker cannot have had them all
    assert_same_results(got, want)


class _Rounds(joblib._parallel_backends.ThreadingBackend):
    """A backend that returns all results at once, as that of Ray does."""

    supports_return_generator = False


def test_a_backend_that_cannot_say_what_is_done_works_in_rounds(
    expected, tmp_path, monkeypatch
):
    joblib.register_parallel_backend("rounds", _Rounds)
    keep, rounds = Checkpoint.keep, []
    monkeypatch.setattr(
        Checkpoint,
        "keep",
        lambda self, i, found: rounds.append(i) or keep(self, i, found),
    )
    parallel = joblib.Parallel.__call__
    monkeypatch.setattr(
        joblib.Parallel,
        "__call__",
        lambda self, todo: rounds.append("round") or parallel(self, todo),
    )
    with joblib.parallel_config("rounds", n_jobs=2):
        found = search(n_jobs=None, max_members=3, checkpoint=tmp_path).fit(X, Y)
    assert_same_results(found, expected)
    # Finished packs are kept, once, before the next ones begin.
    assert rounds.count("round") == -(-len(found.packs_) // 2) > 1
    assert rounds[0] == rounds[3] == "round" and set(rounds[1:3]) == {0, 1}
    assert len(rounds) == len(found.packs_) + rounds.count("round")


def test_a_worker_that_dies_in_a_round_takes_nothing_else_with_it(
    expected, tmp_path, monkeypatch
):
    whole = _workers.run_pack

    def dies(task, folds, pairs, progress):
        if (0, 0) in pairs:
            wait_for_packs(tmp_path, 1)  # until the other worker of the round is ready
            raise OSError("the worker died")
        return whole(task, folds, pairs, progress)

    joblib.register_parallel_backend("rounds", _Rounds)
    with joblib.parallel_config("rounds", n_jobs=2):
        again = search(n_jobs=None, checkpoint=tmp_path)
        with monkeypatch.context() as patch, pytest.raises(OSError, match="died"):
            patch.setattr(_workers, "run_pack", dies)
            again.fit(X, Y)
        assert n_packs(tmp_path) == 1
        assert_same_results(again.fit(X, Y), expected)


def test_packs_of_workers_that_share_no_folder_are_kept_too(tmp_path, monkeypatch):
    joblib.register_parallel_backend("rounds", _Rounds)

    def not_kept(_, i, sent, *args):
        return _workers._numbered(i, *sent(), *args)

    monkeypatch.setattr(_workers, "_kept", not_kept)
    with joblib.parallel_config("rounds", n_jobs=2):
        again = search(n_jobs=None, max_members=3, checkpoint=tmp_path)
        found = again.fit(X, Y)
        assert n_packs(tmp_path) == len(found.packs_)
        # A damaged file is no file.
        damaged = sorted(tmp_path.glob("pack-*.safetensors"))[0]
        damaged.write_bytes(damaged.read_bytes()[:-9])
        again.fit(X, Y)
    trained = []
    monkeypatch.setattr(_workers, "run_pack", lambda *args: trained.append(args))
    assert_same_results(again.fit(X, Y), found)
    assert not trained
