"""Balanced(by): groups of rows are drawn equally, by a column or by their class."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from helpers.packs import PLAIN, fixed_table, weights
from sklearn.model_selection import GridSearchCV

import sklimb
from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.fitting.plan import make_plan
from sklimb.model_selection import PackedSearchCV
from sklimb.strategies import Balanced

X, Y = fixed_table()
# A rare group, half as frequent among the positives as among the negatives.
GROUP = (np.random.default_rng(0).random(len(Y)) < np.where(Y == 1, 0.1, 0.2)).astype(
    float
)
Z = np.c_[X, GROUP]
COLUMN = Z.shape[1] - 1


def fit(data=Z, y=Y, **params):
    return TabularMLPClassifier(**{**PLAIN, **params}).fit(data, y)


def plan_of(sampler, group=None, weight=None):
    return make_plan(
        Z,
        Y,
        np.ones(len(Y)) if weight is None else weight,
        sampler=sampler,
        class_factor=np.ones(2),
        device_factor=np.ones(2),
        classes=np.arange(2),
        layout=(Z.shape[1], 0),
        seed=0,
        group=group,
    )


@dataclass(frozen=True)
class AsTheyAre:
    """Draws with replacement, classes by their shares."""

    def share(self, prior):
        return prior


# 1. Each row's probability and the class shares, by loops (plain training is the hand
# loop in test_strategies.py).


@pytest.mark.parametrize("weighted", [False, True])
def test_draws_are_the_formula(weighted):
    weight = np.ones(len(Y))
    if weighted:
        weight = np.random.default_rng(1).integers(1, 5, len(Y)).astype(float)
    code = GROUP.astype(int)
    plan = plan_of(Balanced("any"), code, weight)
    wanted = np.zeros(len(Y))
    for g in (0, 1):
        total = sum(w for w, own in zip(weight, code, strict=True) if own == g)
        for i in range(len(Y)):
            if code[i] == g:
                wanted[i] = weight[i] / total / 2
    cumulative = plan.order.cumulative.numpy()
    np.testing.assert_allclose(np.diff(cumulative, prepend=0), wanted, atol=1e-12)
    share = [wanted[c == Y].sum() for c in (0, 1)]
    np.testing.assert_allclose(plan.drawn_prior, share, atol=1e-12)
    np.testing.assert_allclose(plan.weight, 1.0)  # the draws have counted the weights


# 2. In a pack of (off, on): a search's candidates equal fits alone.


def test_a_search_over_it_equals_fits_alone():
    grid = {"sampler": ["uniform", Balanced(COLUMN), Balanced([0, 1])]}
    settings = {"cv": 2, "scoring": "neg_log_loss", "refit": False}
    clf = TabularMLPClassifier(**{**PLAIN, "max_epochs": 2})
    packed = PackedSearchCV(clf, grid, max_members=6, **settings).fit(Z, Y)
    alone = GridSearchCV(clf, grid, **settings).fit(Z, Y)
    scores = packed.cv_results_["mean_test_score"]
    # Packs sum in another order: rounding of float32.
    np.testing.assert_allclose(scores, alone.cv_results_["mean_test_score"], rtol=1e-5)
    assert len(np.unique(scores.round(6))) == 3


# 3. The off value through its own code, and 5. equivalences.


def test_one_group_is_drawing_classes_as_they_are():
    one = np.c_[X, np.zeros(len(Y))]
    assert same(fit(one, sampler=Balanced(COLUMN)), fit(one, sampler=AsTheyAre()))
    assert same(fit(sampler=Balanced([7, 7])), fit(sampler=AsTheyAre()))


def test_a_group_for_each_class_is_balanced():
    balanced = fit(sampler="balanced")
    assert same(fit(sampler=Balanced()), balanced)
    assert same(fit(sampler=Balanced(["a", "b"])), balanced)
    own = np.c_[X, Y]
    assert same(fit(own, sampler=Balanced(COLUMN)), fit(own, sampler="balanced"))


def test_columns_by_name_number_and_category_are_the_same():
    frame = pd.DataFrame(Z, columns=list("abcdefg"))
    named = fit(frame, sampler=Balanced("g"))
    assert same(named, fit(frame, sampler=Balanced(6)))
    assert same(named, fit(sampler=Balanced(6)))
    sex = frame.assign(g=np.where(GROUP == 1, "f", None))  # missing is a group
    code = sex["g"].notna().to_numpy().astype(float)
    shift = fit(sex, sampler=Balanced("g")).prior_shift_
    np.testing.assert_allclose(
        shift, fit(np.c_[X, code], sampler=Balanced(6)).prior_shift_
    )


def same(a, b):
    # Shares are summed in another order: rounding of float64 in the loss weights,
    # which float32 training grows.
    pairs = zip(weights(a).values(), weights(b).values(), strict=True)
    return all(np.allclose(u, v, rtol=0, atol=1e-4) for u, v in pairs) and np.allclose(
        a.prior_shift_, b.prior_shift_, rtol=1e-12
    )


# 4. On differs from off, in the stated direction.


def test_rare_groups_are_fitted_more_closely():
    """Its labels are turned round, so that the other rows teach the opposite."""
    data, y = Z.copy(), np.where(GROUP == 1, 1 - Y, Y)
    rare = GROUP == 1

    def right(sampler):
        p = fit(data, y, sampler=sampler, target_prior=None).predict_proba(data)
        return p[np.arange(len(y)), y][rare].mean()

    assert right(Balanced(COLUMN)) > right("uniform") + 0.05


def test_the_shift_of_the_classes_is_divided_out():
    clf = fit(sampler=Balanced(COLUMN))
    code = GROUP.astype(int)
    drawn = np.mean([np.bincount(Y[code == g]) / (code == g).sum() for g in (0, 1)], 0)
    np.testing.assert_allclose(clf.prior_shift_, drawn / clf.class_prior_, rtol=1e-12)
    assert clf.predict_proba(Z)[:, 1].mean() == pytest.approx(Y.mean(), rel=1e-6)


# MetaBalance's query rows alone.


def test_query_batches_are_balanced_and_support_is_not(monkeypatch):
    from sklimb.training.episodes import Episodes

    seen = []
    batch = Episodes._batch

    def spy(tasks):
        seen.extend(tasks)
        return batch(tasks)

    monkeypatch.setattr(Episodes, "_batch", staticmethod(spy))
    on = {"metabalance_sampler": ("natural", Balanced(COLUMN)), "metabalance_steps": 4}
    fit(numeric_transform=None, max_epochs=6, **on)
    support, query = (
        np.concatenate([pair[i]["X"][0, :, COLUMN].numpy() for pair in seen])
        for i in (0, 1)
    )
    n = len(query)
    # Four standard deviations of a share of n draws.
    assert query.mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / n))
    assert support.mean() == pytest.approx(GROUP.mean(), abs=0.02)


def test_identities_of_a_rare_group_in_query_batches():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), [12, 12, 3, 3])
    images = (40 * y[:, None, None] + rng.integers(0, 60, (30, 8, 8))).astype(np.uint8)
    on = {"metabalance_sampler": ("natural", Balanced(["m", "m", "f", "f"]))}
    clf = ImageResNetClassifier(
        backbone="resnet8", max_epochs=1, metabalance_steps=2, random_state=0, **on
    ).fit(images, y)
    # Each group is half of the draws; within one, identities by their images.
    np.testing.assert_allclose(
        clf.prior_shift_ * clf.class_prior_, [0.25, 0.25, 0.25, 0.25]
    )
    with pytest.raises(ValueError, match="X holds images"):
        clf.set_params(metabalance_sampler=Balanced("sex")).fit(images, y)


# Saved, and refused.


def test_it_is_saved(tmp_path):
    sampler = ("natural", Balanced([0, 1]))
    clf = fit(metabalance_sampler=sampler, metabalance_steps=2, max_epochs=1)
    clf.save(tmp_path / "clf.safetensors")
    loaded = sklimb.load(tmp_path / "clf.safetensors")
    assert tuple(loaded.metabalance_sampler) == sampler
    assert Balanced(np.array([0, 1])) == Balanced([0, 1]) == Balanced((0, 1))
    assert hash(Balanced([0, 1])) == hash(Balanced((0, 1)))


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("sex", r"Balanced\(by='sex'\) names no column of X, which has 7 columns"),
        (7, r"Balanced\(by=7\) names no column of X, which has 7 columns"),
        (-1, "names no column"),
        (0, "different values in 400 training rows"),
        ([1, 2, 3], "the group of each of the 2 classes .* got 3 groups"),
    ],
)
def test_refusals(by, message):
    with pytest.raises(ValueError, match=message):
        fit(sampler=Balanced(by))


def test_partial_fit_takes_groups_of_classes_alone():
    clf = TabularMLPClassifier(**PLAIN, sampler=Balanced([0, 1]))
    clf.partial_fit(Z, Y)
    np.testing.assert_allclose(clf.prior_shift_ * clf.class_prior_, 0.5)
    for params in (
        {"sampler": Balanced(COLUMN)},
        {"metabalance_sampler": ("natural", Balanced(COLUMN))},
    ):
        with pytest.raises(ValueError, match="balances a column over all rows"):
            TabularMLPClassifier(**PLAIN, **params).partial_fit(Z, Y)
