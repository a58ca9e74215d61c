"""Columns of which one value has half of the rows: found, and told apart finely."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss

from sklimb import TabularMLPClassifier
from sklimb.nn import PackedMLP
from sklimb.preprocessing import TabularEncoder

FAST = {"max_epochs": 2, "validation_folds": None, "n_members": 1, "random_state": 0}


def crowded(X, weight=None):
    return TabularEncoder().fit(X, sample_weight=weight)._crowded


def test_what_is_crowded():
    half = np.r_[np.zeros(10), np.arange(1, 11)]
    X = pd.DataFrame(
        {
            "half is 0": half,
            "less than half": np.r_[np.zeros(9), np.arange(1, 12)],
            "the largest": -half,
            "four others": np.r_[np.zeros(10), np.arange(10) % 4 + 1],
            "five others": np.r_[np.zeros(10), np.arange(10) % 5 + 1],
            "a flag": np.r_[np.zeros(10), np.ones(10)],
            "constant": np.ones(20),
            "mostly missing": np.r_[np.full(15, np.nan), np.arange(5)],
            "half of what is there": np.r_[np.full(8, np.nan), np.zeros(6), 1:7],
        }
    )
    expected = np.array([0.05, 0, 0.05, 0, 0.1, 0, 0, 0, 1 / 12])
    np.testing.assert_allclose(crowded(X), expected, rtol=1e-12)
    np.testing.assert_array_equal(crowded(X.sample(frac=1)), crowded(X))
    assert TabularEncoder(numeric_transform="standard").fit(X)._crowded.any()


def test_a_weight_is_so_many_rows():
    X = pd.DataFrame({"a": np.r_[0.0, np.arange(1, 8)]})
    weight = np.r_[7.0, np.ones(7)]
    assert crowded(X) == 0
    copies = crowded(X.loc[np.repeat(X.index, [7] + [1] * 7)])
    assert crowded(X, weight) == copies == crowded(X, 4 * weight) == 1 / 14
    assert crowded(X, np.r_[7.0, np.ones(4), np.zeros(3)]) == 0


def make_pack(kind, crowded):
    pack = PackedMLP(2, 3, 0, (), 2, num_embeddings=kind, crowded=crowded, d_block=4)
    pack.reset_parameters([0, 1])
    return pack.state_dict()


@pytest.mark.parametrize("kind", ["plr", "plr-lite", "plr-dense"])
def test_every_second_frequency_is_100_times_as_large(kind):
    plain, own = make_pack(kind, None), make_pack(kind, [False, True, False])
    for name, before in plain.items():
        after = own[name]
        if name == "numbers.frequency":
            expected = before.clone()
            expected[:, 1, :, 1::2] *= 100
            assert torch.equal(after, expected)
        else:
            assert torch.equal(after, before), name


def test_other_kinds_have_no_frequencies():
    for kind in (None, "linear"):
        plain, own = make_pack(kind, None), make_pack(kind, [True] * 3)
        assert all(torch.equal(own[name], plain[name]) for name in plain)


def amounts(n, seed=0, most=30):
    """Amounts, mostly 0, of which some tell the label; and a column of noise."""
    rng = np.random.default_rng(seed)
    amount = np.where(rng.random(n) < 0.6, 0, rng.integers(1, most, n))
    y = (amount % 3 == 1) ^ (rng.random(n) < 0.02)
    return np.c_[amount, rng.normal(size=n)], y.astype(int)


def weights(clf):
    return [p.detach().clone() for p in clf.net_.module_.parameters()]


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(weights(a), weights(b), strict=True))


def test_a_scale_that_is_given_is_taken_as_it_is():
    X, y = amounts(1000)
    auto = TabularMLPClassifier(**FAST).fit(X, y)
    given = TabularMLPClassifier(**FAST, frequency_scale=0.1).fit(X, y)
    assert not same(auto, given)


@pytest.mark.parametrize("most", [60, 10**9])
def test_others_that_hardly_repeat_are_left_alone(most):
    X, y = amounts(1000, most=most)
    assert TabularEncoder().fit(X)._crowded[0] > 0
    auto = TabularMLPClassifier(**FAST).fit(X, y)
    given = TabularMLPClassifier(**FAST, frequency_scale=0.1).fit(X, y)
    assert same(auto, given)


def test_rows_and_weights_and_their_order_decide_alike():
    X, y = amounts(400)
    rows = np.random.default_rng(0).permutation(np.repeat(np.arange(400), 2))
    fits = [
        TabularMLPClassifier(**FAST, batch_size=32).fit(X, y, sample_weight=weight)
        for weight in (None, np.full(400, 3.0))
    ]
    fits.append(TabularMLPClassifier(**FAST, batch_size=32).fit(X[rows], y[rows]))
    scales = [clf.net_.module_.numbers.frequency[0, 0].abs().max() for clf in fits]
    assert max(scales) < 1  # some 5 rows each, though 1,200 by weight


def test_a_portfolio_names_its_scales():
    X, y = amounts(1000)
    fits = [
        TabularMLPClassifier(**FAST, frequency_scale=scale, portfolio=portfolio)
        for scale, portfolio in (
            ("auto", [{"frequency_scale": 0.1, "dropout": 0.1}]),
            (0.1, None),
        )
    ]
    one, other = (clf.fit(X, y) for clf in fits)
    assert torch.equal(
        one.net_.module_.numbers.frequency, other.net_.module_.numbers.frequency
    )


def test_amounts_are_told_apart():
    X, y = amounts(2000)
    X_test, y_test = amounts(2000, seed=1)
    loss = {
        scale: log_loss(
            y_test,
            TabularMLPClassifier(frequency_scale=scale, random_state=0)
            .fit(X, y)
            .predict_proba(X_test),
        )
        for scale in ("auto", 0.1)
    }
    assert loss["auto"] < 0.5 * loss[0.1]


def test_so_are_those_of_rows_in_blocks():
    X, y = amounts(2000)
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": y})
    clf = TabularMLPClassifier(**FAST, merge_duplicates=False)
    clf.fit(lambda: iter([frame[:900], frame[900:]]), "y")
    assert (clf.encoder_._crowded > 0).tolist() == [True, False]
    largest = clf.net_.module_.numbers.frequency.abs().amax((0, 2, 3))
    assert largest[0] > 2 > largest[1]
