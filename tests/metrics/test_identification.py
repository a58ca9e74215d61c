"""Rank-1 identification: the nearest other image by cosine, by loops."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

from sklimb import TabularMLPClassifier
from sklimb.metrics import _identification, get_scorer, rank_1_accuracy, rank_1_report

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 6, 40)
Z = np.eye(6, 4)[Y] + RNG.normal(size=(40, 4))


def by_loops(y, z):
    right = []
    for i, own in enumerate(z):
        cosines = [
            -2.0 if i == j else own @ other / np.sqrt(own @ own * (other @ other))
            for j, other in enumerate(z)
        ]
        right.append(y[int(np.argmax(cosines))] == y[i])
    return np.array(right)


@pytest.mark.parametrize("block", [1, 100, 2**22])
def test_it_is_the_nearest_other_image_by_cosine(block, monkeypatch):
    monkeypatch.setattr(_identification, "_BLOCK", block)
    wanted = by_loops(Y, Z)
    assert 0.1 < wanted.mean() < 0.9
    assert rank_1_accuracy(Y, Z) == pytest.approx(wanted.mean(), abs=1e-15)
    # The length of features does not matter, and names are as good as numbers.
    names, longer = np.array(list("abcdef"))[Y], Z * RNG.uniform(0.1, 9, (40, 1))
    assert rank_1_accuracy(names, longer) == rank_1_accuracy(Y, Z)
    weight = RNG.uniform(size=40)
    assert rank_1_accuracy(Y, Z, sample_weight=weight) == pytest.approx(
        wanted @ weight / weight.sum()
    )


def test_members_count_by_the_mean_of_their_cosines():
    other = RNG.normal(size=Z.shape)
    unit = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in (Z, other)]
    assert rank_1_accuracy(Y, np.stack([Z, other])) == rank_1_accuracy(
        Y, np.hstack(unit)
    )
    assert rank_1_accuracy(Y, np.stack([Z, Z])) == rank_1_accuracy(Y, Z)


def test_groups_are_judged_among_all_images():
    groups = np.array(["m", "f"])[Y % 2]
    report, wanted = rank_1_report(Y, Z, groups=groups), by_loops(Y, Z)
    assert list(report.index) == ["f", "m", "all"]
    assert report["images"].tolist() == [(Y % 2).sum(), (Y % 2 == 0).sum(), 40]
    assert report["identities"].tolist() == [3, 3, 6]
    assert report.loc["f", "accuracy"] == pytest.approx(wanted[Y % 2 == 1].mean())
    assert report.loc["all", "accuracy"] == rank_1_accuracy(Y, Z)
    assert isinstance(report, pd.DataFrame)


def test_edges():
    # Alone with its identity: never right. Features of zeros are near nothing.
    assert rank_1_accuracy([0, 0, 1], [[1, 0], [1, 0], [1, 0.1]]) == pytest.approx(
        2 / 3
    )
    assert rank_1_accuracy([0, 1], np.zeros((2, 3))) == 0.0
    with pytest.raises(ValueError, match="two images at least, got 1"):
        rank_1_accuracy([0], [[1.0]])
    with pytest.raises(ValueError, match="embedding must have the shape"):
        rank_1_accuracy([0, 0], [1.0, 2.0])
    with pytest.raises(ValueError, match="embedding contains NaN"):
        rank_1_accuracy([0, 0], [[1.0], [np.nan]])
    with pytest.raises(ValueError, match="inconsistent numbers"):
        rank_1_accuracy([0, 0, 1], [[1.0], [2.0]])


def test_the_scorer_takes_the_features():
    scorer = get_scorer("rank_1_accuracy")
    X = np.c_[Z, RNG.normal(size=(40, 2))].astype(np.float32)
    clf = TabularMLPClassifier(d_block=8, max_epochs=2, random_state=0).fit(X, Y)
    assert scorer(clf, X, Y) == rank_1_accuracy(Y, clf.embed(X))
    found = cross_val_score(clf, X, Y, scoring=scorer, cv=2)
    assert ((found >= 0) & (found <= 1)).all()
    with pytest.raises(TypeError, match=r"takes no parameters, got \['k'\]"):
        get_scorer("rank_1_accuracy", k=3)
    with pytest.raises(ValueError, match="must score predicted labels"):
        clf.set_params(decision="rank_1_accuracy").fit(X, Y)
