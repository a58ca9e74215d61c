"""Many rows in threads: the bits of one thread and of single rows."""

import threading

import numpy as np
import pandas as pd
import pytest
import torch

from sklimb import TabularMLPClassifier
from sklimb._threads import in_threads
from sklimb.exceptions import InputWarning
from sklimb.inputs import encoded_table
from sklimb.inputs.number_scales import interpolate
from sklimb.preprocessing import TabularEncoder
from sklimb.training import net

N_ROWS = 1500


@pytest.fixture
def threads():
    """Sets torch's threads, which the test leaves as they were."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def make_table(n_rows=N_ROWS, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({f"number {i}": rng.normal(size=n_rows) for i in range(4)})
    X.loc[rng.random(n_rows) < 0.1, "number 1"] = np.nan
    X["number 2"] = X["number 2"].round(1)
    X["kind"] = pd.Categorical(rng.choice(list("abcde"), n_rows))
    X["text"] = rng.choice(["x", "y", None], n_rows)
    return X, (X["number 0"] + rng.normal(size=n_rows) > 1).astype(int)


@pytest.fixture
def small_blocks(monkeypatch):
    """Many parts of few rows."""
    monkeypatch.setattr(encoded_table, "BLOCK_ROWS", 128)
    monkeypatch.setattr(net, "_BLOCKS_PER_PART", 1)


def test_parts_are_done_in_several_threads_and_keep_their_order(threads):
    threads(3)
    ready = threading.Barrier(3, timeout=30)

    def part(i):
        if i < 3:  # passes only if three threads are here at once
            ready.wait()
        return i, threading.get_ident(), torch.get_num_threads()

    found = in_threads(part, range(20))
    assert [i for i, _, _ in found] == list(range(20))
    assert threading.get_ident() not in {ident for _, ident, _ in found}
    assert {n for _, _, n in found} == {1}
    assert torch.get_num_threads() == 3


def test_one_thread_of_torch_is_this_thread(threads):
    threads(1)
    assert set(in_threads(lambda _: threading.get_ident(), range(5))) == {
        threading.get_ident()
    }


@pytest.mark.parametrize("grad", [False, True])
def test_gradients_are_as_the_caller_has_them(threads, grad):
    threads(2)
    with torch.set_grad_enabled(grad):
        found = in_threads(lambda _: torch.is_grad_enabled(), range(4))
    assert found == [grad] * 4


def test_an_error_comes_out_and_leaves_torch_its_threads(threads):
    threads(2)
    before = set(threading.enumerate())  # other libraries keep pools of their own

    def fail(i):
        raise ValueError(f"part {i}")

    with pytest.raises(ValueError, match="part 0"):
        in_threads(fail, range(8))
    assert torch.get_num_threads() == 2
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("n_members", [1, 2])
def test_probabilities_have_the_bits_of_one_thread(threads, small_blocks, n_members):
    X, y = make_table()
    threads(1)
    clf = TabularMLPClassifier(
        max_epochs=2, d_block=16, n_members=n_members, random_state=0
    ).fit(X, y)
    alone = clf.predict_proba(X), clf.embed(X)
    threads(2)
    together = clf.predict_proba(X), clf.embed(X)
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a, b)
    some = [0, 255, 256, 1400]
    assert np.array_equal(clf.predict_proba(X.iloc[some]), together[0][some])


@pytest.mark.parametrize("encoding", ["ordinal", "onehot"])
@pytest.mark.parametrize("transform", ["quantile", "standard", "robust", None])
def test_encodings_have_the_bits_of_one_thread(
    threads, small_blocks, encoding, transform
):
    X, _ = make_table()
    weight = np.random.default_rng(1).integers(1, 4, len(X))
    encoder = TabularEncoder(numeric_transform=transform, category_encoding=encoding)
    threads(1)
    alone = encoder.fit_transform(X, sample_weight=weight)
    threads(2)
    assert np.array_equal(encoder.fit_transform(X, sample_weight=weight), alone)
    assert np.array_equal(encoder.transform(X), alone)
    rows = [encoder.transform(X.iloc[i : i + 1]) for i in (0, 700, 1499)]
    assert np.array_equal(np.concatenate(rows), alone[[0, 700, 1499]])


def test_foreign_columns_are_warned_of_once(threads, small_blocks):
    X, _ = make_table()
    encoder = TabularEncoder().fit(X)
    threads(2)
    X["kind"], X["text"] = 7, "other"
    with pytest.warns(InputWarning) as told:
        encoder.transform(X.astype({"kind": "category"}))
    assert len(told) == 1 and "kind" in str(told[0].message)
    assert "text" in str(told[0].message)


RNG = np.random.default_rng(0)
VALUES = {
    "normal": RNG.normal(size=4000),
    "heavy": np.exp(5 * RNG.normal(size=4000)),
    "far from zero": 1.6e9 + 1e6 * RNG.random(4000),
    "zeros": np.where(RNG.random(4000) < 0.8, 0, RNG.gamma(0.5, size=4000)),
    "large": 1e100 * RNG.normal(size=4000),
    "missing": np.where(RNG.random(4000) < 0.2, np.nan, RNG.normal(size=4000)),
}


@pytest.mark.parametrize("name", VALUES)
def test_interpolation_in_another_order_has_the_bits_of_numpy(name):
    values = VALUES[name]
    x = np.unique(np.quantile(values[~np.isnan(values)], np.linspace(0, 1, 500)))
    z = np.sin(np.arange(len(x)))
    assert np.array_equal(
        interpolate(values, x, z), np.interp(values, x, z), equal_nan=True
    )
