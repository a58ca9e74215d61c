"""What no analysis takes: each is refused with one sentence by all functions."""

import numpy as np
import pandas as pd
import pytest
from helpers.analysed import QUICK, LinearClassifier, blobs
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklimb import analysis

# What each public function is called with.
CALLS = {
    "class_curves": lambda f, clf, X, y: f(clf),
    "hessian_eigenvalues": lambda f, clf, X, y: f(clf, X, y, k=1, n_probes=2),
    "loss_landscape": lambda f, clf, X, y: f(clf, X, y, n_points=2),
    "margins": lambda f, clf, X, y: f(clf, X, y),
    "neural_collapse": lambda f, clf, X, y: f(clf, X, y),
    "refer": lambda f, clf, X, y: f(clf, X, 1, y),
    "region_volumes": lambda f, clf, X, y: f(clf, X, y, 2, resolution=2),
    "uncertainty": lambda f, clf, X, y: f(clf, X),
}
# For them rows of one class have an answer.
ONE_CLASS = {"class_curves", "margins", "refer", "uncertainty"}
WITHOUT_ROWS = {"class_curves"}
WITHOUT_LABELS = {"class_curves", "uncertainty"}


@pytest.fixture(scope="module")
def fitted():
    X, y = blobs(2)
    X = pd.DataFrame(X, columns=list("abc"))
    clf = LinearClassifier(max_epochs=1, callbacks=[analysis.ClassCurves()], **QUICK)
    return clf.fit(X, y), X, y


def call(name, *given):
    return CALLS[name](getattr(analysis, name), *given)


def sentence(error):
    text = str(error.value)
    assert text.count(". ") <= 1 and "\n" not in text, text
    return text


def test_all_functions_are_here():
    functions = {n for n in analysis.__all__ if n[0].islower()}
    assert functions == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_a_good_call(name, fitted):
    assert call(name, *fitted) is not None


@pytest.mark.parametrize("name", CALLS)
def test_not_fitted(name, fitted):
    _, X, y = fitted
    with pytest.raises(NotFittedError, match=f"{name} needs a fitted .* call fit") as e:
        call(name, LinearClassifier(), X, y)
    sentence(e)


@pytest.mark.parametrize("name", CALLS)
def test_a_search_instead_of_its_best_estimator(name, fitted):
    _, X, y = fitted
    search = GridSearchCV(LinearClassifier(**QUICK), {"max_epochs": [1]}, cv=2)
    with pytest.raises(ValueError, match=f"{name} .* best_estimator_") as e:
        call(name, search, X, y)
    sentence(e)
    with pytest.raises(ValueError, match=f"{name} .* give its best_estimator_") as e:
        call(name, search.fit(X, y), X, y)
    sentence(e)


@pytest.mark.parametrize("name", CALLS)
def test_a_pipeline_and_another_classifier(name, fitted):
    clf, X, y = fitted
    with pytest.raises(ValueError, match="its last step") as e:
        call(name, make_pipeline(StandardScaler(), clf), X, y)
    sentence(e)
    with pytest.raises(ValueError, match="got a LogisticRegression") as e:
        call(name, LogisticRegression().fit(X, y), X, y)
    sentence(e)


@pytest.mark.parametrize("name", sorted(set(CALLS) - WITHOUT_ROWS))
def test_rows_of_another_table(name, fitted):
    clf, X, y = fitted
    rows = X.to_numpy()
    nameless = LinearClassifier(max_epochs=1, **QUICK).fit(rows, y)
    with pytest.raises(ValueError, match="3 features") as e:
        call(name, nameless, rows[:, :2], y)
    sentence(e)
    with pytest.raises(ValueError, match="feature names"):
        call(name, clf, X.rename(columns={"a": "other"}), y)


@pytest.mark.parametrize("name", sorted(set(CALLS) - ONE_CLASS))
def test_rows_of_one_class(name, fitted):
    clf, X, y = fitted
    with pytest.raises(ValueError, match=f"{name} needs rows of at least two") as e:
        call(name, clf, X[y == 0], y[y == 0])
    sentence(e)


@pytest.mark.parametrize("name", sorted(set(CALLS) - WITHOUT_LABELS))
def test_labels_of_others(name, fitted):
    clf, X, y = fitted
    with pytest.raises(ValueError, match="label 5, which is not among"):
        call(name, clf, X, np.where(y == 1, 5, y))
    with pytest.raises(ValueError, match=r"inconsistent|one label a row"):
        call(name, clf, X, y[:10])


@pytest.mark.parametrize("name", CALLS)
def test_nothing_of_the_classifier_or_the_rows_changes(name, fitted):
    clf, X, y = fitted
    before = [p.detach().clone() for p in clf.net_.module_.parameters()]
    rows, labels, p = X.copy(), y.copy(), clf.predict_proba(X)
    call(name, clf, X, y)
    assert all(
        (a == b).all() and b.grad is None and b.requires_grad
        for a, b in zip(before, clf.net_.module_.parameters(), strict=True)
    )
    pd.testing.assert_frame_equal(X, rows)
    assert (labels == y).all() and (clf.predict_proba(X) == p).all()
