"""skorch's callbacks: each works, or is refused in one sentence before training."""

import os
import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import skorch.callbacks
import torch
from helpers.packs import PLAIN, fixed_table, weights
from helpers.strategies import STRATEGIES
from sklearn.metrics import f1_score, make_scorer
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    Freezer,
    GradientNormClipping,
    Initializer,
    InputShapeSetter,
    LoadInitState,
    LRScheduler,
    MlflowLogger,
    NeptuneLogger,
    ParamMapper,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
    SacredLogger,
    TensorBoard,
    TrainEndCheckpoint,
    Unfreezer,
    WandbLogger,
    WarmRestartLR,
)
from torch.optim.lr_scheduler import MultiplicativeLR

from sklimb import TabularMLPClassifier

pytestmark = pytest.mark.interop
X, Y = fixed_table()
LABELS = np.array(["no", "yes"])[Y]
HELD = {**PLAIN, "early_stopping": True, "max_epochs": 3}


def fit(*callbacks, y=LABELS, **params):
    return TabularMLPClassifier(**{**HELD, **params}, callbacks=list(callbacks)).fit(
        X, y
    )


def column(clf, name):
    return [row[name] for row in clf.history_]


def test_all_callbacks_of_skorch_are_named_here():
    here = set(globals())
    missing = set(skorch.callbacks.__all__) - here - {"Callback"}
    assert not missing, "test it, or refuse it in `given_callbacks`"


@pytest.mark.parametrize("n_members", [1, 2])
def test_checkpoints_hold_the_best_and_the_last_weights(n_members, tmp_path):
    best = Checkpoint(dirname=tmp_path / "best", f_pickle="net.pkl")
    safe = Checkpoint(
        dirname=tmp_path / "safe",
        f_params="{last_epoch[epoch]}.safetensors",
        f_optimizer=None,
        f_criterion=None,
        use_safetensors=True,
    )
    end = TrainEndCheckpoint(dirname=tmp_path / "end")
    clf = fit(best, safe, end, n_members=n_members, lr=0.05, max_epochs=6)
    found = torch.load(tmp_path / "best" / "params.pt", weights_only=True)
    if n_members == 1:  # of more, the best epoch is each member's own
        for name, value in weights(clf).items():
            np.testing.assert_array_equal(found[name].numpy(), value)
    assert sorted(os.listdir(tmp_path / "end"))[-1] == "train_end_params.pt"
    with open(tmp_path / "best" / "net.pkl", "rb") as file:
        assert pickle.load(file).module_.n_members == n_members
    n_best = sum(column(clf, "valid_loss_best"))
    assert len(list((tmp_path / "safe").glob("*.safetensors"))) == n_best


def test_which_epochs_are_the_best():
    clf = fit(EpochTimer(), max_epochs=8, lr=0.05)
    for name, sign in (("train_loss", 1), ("valid_loss", 1), ("valid_score", 1)):
        values = sign * np.array(column(clf, name))
        best = [v < min(values[:i], default=np.inf) for i, v in enumerate(values)]
        assert column(clf, f"{name}_best") == best
    clf = fit(EpochTimer(), monitor="roc_auc", max_epochs=8, lr=0.05)
    values = np.array(column(clf, "valid_score"))
    best = [v > max(values[:i], default=-1) for i, v in enumerate(values)]
    assert column(clf, "valid_score_best") == best
    plain = TabularMLPClassifier(**HELD).fit(X, LABELS)
    assert not any("best" in name for name in plain.history_[0])


@pytest.mark.filterwarnings("ignore:m2m translated no row")
@pytest.mark.parametrize(
    "strategy",
    [s for s in STRATEGIES if "validation_folds" not in s],  # refused beside callbacks
    ids=str,
)
def test_a_callback_beside_each_strategy_changes_nothing(strategy):
    params = {**HELD, "max_epochs": 2, **strategy}
    if "portfolio" in strategy:
        del params["dropout"]  # what the portfolio varies
    plain = TabularMLPClassifier(**params).fit(X, LABELS)
    watched = TabularMLPClassifier(**params, callbacks=[EpochTimer()]).fit(X, LABELS)
    assert watched.history_[0]["train_loss_best"]
    assert watched.history_[0]["batches"][0]["train_batch_size"] > 0
    np.testing.assert_array_equal(watched.predict_proba(X), plain.predict_proba(X))


