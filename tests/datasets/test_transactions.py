"""The simulator: its probabilities are exact, its features honest."""

import doctest

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from sklimb.datasets import _transactions, make_transactions


def ideal_auc(proba):
    """ROC AUC that `proba` has in expectation over y."""
    proba = np.sort(proba)
    negatives_below = np.cumsum(1 - proba) - (1 - proba)
    return (proba * negatives_below).sum() / (proba.sum() * (1 - proba).sum())


@pytest.mark.parametrize("fraud_rate", [0.001, 0.01, 0.3])
@pytest.mark.parametrize("n_samples", [1, 500, 20_000])
def test_mean_probability_is_the_fraud_rate(n_samples, fraud_rate):
    bunch = make_transactions(n_samples, fraud_rate=fraud_rate, random_state=0)
    assert bunch.X.shape == (n_samples, 11)
    assert bunch.proba.mean() == pytest.approx(fraud_rate, abs=1e-6)


@pytest.mark.parametrize("drift", [0.0, 0.5, 1.0])
def test_difficulty(drift):
    bunch = make_transactions(100_000, drift=drift, random_state=0)
    assert 0.93 < ideal_auc(bunch.proba) < 0.96
    assert 0.92 < roc_auc_score(bunch.y, bunch.proba) < 0.97


def test_labels_are_drawn_from_the_probabilities():
    bunch = make_transactions(300_000, random_state=0)
    edges = np.quantile(bunch.proba, np.linspace(0, 1, 11)[1:-1])
    cells = np.digitize(bunch.proba, [*edges, 0.1, 0.3, 0.6])
    for cell in np.unique(cells):
        y, proba = bunch.y[cells == cell], bunch.proba[cells == cell]
        spread = np.sqrt((proba * (1 - proba)).sum())
        assert abs(y.sum() - proba.sum()) < 4 * spread


def test_probability_is_a_function_of_the_features_and_the_clock():
    bunch = make_transactions(5_000, random_state=0)
    # Through a file and in another order: nothing but values can matter.
    rows = np.random.default_rng(1).permutation(5_000)
    X = pd.DataFrame({name: bunch.X[name].iloc[rows].array for name in bunch.X})
    progress = bunch.time[rows] / (90 * 86_400)
    intercept = logit(bunch.proba[rows]) - _transactions._log_odds(X, progress)
    assert np.ptp(intercept) < 1e-9


def test_features_can_be_recomputed_from_clock_and_card():
    bunch = make_transactions(5_000, n_cards=100, random_state=0)
    X, time = bunch.X, pd.Series(bunch.time)
    gaps = time.groupby(bunch.groups).diff()
    np.testing.assert_allclose(X["seconds_since_previous"], gaps)
    np.testing.assert_array_equal(X["amount_ratio"].isna(), gaps.isna())
    in_last_day = [
        ((time < t) & (time >= t - 86_400) & (bunch.groups == card)).sum()
        for t, card in zip(time, bunch.groups, strict=True)
    ]
    np.testing.assert_array_equal(X["n_last_24h"], in_last_day)
    np.testing.assert_allclose(X["hour"], time / 3600 % 24, atol=1e-6)
    np.testing.assert_array_equal(X["weekday"], time // 86_400 % 7)


def test_dtypes_and_missing_values():
    X = make_transactions(20_000, random_state=0).X
    assert list(X.select_dtypes("category")) == ["merchant", "country", "channel"]
    assert list(X.select_dtypes(bool)) == ["abroad", "chip"]
    assert not any(dtype.kind == "M" for dtype in X.dtypes)
    assert X["merchant"].isna().mean() == pytest.approx(0.02, abs=0.005)
    assert X["country"].isna().mean() == pytest.approx(0.01, abs=0.005)


def test_time_increases_and_cards_repeat_in_bursts():
    bunch = make_transactions(50_000, random_state=0)
    assert (np.diff(bunch.time) > 0).all()
    assert 0 <= bunch.time[0] and bunch.time[-1] < 90 * 86_400
    assert bunch.groups.max() < 50_000 // 30
    hit = bunch.y == 1
    # More frauds than cards with a fraud, and quicker successions than usual.
    assert hit.sum() > 1.3 * len(np.unique(bunch.groups[hit]))
    gap = bunch.X["seconds_since_previous"]
    assert gap[hit].median() < 0.2 * gap[~hit].median()


def test_equal_seeds_give_equal_data_and_leave_the_global_generator_alone():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (make_transactions(500, random_state=7) for _ in range(2))
    other = make_transactions(500, random_state=8)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    pd.testing.assert_frame_equal(first.X, second.X)
    for field in ["y", "proba", "groups", "time"]:
        np.testing.assert_array_equal(first[field], second[field])
    assert not np.array_equal(first.time, other.time)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_generators_are_seeds(make):
    first, second = (make_transactions(50, random_state=make(0)) for _ in range(2))
    pd.testing.assert_frame_equal(first.X, second.X)


def test_drift_moves_the_pattern_and_nothing_else():
    still, moved = (
        make_transactions(50_000, drift=drift, random_state=0) for drift in (0.0, 1.0)
    )
    pd.testing.assert_frame_equal(still.X, moved.X)
    early, late = slice(0, 5_000), slice(45_000, None)

    def agreement(part):
        return np.corrcoef(logit(still.proba[part]), logit(moved.proba[part]))[0, 1]

    assert agreement(early) > 0.99
    assert agreement(late) < 0.9
    gift = (moved.X["merchant"] == "gift_cards").to_numpy()
    assert (
        moved.proba[late][gift[late]].mean()
        > 1.5 * still.proba[late][gift[late]].mean()
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_samples": 0}, "n_samples must be an integer of at least 1, got 0"),
        ({"n_samples": 10.5}, "n_samples must be an integer of at least 1, got 10.5"),
        ({"n_cards": 0}, "n_cards must be an integer of at least 1, got 0"),
        ({"fraud_rate": 1.0}, r"fraud_rate must be in \(0, 1\), got 1.0"),
        ({"fraud_rate": "1 %"}, r"fraud_rate must be in \(0, 1\), got '1 %'"),
        ({"drift": 1.5}, r"drift must be in \[0, 1\], got 1.5"),
    ],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(ValueError, match=message):
        make_transactions(**params)


def test_docstring_examples():
    results = doctest.testmod(_transactions)
    assert results.attempted > 0 and results.failed == 0
