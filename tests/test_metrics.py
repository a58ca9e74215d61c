"""Scores against counts made by hand."""

import doctest

import numpy as np
import pytest

from sklimb import metrics
from sklimb.metrics import recall_at_false_positive_rate


def recall_by_counting(y, score, max_fpr, weight):
    """Try every threshold that the scores realise, and none."""
    best = 0.0
    for threshold in np.unique(score):
        called = score >= threshold
        if weight[called & (y == 0)].sum() / weight[y == 0].sum() <= max_fpr:
            best = max(best, weight[called & (y == 1)].sum() / weight[y == 1].sum())
    return best


@pytest.mark.parametrize("max_fpr", [0.0, 0.01, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("decimals", [1, 12])  # with many ties, without ties
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_best_threshold_found_by_counting(max_fpr, decimals, seed):
    rng = np.random.default_rng(seed)
    y = (rng.random(300) < 0.2).astype(int)
    score = np.round(rng.random(300) + 0.4 * y, decimals)
    # Powers of two add up exactly, in any order.
    weight = rng.choice([0.5, 1.0, 2.0], size=300)
    assert recall_at_false_positive_rate(
        y, score, max_fpr=max_fpr, sample_weight=weight
    ) == pytest.approx(recall_by_counting(y, score, max_fpr, weight), abs=1e-12)


def test_weights_are_repetitions():
    rng = np.random.default_rng(0)
    y, score = np.arange(200) % 4 == 0, rng.random(200)
    weight = rng.integers(0, 4, size=200)
    assert recall_at_false_positive_rate(
        y, score, max_fpr=0.1, sample_weight=weight
    ) == recall_at_false_positive_rate(
        np.repeat(y, weight), np.repeat(score, weight), max_fpr=0.1
    )


def test_collinear_thresholds_count():
    # Every other row is positive: the curve is one straight line of stairs, whose
    # inner corners a drawn curve may leave out.
    y = np.repeat([1, 0, 1, 0, 1, 0, 1, 0], 5)
    score = np.repeat(np.arange(4.0)[::-1], 10)
    assert recall_at_false_positive_rate(y, score, max_fpr=0.6) == 0.5


def test_the_exact_rate_is_allowed_and_a_hair_less_is_not():
    y = np.r_[np.ones(10), np.zeros(100)]
    score = np.r_[np.full(5, 3.0), np.full(5, 1.0), 2.0, np.zeros(99)]
    assert recall_at_false_positive_rate(y, score, max_fpr=0.01) == 1.0
    assert recall_at_false_positive_rate(y, score, max_fpr=0.0099) == 0.5


def test_zero_when_the_highest_score_is_a_false_alarm():
    assert recall_at_false_positive_rate([0, 1, 0], [3, 2, 1], max_fpr=0.0) == 0.0


def test_other_labels():
    y = ["bad", "good", "good", "bad"]
    score = [0.9, 0.1, 0.8, 0.3]
    assert recall_at_false_positive_rate(y, score, pos_label="bad", max_fpr=0) == 0.5


@pytest.mark.parametrize("y", [[0, 0, 0], [1, 1, 1], [2, 3, 2], ["a", "b", "a"]])
def test_needs_rows_of_both_classes(y):
    with pytest.raises(ValueError, match="rows of both classes"):
        recall_at_false_positive_rate(y, [0.1, 0.2, 0.3])


def test_rows_of_weight_zero_do_not_make_a_class():
    with pytest.raises(ValueError, match=r"the labels \[0\] \(rows of weight 0"):
        recall_at_false_positive_rate([0, 0, 1], [1, 2, 3], sample_weight=[1, 1, 0])


def test_every_other_label_is_negative():
    score = [0.1, 0.4, 0.3, 0.2]
    assert recall_at_false_positive_rate(
        [0, 1, 2, 1], score, max_fpr=0.0
    ) == recall_at_false_positive_rate([0, 1, 0, 1], score, max_fpr=0.0)


@pytest.mark.parametrize("max_fpr", [-0.1, 1.5, float("nan")])
def test_rate_out_of_range(max_fpr):
    with pytest.raises(ValueError, match=r"max_fpr must be in \[0, 1\], got"):
        recall_at_false_positive_rate([0, 1], [0.1, 0.2], max_fpr=max_fpr)


def test_docstring_examples():
    results = doctest.testmod(metrics)
    assert results.attempted > 0 and results.failed == 0
