"""Rows whose label says that they have none: `unlabeled` of PseudoLabelClassifier."""

import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.packs import PLAIN, fixed_table, same_bits
from sklearn.linear_model import LogisticRegression

from sklimb import TabularMLPClassifier
from sklimb.exceptions import InputWarning, UnlabeledWarning
from sklimb.semisup import PseudoLabelClassifier

X, Y = (np.asarray(part) for part in fixed_table())
HIDDEN = np.arange(len(Y)) % 3 == 0
MARKED = np.where(HIDDEN, -1, Y)


def pseudo(**params):
    return PseudoLabelClassifier(TabularMLPClassifier(**PLAIN), **params)


def test_off_takes_every_label_for_one():
    clf = pseudo().fit(X, np.where(HIDDEN, 2, Y))
    assert clf.classes_.tolist() == [0, 1, 2] and clf.n_rounds_ == 0
    same = pseudo(unlabeled=7).fit(X, np.where(HIDDEN, 2, Y))
    assert same_bits(clf.estimator_, same.estimator_)


@pytest.mark.parametrize("weighted", [False, True])
def test_on_is_the_same_rows_as_unlabelled_ones(weighted):
    weight = np.arange(len(Y)) % 4 + 1.0 if weighted else None
    shown = None if weight is None else weight[~HIDDEN]
    clf = pseudo(unlabeled=-1).fit(X, MARKED, weight)
    plain = pseudo().fit(X[~HIDDEN], Y[~HIDDEN], shown, X_unlabeled=X[HIDDEN])
    assert same_bits(clf.estimator_, plain.estimator_)
    assert clf.classes_.tolist() == [0, 1] and clf.n_rounds_ == 1
    assert clf.pseudo_label_counts_.sum() == HIDDEN.sum()
    alone = pseudo().fit(X[~HIDDEN], Y[~HIDDEN], shown)
    gap = clf.predict_proba(X) - alone.predict_proba(X)
    assert abs(gap).max() > 1e-3


def test_rows_are_joined_by_those_of_x_unlabeled():
    labelled, rest = slice(0, 300), slice(300, 400)
    clf = pseudo(unlabeled=-1).fit(X[labelled], MARKED[labelled], X_unlabeled=X[rest])
    hidden = HIDDEN[labelled]
    both = np.concatenate([X[labelled][hidden], X[rest]])
    shown = X[labelled][~hidden], Y[labelled][~hidden]
    plain = pseudo().fit(*shown, X_unlabeled=both)
    assert same_bits(clf.estimator_, plain.estimator_)
    assert clf.pseudo_label_counts_.sum() == hidden.sum() + 100
    with pytest.raises(ValueError, match="X_unlabeled must have the 6 columns of X"):
        pseudo(unlabeled=-1).fit(X, MARKED, X_unlabeled=X[:, :2])


@pytest.mark.parametrize(
    ("y", "unlabeled"),
    [
        (MARKED.astype(float), -1),
        (np.where(HIDDEN, "none", Y.astype(str)), "none"),
        (pd.Series(np.where(HIDDEN, -1, np.array(["no", "yes"], object)[Y])), -1),
    ],
    ids=["float", "text", "objects"],
)
def test_labels_of_any_type(y, unlabeled):
    frame = pd.DataFrame(X, columns=list("abcdef"), index=np.arange(len(X)) + 5)
    clf = pseudo(unlabeled=unlabeled).fit(frame, y)
    plain = pseudo(unlabeled=-1).fit(frame, MARKED)
    assert len(clf.classes_) == 2 and unlabeled not in clf.classes_.tolist()
    np.testing.assert_array_equal(clf.predict_proba(frame), plain.predict_proba(frame))


def test_groups_follow_their_rows():
    groups = np.arange(len(Y)) // 4
    base = TabularMLPClassifier(**{**PLAIN, "early_stopping": True})
    clf = PseudoLabelClassifier(base, unlabeled=-1).fit(X, MARKED, groups=groups)
    shown = X[~HIDDEN], Y[~HIDDEN]
    plain = PseudoLabelClassifier(base).fit(
        *shown, X_unlabeled=X[HIDDEN], groups=groups[~HIDDEN]
    )
    assert same_bits(clf.estimator_, plain.estimator_)


def test_other_classifiers():
    clf = PseudoLabelClassifier(LogisticRegression(), unlabeled=-1).fit(X, MARKED)
    assert clf.classes_.tolist() == [0, 1] and clf.n_rounds_ == 1


def test_refusals():
    with pytest.raises(ValueError, match="unlabeled=-1 is the label of all 400 rows"):
        pseudo(unlabeled=-1).fit(X, np.full(len(Y), -1))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        pseudo(unlabeled=-1).fit(X, MARKED[:-1])
    with pytest.raises(ValueError, match="'unlabeled' parameter"):
        pseudo(unlabeled=[-1]).fit(X, MARKED)


def test_minus_one_among_three_labels_is_warned_of_once():
    assert issubclass(UnlabeledWarning, InputWarning)
    with pytest.warns(UnlabeledWarning, match=r"-1 among 3 labels.*unlabeled=-1") as w:
        clf = pseudo().fit(X, MARKED)
    assert len(w) == 1 and w[0].filename == __file__
    assert clf.classes_.tolist() == [-1, 0, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pseudo().fit(X, 2 * Y - 1)  # two labels
        pseudo(unlabeled=-1).fit(X, MARKED)
        pseudo().fit(X, MARKED, X_unlabeled=X[:5])  # who gives these knows
        pseudo(unlabeled=0).fit(X, np.where(Y == 1, 1, np.where(HIDDEN, -1, 0)))