def test_a_state_to_begin_with(tmp_path):
    checkpoint = Checkpoint(dirname=tmp_path, f_optimizer=None)  # it has a rate, too
    first = fit(checkpoint)
    again = fit(LoadInitState(checkpoint), lr=1e-9, max_epochs=1)
    for name, value in weights(first).items():
        # One epoch of steps of 1e-9 in float32.
        np.testing.assert_allclose(weights(again)[name], value, atol=1e-6)


def test_scores_of_names_and_of_scorers_with_the_users_labels():
    """A name scores codes, a scorer or function is given the labels themselves."""
    scorer = make_scorer(f1_score, pos_label="yes")
    seen = []

    def own(net, X, y):
        called = net.predict(X)
        seen.append((set(np.unique(y)), list(net.classes_), set(called)))
        return f1_score(y, called, pos_label="yes")

    clf = fit(
        EpochScoring("f1", lower_is_better=False),
        EpochScoring(scorer, lower_is_better=False, name="of_scorer"),
        EpochScoring(own, lower_is_better=False, name="of_function"),
        EpochScoring("roc_auc", lower_is_better=False, on_train=True),
        BatchScoring(scorer, lower_is_better=False, name="of_batches"),
        max_epochs=8,
        lr=0.02,
    )
    found = column(clf, "f1")
    assert found == column(clf, "of_scorer") == column(clf, "of_function")
    assert max(found) > 0 and max(column(clf, "of_batches")) > 0
    assert column(clf, "roc_auc")[-1] > 0.8
    assert seen[-1] == ({"no", "yes"}, ["no", "yes"], {"no", "yes"})
    # The net of the fitted classifier is as it was.
    assert clf.net_.classes_.tolist() == [0, 1]


def test_averages_over_batches():
    clf = fit(
        BatchScoring("accuracy", lower_is_better=False),
        BatchScoring("accuracy", on_train=True, name="on_train"),
        PassthroughScoring("train_loss", on_train=True),
    )
    assert all(0.5 < v <= 1 for v in column(clf, "accuracy") + column(clf, "on_train"))
    # The mean over rows of mean losses of batches, the last of which is smaller.
    alone = fit()
    np.testing.assert_allclose(
        column(clf, "train_loss"), column(alone, "train_loss"), rtol=0.05
    )
    clf = fit(PassthroughScoring("valid_loss"))
    assert column(clf, "valid_loss") == column(alone, "valid_loss")


def test_early_stopping():
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0)
    assert fit(stop, max_epochs=9).n_iter_ == 3


@pytest.mark.parametrize(
    "schedule",
    [
        LRScheduler("StepLR", step_size=1, gamma=1e-9),
        LRScheduler(WarmRestartLR, min_lr=1e-9, max_lr=1e-9),
        LRScheduler(MultiplicativeLR, lr_lambda=lambda i: 1e-9, step_every="batch"),
    ],
    ids=["StepLR", "WarmRestartLR", "of batches"],
)
def test_learning_rates(schedule):
    a, b = (weights(fit(schedule, max_epochs=n)) for n in (1, 3))
    moved = max(abs(a[name] - b[name]).max() for name in a)
    plain = weights(fit(max_epochs=1)), weights(fit(max_epochs=3))
    assert moved < 1e-6 < max(abs(plain[0][n] - plain[1][n]).max() for n in a)
    fit(LRScheduler("ReduceLROnPlateau", monitor="valid_loss"))


def test_parameters_are_frozen_mapped_and_drawn():
    names = [name for name in weights(fit()) if "head" not in name]
    first, last = names[0], names[-1]
    with_it = weights(fit(Freezer(first)))
    assert (with_it[first] == weights(fit(Freezer(first), max_epochs=1))[first]).all()
    assert (with_it[last] != weights(fit(Freezer(first), max_epochs=1))[last]).any()
    thawed = weights(fit(Freezer(first), Unfreezer(first, at=2)))
    assert (thawed[first] != with_it[first]).any()
    zeros = Initializer("head.bias", fn=torch.nn.init.zeros_)
    same = ParamMapper("head.bias", fn=torch.nn.init.zeros_, at=1)
    a, b = (weights(fit(cb, max_epochs=1, lr=1e-9)) for cb in (zeros, same))
    assert abs(a["head.bias"]).max() < 1e-6 and abs(b["head.bias"]).max() < 1e-6


def test_gradients_are_clipped():
    plain = {"optimizer": "sgd", "weight_decay": 0.0}
    first = weights(fit(lr=1e-12, max_epochs=1))
    clipped = weights(fit(GradientNormClipping(1e-9), **plain))
    assert max(abs(first[n] - clipped[n]).max() for n in first) < 1e-6
    free = weights(fit(**plain))
    assert max(abs(first[n] - free[n]).max() for n in first) > 1e-3


