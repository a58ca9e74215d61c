"""Rows that are read in blocks: what is exact, what is near, what is refused."""

import shutil
from collections import namedtuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import torch
from helpers.one_network import OutOfTheBox
from sklearn import config_context
from sklearn.metrics import log_loss

from sklimb import ImageResNetClassifier, TabularMLPClassifier, _fit_checkpoint
from sklimb.fitting import class_weights, schedule, streamed
from sklimb.fitting import plan as plan_module
from sklimb.inputs import sketch as sketches
from sklimb.inputs import streams
from sklimb.inputs.on_disk import forget
from sklimb.inputs.sketch import Sketch
from sklimb.inputs.table import read_table
from sklimb.persistence import load
from sklimb.preprocessing import TabularEncoder
from sklimb.training.block_order import BlockOrder, Taken
from sklimb.training.going_on import GoingOn
from sklimb.training.net import _Net

N_ROWS = 3000
SMALL = {
    "max_epochs": 4,
    "d_block": 16,
    "d_embedding": 4,
    "n_frequencies": 4,
    "batch_size": 64,
    "lr": 5e-3,
    "random_state": 0,
    "n_members": 1,
    "validation_folds": None,
    "merge_duplicates": False,
}


def make_table(n_rows=N_ROWS):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({f"number {i}": rng.normal(size=n_rows) for i in range(3)})
    X.loc[rng.random(n_rows) < 0.1, "number 1"] = np.nan
    X["count"] = rng.poisson(3, n_rows)
    X["late"] = np.where(np.arange(n_rows) < 2000, np.nan, 7.0)
    X["kind"] = pd.Categorical(rng.choice(list("abcde"), n_rows))
    X["text"] = rng.choice(["x", "y", "seldom"], n_rows, p=[0.6, 0.399, 0.001])
    odds = 2 * X["number 0"] + (X["kind"] == "a") - 2.5
    y = np.where(rng.random(n_rows) < 1 / (1 + np.exp(-odds)), "bad", "good")
    return X, y, rng.integers(0, 4, n_rows)


X, Y, WEIGHT = make_table()
LABELLED = X.assign(label=Y)
WHOLE = LABELLED.assign(weight=WEIGHT)


def in_blocks(frame=LABELLED, rows=700):
    return lambda: (frame.iloc[i : i + rows] for i in range(0, len(frame), rows))


def in_polars():
    return (pl.from_pandas(frame) for frame in in_blocks(WHOLE)())


def as_dataset(tmp_path):
    for i in range(3):
        part = pa.Table.from_pandas(WHOLE.iloc[i::3], preserve_index=False)
        pq.write_table(part, tmp_path / f"{i}.parquet")
    return ds.dataset(tmp_path)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(streams, "BLOCK_ROWS", 500)


def fit(X, y="label", sample_weight=None, **params):
    return TabularMLPClassifier(**{**SMALL, **params}).fit(X, y, sample_weight)


@pytest.fixture(scope="module")
def in_memory():
    return TabularMLPClassifier(**SMALL).fit(X, Y, WEIGHT)


@pytest.mark.parametrize("kind", ["callable", "polars", "dataset"])
def test_the_result_is_that_in_memory_within_noise(kind, in_memory, tmp_path):
    given = in_polars if kind == "polars" else in_blocks(WHOLE)
    if kind == "dataset":
        given = as_dataset(tmp_path)
    clf = fit(given, sample_weight="weight")
    assert clf.feature_names_in_.tolist() == list(X.columns)
    assert clf.classes_.tolist() == ["bad", "good"]
    another = fit(in_blocks(WHOLE), "label", "weight", random_state=1)
    loss, other, by_chance = (
        log_loss(Y, model.predict_proba(X), sample_weight=WEIGHT)
        for model in (clf, in_memory, another)
    )
    prior = np.bincount(Y == "good", WEIGHT) / WEIGHT.sum()
    base = -(prior * np.log(prior)).sum()
    # Two seeds in memory differ by less than 0.01 here, what is learned is 0.2.
    assert abs(loss - other) < 0.02 and loss < base - 0.1
    assert abs(by_chance - other) < 0.03
    mean = np.average(clf.predict_proba(X)[:, 0], weights=WEIGHT)
    assert mean == pytest.approx(prior[0], abs=1e-5)  # the bias is solved on all rows


def test_counts_and_weights_are_exact(in_memory):
    clf = fit(in_blocks(WHOLE), sample_weight="weight", early_stopping=False)
    wanted = np.bincount(Y == "good", WEIGHT)
    assert clf.class_weight_sum_.tolist() == wanted.tolist()
    assert clf.encoder_.categories_ == in_memory.encoder_.categories_
    clf = fit(in_blocks())
    n_held = [round(0.15 * np.sum(c == Y)) for c in ("bad", "good")]
    rows = np.bincount(Y == "good") - n_held
    assert clf.class_weight_sum_.tolist() == rows.tolist()


