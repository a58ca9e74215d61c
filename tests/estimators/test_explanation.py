"""Integrated gradients: the formula, column by column, and sums that come out."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.packs import PLAIN, fixed_table
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from torch import nn

import sklimb
from sklimb import (
    FTTransformerClassifier,
    TabularMLPClassifier,
    TabularNetworkClassifier,
    TabularResNetClassifier,
    explanation,
)
from sklimb.datasets import load_table
from sklimb.explanation import baseline_values
from sklimb.fitting.baseline import balanced_median_row
from sklimb.parameters import parameter

X, Y = fixed_table()
# Each of two rows may miss by half of it.
WITHIN = 1e-3
MLP = TabularMLPClassifier(
    d_block=32, d_embedding=4, n_frequencies=8, max_epochs=6, lr=5e-3, random_state=0
)
CLASSIFIERS = {
    **{f"mlp {e}": clone(MLP).set_params(num_embeddings=e) for e in (None, "linear")},
    **{f"mlp {e}": clone(MLP).set_params(num_embeddings=e) for e in ("plr", "ple")},
    "mlp plr-lite": clone(MLP).set_params(num_embeddings="plr-lite", n_members=2),
    "short waves": clone(MLP).set_params(num_embeddings="plr", frequency_scale=10.0),
    "ldam": clone(MLP).set_params(loss="ldam", temperature_scaling=True),
    "focal": clone(MLP).set_params(loss="focal", sampler="balanced"),
    "resnet": TabularResNetClassifier(
        d_block=16, max_epochs=4, n_members=2, random_state=0
    ),
    "transformer": FTTransformerClassifier(
        d_block=8, n_blocks=1, attention_n_heads=2, max_epochs=8, random_state=0
    ),
}


@pytest.fixture(scope="module", params=["loan", "adult"])
def table(request):
    """Real rows with categories; some are missing, some not those of training."""
    bunch = load_table(request.param)
    frame, y = bunch.X.iloc[:1200].reset_index(drop=True), bunch.y[:1200]
    number = "dti" if request.param == "loan" else "age"
    frame[number] = frame[number].astype(float)
    frame.loc[frame.index % 7 == 3, number] = np.nan
    return frame, y


def log_odds(clf, X, code=1):
    p = clf.predict_proba(X)
    return np.log(p[:, code] / np.delete(p, code, axis=1).sum(1))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_columns_add_up(name, table):
    frame, y = table
    clf = clone(CLASSIFIERS[name]).fit(frame[:900], y[:900])
    rows = frame[900:930].copy()
    category = rows.columns[clf.encoder_.categorical_columns_[0]]
    rows[category] = rows[category].astype(object)
    rows.iloc[:5, rows.columns.get_loc(category)] = "unheard of"
    got = clf.explain(rows)
    assert got.shape == rows.shape and np.isfinite(got).all()
    left = log_odds(clf, rows) - got.sum(1)  # the baseline's
    assert np.ptp(left) < WITHIN
    assert np.ptp(got.sum(1)) > 0.02
    one = frame[40:41]
    got = clf.explain(rows, baseline=one)
    left = log_odds(clf, rows) - got.sum(1) - log_odds(clf, one)
    assert np.abs(left).max() < WITHIN
    # A column in which a row is like the baseline adds nothing.
    same = np.zeros(got.shape, dtype=bool)
    for j, column in enumerate(rows):
        same[:, j] = (rows[column].astype(object) == one[column].iloc[0]).to_numpy()
    assert same.any() and (got[same] == 0).all()


class Linear(nn.Module):
    """Logits linear in the encoded columns."""

    def __init__(self, n):
        super().__init__()
        self.head = nn.Linear(n, 2)

    def reset_parameters(self, generator):
        for p in self.parameters():
            p.data = torch.randn(p.shape, generator=generator)

    def embed(self, x):
        return x

    def forward(self, x):
        return self.head(x)


class LinearClassifier(TabularNetworkClassifier):
    """What a user writes for a network of his own."""

    n_members: int = parameter(1)
    dtype: str = parameter("float64")
    max_epochs: int = parameter(2)
    early_stopping: bool = parameter(False)
    random_state: int = parameter(0)

    @staticmethod
    def make_network(n_numeric, n_indicators, cardinalities, n_classes):
        return Linear(n_numeric + n_indicators + len(cardinalities))


def test_of_a_linear_network_they_are_weight_times_difference():
    A = X.astype(float).copy()
    A[::5, 2] = np.nan
    clf = LinearClassifier().fit(A, Y)
    with torch.no_grad():
        weight = clf.net_.module_.members.head.weight[0]
        weight = (weight[1] - weight[0]).numpy()
    z = clf.encoder_.transform(A)
    parts = weight * (z - clf.baseline_)
    want = parts[:, :6]
    want[:, 2] += parts[:, 6]  # its missing indicator
    np.testing.assert_allclose(clf.explain(A, n_steps=1), want, atol=1e-12)
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "u", "v")})
    with pytest.raises(ValueError, match="must embed its categories by"):
        LinearClassifier().fit(frame, Y).explain(frame)


def riemann(clf, rows, n=3000):
    """Midpoint sums, row by row, of a packed MLP of numbers and categories."""
    module = copy.deepcopy(clf.net_.module_)
    encoder = clf.encoder_
    x1 = torch.from_numpy(encoder.transform(rows))
    x0 = torch.from_numpy(clf.baseline_)
    n_numbers = module.n_numeric
    m = n_numbers + module.n_indicators
    weight = torch.from_numpy(clf.member_weights_)[:, None, None]
    out = np.zeros((len(rows), encoder.n_features_in_))
    for i, row in enumerate(x1):
        t = ((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]
        numbers = (x0[:m] + t * (row[:m] - x0[:m])).requires_grad_()
        first = module.numbers(numbers[None, :, :n_numbers].expand(2, -1, -1))
        inputs = [first.flatten(-2), numbers[None, :, n_numbers:].expand(2, -1, -1)]
        ends = [
            module.categories(x[None, None, m:].long().expand(2, -1, -1)).detach()
            for x in (x0, row)
        ]
        vectors = (ends[0] + t[..., None] * (ends[1] - ends[0])).requires_grad_()
        h = torch.cat([*inputs, vectors.flatten(-2)], -1)
        for block in module.blocks:
            h = torch.relu(block(h))
        p = (torch.softmax(module.head(h), -1) * weight).sum(0)
        # Its shift and bias move no slope of one member; of two members they do.
        value = (p[:, 1] / p[:, 0]).log().sum() / n
        by_number, by_vector = torch.autograd.grad(value, (numbers, vectors))
        by_number = (by_number.sum(0) * (row[:m] - x0[:m])).numpy()
        by_vector = by_vector.sum(1) * (ends[1] - ends[0])[:, 0]
        out[i, encoder.numeric_columns_] = by_number[:n_numbers]
        out[i, encoder.indicator_columns_] += by_number[n_numbers:]
        out[i, encoder.categorical_columns_] = by_vector.sum((0, 2)).numpy()
    return out


def test_each_column_is_a_slow_sum():
    frame = pd.DataFrame(X.astype(float), columns=list("abcdef"))
    frame["g"] = np.where(X[:, 1] > 0, "u", "v")
    frame.insert(2, "h", np.where(X[:, 2] + X[:, 1] > 0.5, "p", "q"))
    frame.loc[::4, "c"] = np.nan
    clf = clone(MLP).set_params(
        dtype="float64", n_members=2, target_prior=None, max_epochs=15
    )
    clf.fit(frame, Y)
    got, want = clf.explain(frame[:12], n_steps=256), riemann(clf, frame[:12])
    # The sum has an error of 1 / 3000 of the slope's jumps at each ReLU.
    np.testing.assert_allclose(got, want, atol=2e-3)
    assert np.abs(want).max(0).min() > 0.02
    # The coarse grid, too, is right column by column.
    np.testing.assert_allclose(clf.explain(frame[:12]), want, atol=1e-2)


def test_members_count_by_their_weights():
    clf = clone(MLP).set_params(n_members=2).fit(X, Y)
    clf.member_weights_ = np.array([0.9, 0.1])
    assert np.ptp(log_odds(clf, X[:40]) - clf.explain(X[:40]).sum(1)) < WITHIN


def test_n_steps_are_the_first_gradients_of_each_line(monkeypatch):
    clf, counts = clone(MLP).fit(X, Y), []
    log_odds = explanation._Line.log_odds

    def count(self, rows, *args, slopes=False):
        counts.extend([len(rows)] * slopes)
        return log_odds(self, rows, *args, slopes=slopes)

    monkeypatch.setattr(explanation._Line, "log_odds", count)
    for n_steps in (4, 32, 100):
        counts.clear()
        clf.explain(X[:3], n_steps=n_steps)
        assert counts[0] == 3 * n_steps


def test_targets():
    A, y = make_classification(
        300, 6, n_informative=4, n_classes=3, random_state=0, flip_y=0.2
    )
    names = np.array(["x", "y", "z"])[y]
    clf = TabularMLPClassifier(**{**PLAIN, "numeric_transform": "standard"})
    clf.fit(A, names)
    got = clf.explain(A[:40], target="z")
    assert np.ptp(log_odds(clf, A[:40], 2) - got.sum(1)) < WITHIN
    called = clf.predict(A[:40])
    assert len(set(called)) == 3
    by_row = clf.explain(A[:40])
    for label in names[:3]:
        own = called == label
        np.testing.assert_allclose(
            by_row[own], clf.explain(A[:40], target=label)[own], atol=1e-9
        )
    two = TabularMLPClassifier(**PLAIN).fit(X, Y)
    a, b = two.explain(X[:40], target=0), two.explain(X[:40], target=1)
    # The halving may end elsewhere: within the promise.
    np.testing.assert_allclose(a, -b, atol=WITHIN)
    np.testing.assert_array_equal(b, two.explain(X[:40]))


def test_a_row_is_explained_alike_alone_and_among_others():
    clf = clone(MLP).fit(X, Y)
    got = clf.explain(X)
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            alone = np.vstack([clf.explain(X[i : i + 1]) for i in (0, 7, 300)])
        # Sums in another order, in float64.
        np.testing.assert_allclose(alone, got[[0, 7, 300]], atol=1e-9)
    assert all(p.requires_grad for p in clf.net_.module_.parameters())


def test_the_column_that_decides_gets_the_most():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(600, 4))
    frame = pd.DataFrame(A, columns=list("abcd")).assign(const=1.0)
    y = (A[:, 2] > 0.8).astype(int)
    clf = clone(MLP).set_params(max_epochs=30).fit(frame, y)
    size = np.abs(clf.explain(frame[:100])).mean(0)
    assert size.argmax() == 2 and size[2] > 3 * np.delete(size, 2).max()
    assert size[4] == 0


def by_hand(values, y, weight):
    """The median of rows repeated so that both classes have as many."""
    counts = [int(weight[y == c].sum()) for c in (0, 1)]
    lcm = np.lcm(*counts)
    repeats = [int(w) * lcm // counts[c] for w, c in zip(weight, y, strict=True)]
    return np.median(np.repeat(values, repeats))


@pytest.mark.parametrize("seed", range(3))
def test_baseline_is_the_class_balanced_median(seed):
    rng = np.random.default_rng(seed)
    y = (rng.random(60) < 0.2).astype(int)
    A = rng.integers(0, 9, (60, 3)).astype(float) + 3 * y[:, None]
    A[rng.random(60) < 0.3, 1] = np.nan
    frame = pd.DataFrame(A, columns=list("abc"))
    frame["k"] = np.where(y == 1, "rare", rng.choice(["p", "q", "r"], 60))
    weight = rng.integers(1, 4, 60).astype(float)
    clf = clone(MLP).set_params(
        max_epochs=1, early_stopping=False, numeric_transform=None, dtype="float64"
    )
    clf.fit(frame, y, sample_weight=weight)
    got = baseline_values(clf)
    assert got[0] == by_hand(A[:, 0], y, weight)
    # Missing values are as they are; the classes' weights are those of all rows.
    there = ~np.isnan(A[:, 1])
    counts = [weight[y == c].sum() for c in (0, 1)]
    share = weight / np.take(counts, y)
    order = np.argsort(A[there, 1], kind="stable")
    upper = np.cumsum(share[there][order])
    want = A[there, 1][order][np.searchsorted(upper, upper[-1] / 2 * (1 - 1e-9))]
    assert got[1] == want
    # A class to itself has half of the weight, every other category less.
    assert got[3] == "rare" and clf.baseline_[3] == 0
    again = balanced_median_row(
        clf.encoder_.transform(frame), y, 3 * weight, clf.encoder_
    )
    np.testing.assert_array_equal(again, clf.baseline_)


@pytest.mark.filterwarnings("ignore:X has columns without a value")
@pytest.mark.filterwarnings("ignore:X has categorical columns with too many values")
@pytest.mark.parametrize("transform", ["quantile", "standard", "robust", None])
def test_baseline_in_the_units_of_the_table(transform):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    frame = pd.DataFrame({"a": rng.integers(0, 5, 40) * 10.0 + 3, "one": 7.0})
    frame["gone"] = np.where(np.arange(40) % 4 == 0, 1.5, np.nan)
    frame["gone"] += np.arange(40) % 8
    frame["never"] = np.nan
    frame["k"] = ["u", "u", "u", None] * 10
    frame["rare"] = [f"v{i}" for i in range(40)]
    clf = clone(MLP).set_params(
        max_epochs=1, numeric_transform=transform, min_frequency=2
    )
    clf.fit(frame, y, X_val=frame, y_val=y)
    a, one, gone, never, k, rare = baseline_values(clf)
    assert a == pytest.approx(np.median(frame["a"]), rel=1e-6) and one == 7
    assert np.isnan(gone) and np.isnan(never) and k == "u" and rare == "(rare)"
    row = pd.DataFrame([[a, one, gone, never, k, rare]], columns=frame.columns)
    row = row.astype(frame.dtypes.to_dict())
    encoded = clf.encoder_.transform(row)[0]
    np.testing.assert_allclose(encoded, clf.baseline_, atol=1e-5)


def test_saved_folds_parts_and_warm_starts(tmp_path):
    frame = pd.DataFrame(X.astype(float), columns=list("abcdef"))
    frame["g"] = np.where(X[:, 1] > 0, "u", "v")
    for params in ({}, {"validation_folds": 2}, {"n_members": 2}):
        clf = clone(MLP).set_params(max_epochs=2, **params).fit(frame, Y)
        clf.save(tmp_path / "m")
        again = sklimb.load(tmp_path / "m")
        np.testing.assert_array_equal(again.baseline_, clf.baseline_)
        np.testing.assert_array_equal(again.explain(frame[:9]), clf.explain(frame[:9]))
        left = log_odds(clf, frame[:9]) - clf.explain(frame[:9]).sum(1)
        assert np.ptp(left) < WITHIN
    clf = clone(MLP).partial_fit(frame, Y)
    first = clf.baseline_
    clf.partial_fit(frame[:50], Y[:50])
    np.testing.assert_array_equal(clf.baseline_, first)
    clf = clone(MLP).set_params(max_epochs=2, warm_start=True).fit(frame, Y)
    first = clf.baseline_
    assert (clf.fit(frame[:200], Y[:200]).baseline_ != first).any()


def test_refusals():
    with pytest.raises(NotFittedError):
        clone(MLP).explain(X)
    clf = TabularMLPClassifier(**PLAIN).fit(X, Y)
    for params, message in (
        ({"method": "shap"}, "method must be 'integrated_gradients'"),
        ({"target": 2}, r"target must be one of the classes \[0, 1\], got 2"),
        ({"target": [0, 1]}, "target must be one of the classes"),
        ({"n_steps": 0}, "n_steps must be an int of at least 1"),
        ({"baseline": "mean"}, "baseline must be 'balanced_median' or one row"),
        ({"baseline": X[:2]}, "baseline must be 'balanced_median' or one row"),
    ):
        with pytest.raises(ValueError, match=message):
            clf.explain(X[:3], **params)
    with pytest.raises(ValueError, match="features"):
        clf.explain(X[:, :3])


def test_a_frame_has_the_names_and_the_index_of_x(table):
    frame, y = table
    clf = clone(MLP).fit(frame, y)
    part = frame.iloc[[5, 17, 3]]
    shares = clf.explain(part, as_frame=True)
    assert list(shares.columns) == list(frame.columns)
    assert list(shares.index) == [5, 17, 3]
    np.testing.assert_array_equal(shares, clf.explain(part))


def test_a_frame_of_rows_that_have_no_index_or_another_one(table):
    """A list has a method of that name, as has a tensor."""
    frame, y = table
    numbers = frame.select_dtypes("number").iloc[:, :2].fillna(0).to_numpy(float)
    clf = clone(MLP).set_params(max_epochs=1).fit(numbers, y)
    expected = clf.explain(numbers[:3])
    for rows in (numbers[:3].tolist(), torch.tensor(numbers[:3])):
        shares = clf.explain(rows, as_frame=True)
        assert list(shares.index) == [0, 1, 2]
        np.testing.assert_array_equal(shares, expected)


def test_reasons_are_the_largest_contributions(table):
    frame, y = table
    clf = clone(MLP).fit(frame, y)
    part = frame.iloc[[5, 17, 3]]
    shares, found = clf.explain(part, as_frame=True), clf.reasons(part, k=4)
    assert list(found["row"]) == [5] * 4 + [17] * 4 + [3] * 4
    for row, own in found.groupby("row"):
        expected = shares.loc[row].nlargest(4)
        np.testing.assert_array_equal(own["contribution"], expected)
        assert list(own["column"]) == list(expected.index)
        for column, value in zip(own["column"], own["value"], strict=True):
            there = part.loc[row, column]
            assert value == there or (pd.isna(value) and pd.isna(there))
    assert len(clf.reasons(part, k=10_000)) == 3 * frame.shape[1]
    with pytest.raises(ValueError, match="k must be an int of at least 1"):
        clf.reasons(part, k=0)


def test_reasons_of_an_array():
    clf = clone(MLP).fit(X, Y)
    found = clf.reasons(X[:2], k=1)
    best = clf.explain(X[:2]).argmax(1)
    assert list(found["column"]) == list(best)
    np.testing.assert_array_equal(found["value"], X[[0, 1], best])