@pytest.mark.parametrize("n_members", [1, 2])
def test_tables_and_bars(n_members, capsys):
    lines = []
    fit(
        PrintLog(sink=lines.append),
        ProgressBar(detect_notebook=False),
        n_members=n_members,
    )
    assert "train_loss" in lines[0] and "members" not in lines[0]
    assert "it/s" in capsys.readouterr().err


@pytest.mark.parametrize("scoring", [(), ["f1"], {"a": "f1"}, 1, "averageprecision"])
@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_what_is_no_scorer_is_refused(kind, scoring):
    told = f"callbacks cannot be used: {kind.__name__} takes the name of one scorer"
    with pytest.raises(ValueError, match=told) as error:
        fit(kind(scoring, name="mine"))
    assert ("average_precision" in str(error.value)) == isinstance(scoring, str)


class Numbers:
    """Whatever a logger writes to: it takes names and numbers, and no lists."""

    def __init__(self, folder=None):
        self.told, self.dir = {}, folder
        self.info = SimpleNamespace(run_id="run")

    def add_scalar(self, tag=None, scalar_value=None, global_step=None):
        self.told.setdefault(tag, []).append(float(scalar_value))

    def log_scalar(self, name, value, step=None):
        self.add_scalar(name, value)

    def log_metric(self, run_id, name, value, step):
        self.add_scalar(name, value)

    def log(self, values, **kwargs):
        for name, value in values.items():
            self.add_scalar(name, value)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


class Neptune(dict):
    """A run of Neptune: nested series of numbers."""

    def __missing__(self, name):
        self[name] = Neptune()
        return self[name]

    def append(self, value):
        self.setdefault("values", []).append(float(value))

    def stop(self):
        self["stopped"] = True

    exists = dict.__contains__


@pytest.mark.parametrize("name", ["TensorBoard", "Mlflow", "Wandb", "Sacred"])
@pytest.mark.parametrize("n_members", [1, 2])
def test_loggers_get_numbers(name, n_members, tmp_path):
    told = Numbers(tmp_path)
    callback = {
        "TensorBoard": lambda: TensorBoard(told),
        "Mlflow": lambda: MlflowLogger(told, told, log_on_batch_end=True),
        "Wandb": lambda: WandbLogger(told),
        "Sacred": lambda: SacredLogger(told, log_on_batch_end=True),
    }[name]()
    fit(callback, n_members=n_members)
    assert any(
        "train_loss" in key or "loss/train" in key.lower() for key in told.told
    ) or ("Loss/train_loss" in told.told)
    assert any("valid" in key for key in told.told)
    if name == "Wandb":
        assert os.listdir(tmp_path) == ["best_model.pth"]


def test_neptune(monkeypatch):
    handler, types = ModuleType("neptune.handler"), ModuleType("neptune.types")
    handler.Handler = type("Handler", (), {})
    types.File = SimpleNamespace(from_content=lambda *args, **kwargs: 0.0)
    for name, module in (
        ("neptune", ModuleType("neptune")),
        ("neptune.handler", handler),
        ("neptune.types", types),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    run = Neptune()
    fit(NeptuneLogger(run))
    series = run["training"]["train"]["epoch"]["loss"]["values"]
    assert len(series) == 3 and run["stopped"]


REFUSED = [
    (InputShapeSetter, {}, "InputShapeSetter sets a network's width, which follows"),
    (InputShapeSetter(), {}, "InputShapeSetter sets a network's width"),
    (Checkpoint(load_best=True), {}, r"Checkpoint\(load_best=True\) is not needed"),
    (EpochScoring("f1", use_caching=False), {}, "EpochScoring.*set use_caching=True"),
    (Checkpoint(), {"early_stopping": False}, "no rows are held out. Set early_stop"),
    (Checkpoint(), {"monitor": "roc_auc"}, "let it watch 'valid_score_best'"),
    (WandbLogger(Numbers()), {"early_stopping": False}, "no rows are held out"),
    (EarlyStopping("valid_loss"), {"monitor": "roc_auc"}, "watches 'valid_loss'"),
]


@pytest.mark.parametrize(("callback", "params", "what"), REFUSED)
def test_refused_before_training(callback, params, what):
    class Begun(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise AssertionError("training has begun")

    with pytest.raises(ValueError, match=what) as error:
        fit(Begun(), ("given", callback), **params)
    assert str(error.value).count("\n") == 0