@pytest.mark.parametrize("transform", ["quantile", "standard", "robust", None])
def test_an_encoder_of_a_sample_of_all_rows_is_that_in_memory(transform):
    weight = np.maximum(WEIGHT, 1.0)
    encoder = TabularEncoder(numeric_transform=transform)
    wanted = encoder.fit(X, sample_weight=weight).transform(X)
    table = read_table(X)
    sketch = Sketch(table.is_categorical, np.random.default_rng(0))
    for begin in range(0, N_ROWS, 700):
        rows = np.arange(begin, min(begin + 700, N_ROWS))
        sketch.add(table.take(rows), weight[rows])
    found = TabularEncoder(numeric_transform=transform)._fit_sketch(sketch, table)
    assert found.categories_ == encoder.categories_
    assert found.indicator_columns_.tolist() == encoder.indicator_columns_.tolist()
    # Means and scales are summed in another order.
    np.testing.assert_allclose(found.transform(X), wanted, rtol=2e-6, atol=2e-6)


def test_ranks_of_a_small_sample_are_near(monkeypatch):
    monkeypatch.setattr(sketches, "SAMPLE_ROWS", 2000)
    values = np.random.default_rng(1).exponential(size=(40_000, 1))
    table = read_table(values)
    sketch = Sketch(table.is_categorical, np.random.default_rng(0))
    for rows in np.split(np.arange(len(values)), 20):
        sketch.add(table.take(rows), np.ones(len(rows)))
    (column,) = sketch.columns("quantile", 1000, 1)
    assert (column.low, column.high) == (values.min(), values.max())
    assert column.center == pytest.approx(values.mean(), rel=1e-12)
    ranks = np.searchsorted(np.sort(values[:, 0]), column.knots[0]) / len(values)
    own = np.linspace(0, 1, len(ranks))
    # Dvoretzky-Kiefer-Wolfowitz at 1e-6 for 2000 rows, and half a step of the knots.
    assert np.abs(ranks - own).max() < np.sqrt(np.log(2e6) / 4000) + 1e-3


def test_a_column_of_one_value_in_the_sample_alone_is_not_constant(monkeypatch):
    monkeypatch.setattr(sketches, "SAMPLE_ROWS", 10)
    values = np.zeros((5000, 1))
    values[17] = 3.0
    table = read_table(values)
    sketch = Sketch(table.is_categorical, np.random.default_rng(3))
    sketch.add(table, np.ones(5000))
    (column,) = sketch.columns("quantile", 1000, 1)
    assert column.scale > 0 and column.knots[0].tolist() == [0.0, 3.0]


@pytest.fixture
def seen(monkeypatch):
    """The plan of the last fit, as "plan"."""
    seen, train = {}, TabularMLPClassifier._train

    def keep(self, jobs, **how):
        seen["plan"] = jobs[0].plan
        return train(self, jobs, **how)

    monkeypatch.setattr(TabularMLPClassifier, "_train", keep)
    return seen


def test_each_row_is_written_once_into_a_random_block(seen):
    frame = pd.DataFrame({"row": np.arange(2000.0)}).assign(label=np.arange(2000) % 2)
    with config_context(working_memory=0.01):
        clf = fit(
            in_blocks(frame),
            num_embeddings=None,
            numeric_transform=None,
            early_stopping=False,
            max_epochs=1,
        )
    rows, order = seen["plan"].X[:, 0], seen["plan"].order
    assert isinstance(seen["plan"].X, np.memmap) and order.block_rows < 700
    assert np.array_equal(np.sort(rows), np.arange(2000))
    assert np.array_equal(seen["plan"].y, rows % 2)
    # A block is a sample of all rows: its mean is theirs within 4 standard errors.
    for begin in range(0, 1800, order.block_rows):
        part = rows[begin : begin + order.block_rows]
        assert abs(part.mean() - 999.5) < 4 * 577 / np.sqrt(len(part))
    assert clf.n_iter_ == 1


