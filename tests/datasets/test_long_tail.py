"""Long tails against the counts of the papers."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_digits
from sklearn.utils import check_random_state

from sklimb.datasets import make_long_tailed


def balanced(n_classes, n):
    y = np.tile(np.arange(n_classes), n)
    return np.arange(len(y)), y


def counts(n_classes, n, ratio, **options):
    X, y = balanced(n_classes, n)
    _, y = make_long_tailed(X, y, ratio, random_state=0, **options)
    return np.bincount(y, minlength=n_classes).tolist()


# Totals of Cao et al.'s and Cui et al.'s code, which `int` cuts.
@pytest.mark.parametrize(
    "n_classes, n, ratio, total",
    [
        (10, 5000, 100, 12_406),
        (10, 5000, 50, 13_996),
        (10, 5000, 10, 20_431),
        (100, 500, 100, 10_847),
    ],
)
def test_totals_of_the_papers(n_classes, n, ratio, total):
    got = counts(n_classes, n, ratio)
    assert sum(got) == total
    r = 1 / ratio
    assert got == [int(n * r ** (i / (n_classes - 1))) for i in range(n_classes)]


def test_cifar10_at_100():
    expected = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert counts(10, 5000, 100) == expected
    assert counts(10, 5000, 100, order="label") == expected


@pytest.mark.parametrize(
    "n_classes, n, ratio, expected",
    [
        (10, 5000, 100, [5000] * 5 + [50] * 5),
        (5, 100, 10, [100, 100, 10, 10, 10]),  # the odd one is small
        (2, 30, 30, [30, 1]),
        (3, 30, 4, [30, 7, 7]),
    ],
)
def test_step(n_classes, n, ratio, expected):
    assert counts(n_classes, n, ratio, kind="step") == expected


def test_odd_numbers_of_classes_are_exponential_too():
    assert counts(3, 100, 100) == [100, 10, 1]
    assert counts(5, 1000, 16) == [1000, 500, 250, 125, 62]


@pytest.mark.parametrize("ratio", [3, 7, 9, 11, 49, 93, 1000])
def test_whole_numbers_are_not_lost_to_rounding(ratio):
    # n / ratio is whole, but n * (1 / ratio) may lie below it.
    assert counts(2, 7 * ratio, ratio)[1] == 7


def test_ratio_one_keeps_all_rows():
    X, y = balanced(4, 6)
    kept, labels = make_long_tailed(X, y, 1)
    assert kept.tolist() == X.tolist() and labels.tolist() == y.tolist()


@pytest.mark.parametrize("kind", ["exponential", "step"])
@pytest.mark.parametrize("order", ["size", "label"])
def test_unequal_classes_get_the_largest_tail_that_they_have(kind, order):
    sizes = np.array([20, 300, 150, 90])
    y = np.repeat(["a", "b", "c", "d"], sizes)
    _, kept = make_long_tailed(y, y, 10, kind, order=order, random_state=1)
    got = np.unique(kept, return_counts=True)[1]
    rank = np.array([3, 0, 1, 2]) if order == "size" else np.arange(4)
    share = 10.0 ** (-rank / 3) if kind == "exponential" else np.where(rank < 2, 1, 0.1)
    head = min(sizes / share)
    assert got.tolist() == [int(head * s + 1e-9) for s in share]
    assert (got <= sizes).all()
    assert (got == sizes).any() or (sizes - got).min() == 0


def test_rows_stay_themselves_in_order():
    X, y = balanced(5, 40)
    kept, labels, indices = make_long_tailed(
        X, y, 10, random_state=3, return_indices=True
    )
    assert (np.diff(indices) > 0).all()
    assert kept.tolist() == indices.tolist() and labels.tolist() == y[indices].tolist()


def test_seeds_and_nested_ratios():
    X, y = balanced(5, 200)

    def rows(ratio, seed):
        return set(make_long_tailed(X, y, ratio, random_state=seed)[0].tolist())

    assert rows(10, 0) == rows(10, 0) != rows(10, 1)
    assert rows(100, 0) < rows(10, 0)
    before = check_random_state(None).get_state()[1].copy()  # the global one
    rows(10, 0)
    assert (check_random_state(None).get_state()[1] == before).all()


def test_each_row_is_as_likely_to_stay():
    X, y = balanced(2, 20)
    hits = np.zeros(40)
    for seed in range(600):
        hits[make_long_tailed(X, y, 4, random_state=seed)[0]] += 1
    # Binomial(600, 1/4): five standard deviations are 53.
    assert np.abs(hits[y == 1] - 150).max() < 53


@pytest.mark.parametrize(
    "wrap",
    [
        np.asarray,
        list,
        pd.DataFrame,
        lambda X: pd.DataFrame(X).set_axis([f"r{i}" for i in range(len(X))]),
        csr_array,
    ],
)
def test_containers_keep_their_type(wrap):
    X, y = load_digits(return_X_y=True)
    X, y = X[:200], y[:200]
    wrapped = wrap(X)
    kept, labels, rows = make_long_tailed(
        wrapped, pd.Series(y), 5, random_state=0, return_indices=True
    )
    assert type(kept) is type(wrapped) and isinstance(labels, pd.Series)
    dense = kept.toarray() if isinstance(kept, csr_array) else np.asarray(kept)
    np.testing.assert_array_equal(dense, X[rows])
    np.testing.assert_array_equal(labels, y[rows])


def test_images_are_rows_along_the_first_axis():
    digits = load_digits()
    X, y = make_long_tailed(digits.images, digits.target, 10, random_state=0)
    assert X.shape == (len(y), 8, 8)
    X, y = make_long_tailed(list(digits.images), digits.target, 10, random_state=0)
    assert isinstance(X, list) and len(X) == len(y)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"imbalance_ratio": 0.5}, r"imbalance_ratio must be .* at least 1 .*got 0\.5"),
        ({"imbalance_ratio": "100"}, "imbalance_ratio must be .* got '100'"),
        ({"imbalance_ratio": float("nan")}, "imbalance_ratio must be .* got nan"),
        ({"kind": "pareto"}, r"kind must be one of \['exponential', 'step'\], got 'pa"),
        ({"order": "rank"}, "order must be one of .* got 'rank'"),
        ({"imbalance_ratio": 50}, r"the class 4 no row, .* has 40 rows\."),
    ],
)
def test_refusals(options, match):
    with pytest.raises(ValueError, match=match):
        make_long_tailed(*balanced(5, 40), **options)


def test_one_class_and_unequal_lengths():
    with pytest.raises(ValueError, match="at least two classes, got 1"):
        make_long_tailed([1, 2], [0, 0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make_long_tailed([1, 2, 3], [0, 1])


@pytest.mark.parametrize("missing", [np.nan, None])
def test_labels_that_are_missing_are_refused(missing):
    y = np.array([0, 1] * 20, dtype=object)
    y[3] = missing
    with pytest.raises(ValueError, match="row 3 has no label"):
        make_long_tailed(np.zeros((40, 2)), y, 2)