def test_an_order_by_blocks_has_each_row_once():
    order, generator = BlockOrder(1003, 100), torch.Generator().manual_seed(0)
    first, second = order(generator).numpy(), order(generator).numpy()
    for rows in (first, second):
        assert np.array_equal(np.sort(rows), np.arange(1003))
        assert len(np.unique(rows[:100] // 100)) <= 2
    assert not np.array_equal(first, second)


def test_pages_of_the_file_are_given_back_block_by_block(seen, monkeypatch):
    calls = []
    monkeypatch.setattr(streamed, "forget", calls.append)
    with config_context(working_memory=0.05):
        fit(in_blocks(), max_epochs=2)
    plan = seen["plan"]
    n_blocks = -(-len(plan.y) // plan.order.block_rows)
    # One for the sample, and one for each block but the last: rows end there.
    assert n_blocks > 3 and len(calls) == 1 + 2 * (n_blocks - 1)
    assert all(array is plan.X for array in calls)
    before = plan.X.copy()
    forget(plan.X)
    forget(before)  # no file
    assert np.array_equal(plan.X, before)


def test_rows_that_are_taken_are_those_of_the_order():
    order = BlockOrder(1003, 100)
    whole = order(torch.Generator().manual_seed(0))
    for size in (7, 100, 256, 2000):
        taken = Taken(order, torch.Generator().manual_seed(0), 1002)
        parts = [taken.take(size) for _ in range(0, 1002, size)]
        assert all(len(part) == size for part in parts[:-1])
        assert torch.equal(torch.cat(parts), whole[:1002])


def test_a_row_takes_a_byte_of_memory_without_weights(seen):
    fit(in_blocks(), max_epochs=1)
    plan = seen["plan"]
    assert plan.y.dtype == np.uint8 and isinstance(plan.X, np.memmap)
    # One value for all rows.
    assert plan.weight.strides == plan.row_weight.strides == (0,)
    fit(in_blocks(WHOLE), sample_weight="weight", max_epochs=1)
    assert isinstance(seen["plan"].row_weight, np.memmap)


def test_weights_of_many_rows_are_counted_in_parts(seen, monkeypatch):
    """In parts or at once: the same sums, and loss weights as near as float32 tells."""
    weighted = {"sample_weight": "weight", "class_weight": "balanced", "max_epochs": 1}
    found = [fit(in_blocks(WHOLE), **weighted), seen["plan"]]
    monkeypatch.setattr(class_weights, "ROWS_AT_ONCE", 100)
    monkeypatch.setattr(plan_module, "ROWS_AT_ONCE", 100)
    again = fit(in_blocks(WHOLE), **weighted)
    assert again.class_weight_sum_.tolist() == found[0].class_weight_sum_.tolist()
    in_parts, at_once = seen["plan"].weight, found[1].weight
    assert in_parts.dtype == np.float32 and at_once.dtype == np.float64
    np.testing.assert_allclose(in_parts, at_once, rtol=3e-7)


def test_equal_seeds_give_equal_bits():
    a, b = (fit(in_blocks(), max_epochs=2).predict_proba(X) for _ in range(2))
    assert np.array_equal(a, b)


def test_predictions_of_blocks_are_those_of_the_frame(tmp_path, in_memory):
    wanted = in_memory.predict_proba(X)
    assert np.array_equal(in_memory.predict_proba(in_blocks(WHOLE)), wanted)
    assert np.array_equal(in_memory.predict(in_blocks(X)), in_memory.predict(X))
    given = as_dataset(tmp_path)
    rows = np.concatenate([np.arange(i, N_ROWS, 3) for i in range(3)])
    assert np.array_equal(in_memory.predict_proba(given), wanted[rows])
    path = tmp_path / "model.sklimb"
    in_memory.save(path)
    assert np.array_equal(load(path).predict_proba(in_blocks()), wanted)


REFUSED = {
    "merge_duplicates": True,
    "validation_split": 3,
    "validation_folds": 3,
    "warm_start": True,
    "sampler": "balanced",
    "joint_ssl": "vicreg",
    "m2m": "default",
    "metabalance_sampler": "under",
    "row_weighting": "l2rw",
    "num_embeddings": "ple",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_all_rows_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"{name}.* needs all rows in memory"):
        fit(in_blocks(), **{name: REFUSED[name]})


def test_arguments_are_refused_by_name():
    clf = TabularMLPClassifier(**SMALL)
    for given in ({"groups": Y}, {"X_val": X, "y_val": Y}):
        with pytest.raises(ValueError, match=f"{next(iter(given))} needs all rows in"):
            clf.fit(in_blocks(), "label", **given)
    with pytest.raises(TypeError, match="y must be the name of a column"):
        clf.fit(in_blocks(), Y)
    with pytest.raises(TypeError, match="sample_weight must be the name of a column"):
        clf.fit(in_blocks(), "label", WEIGHT)
    with pytest.raises(ValueError, match="y='other' is no column of X"):
        clf.fit(in_blocks(), "other")
    with pytest.raises(ValueError, match="sample_weight='w' is no column of X"):
        clf.fit(in_blocks(), "label", "w")
    with pytest.raises(TypeError, match="takes images"):
        ImageResNetClassifier().fit(in_blocks(), "label")
    with pytest.raises(TypeError, match="read in blocks, by fit"):
        TabularEncoder().fit(in_blocks())
    with pytest.raises(TypeError, match="gave a ndarray"):
        clf.fit(lambda: [X.to_numpy()], "label")
    with pytest.raises(ValueError, match="without a row"):
        clf.fit(lambda: [], "label")
    with pytest.raises(ValueError, match="two classes, got one class: 'good'"):
        clf.fit(in_blocks(LABELLED[Y == "good"]), "label")
    assert not hasattr(clf, "net_") and not hasattr(clf, "classes_")


def test_an_iterator_that_is_used_up_is_told():
    frames = iter([LABELLED])
    with pytest.raises(ValueError, match="without a row"):
        fit(lambda: frames)
    lengths = iter([N_ROWS, N_ROWS - 5])
    with pytest.raises(ValueError, match="same rows each time"):
        fit(lambda: [LABELLED.iloc[: next(lengths)]])


def test_a_short_disk_is_told_before_training(monkeypatch):
    usage = namedtuple("usage", "free")(1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"2\d{3} encoded rows take .* Point TMPDIR"):
        fit(in_blocks())


def test_the_bias_is_solved_on_a_sample_with_the_shares_of_all(monkeypatch):
    monkeypatch.setattr(streamed, "SOLVED_ROWS", 1000)
    clf = fit(in_blocks(), max_epochs=1)
    mean = clf.predict_proba(X)[:, 0].mean()
    # 850 rows: the mean of p has a standard error of 0.008.
    assert mean == pytest.approx(np.mean(Y == "bad"), abs=0.03)


class Killed(BaseException):
    """Nothing of ours is there to catch it, as after a kill."""


@pytest.mark.parametrize("n_steps", [1, 40, 41, 80, 119])
def test_a_killed_fit_goes_on_with_the_same_bits(n_steps, tmp_path, monkeypatch):
    """Within an epoch of 40 steps and at its end."""
    params = {"dropout": 0.1, "n_members": 2, "max_epochs": 3, "n_iter_no_change": 2}
    wanted = fit(in_blocks(), **params)
    monkeypatch.setattr(_fit_checkpoint, "SECONDS", 0)
    step, done = _Net.train_step_single, []

    def killed(net, batch):
        if len(done) == n_steps:
            raise Killed
        done.append(batch)
        return step(net, batch)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(_Net, "train_step_single", killed)
        fit(in_blocks(), checkpoint=tmp_path, **params)
    steps = []
    monkeypatch.setattr(
        _Net, "train_step_single", lambda *a: steps.append(0) or step(*a)
    )
    clf = fit(in_blocks(), checkpoint=tmp_path, **params)
    assert len(steps) == 40 * wanted.n_iter_ - n_steps
    assert np.array_equal(clf.predict_proba(X), wanted.predict_proba(X))
    own, other = (
        [{k: v for k, v in row.items() if k != "dur"} for row in model.history_]
        for model in (clf, wanted)
    )
    assert own == other
    clf.save(tmp_path / "model.sklimb")
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_rate_that_falls_by_step_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(_fit_checkpoint, "SECONDS", 0)
    monkeypatch.setattr(schedule, "SEEN", 2 * N_ROWS)
    auto = {"max_epochs": "auto", "lr": "auto", "validation_folds": "auto"}
    clf = OutOfTheBox(**{**SMALL, **auto}, checkpoint=tmp_path)
    rates, step = [], _Net.train_step_single

    def keep(net, batch):
        if len(rates) == 50:
            rates.append(None)
            raise Killed
        rates.append(net.optimizer_.param_groups[0]["lr"])
        return step(net, batch)

    monkeypatch.setattr(_Net, "train_step_single", keep)
    with pytest.raises(Killed):
        clf.fit(in_blocks(), "label")
    clf.fit(in_blocks(), "label")
    rates.remove(None)
    at = np.arange(80) / 80
    # The rate at the begin of the first step that was not made is that of step 50.
    np.testing.assert_allclose(rates, 5e-3 * (1 + np.cos(np.pi * at)) / 2, rtol=1e-12)


def test_a_checkpoint_is_for_the_same_fit_of_rows_in_blocks(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="checkpoint is for rows in blocks"):
        fit(X, Y, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"checkpoint and ema_decay=0\.9 cannot be"):
        fit(in_blocks(), checkpoint=tmp_path, ema_decay=0.9)
    monkeypatch.setattr(_fit_checkpoint, "SECONDS", 0)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(GoingOn, "on_epoch_end", raise_killed)
        fit(in_blocks(), checkpoint=tmp_path)
    with pytest.raises(ValueError, match="holds another fit: parameters differ"):
        fit(in_blocks(), checkpoint=tmp_path, lr=1e-3)
    with pytest.raises(ValueError, match="holds another fit: data differ"):
        fit(in_blocks(LABELLED[1:]), checkpoint=tmp_path)
    fit(in_blocks(), checkpoint=tmp_path, verbose=0)


def raise_killed(*_, **__):
    raise Killed
