"""Rules that hold for all Displays: Axes, state of pyplot, wrong estimators."""

import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from plots.conftest import small
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sklimb import plots
from sklimb.two_stage import ClassifierRetrainer

# Name -> how many panels there are, from a fitted classifier and rows.
MAKERS = {
    "HistoryDisplay": (1, lambda cls, clf, X, y, **k: cls.from_estimator(clf, **k)),
    "ThresholdDisplay": (
        3,
        lambda cls, clf, X, y, **k: cls.from_estimator(
            clf, X, y, cost_matrix=[[0, 1], [5, 1]], **k
        ),
    ),
    "GainDisplay": (1, lambda cls, clf, X, y, **k: cls.from_estimator(clf, X, y, **k)),
    "ClassReportDisplay": (
        2,
        lambda cls, clf, X, y, **k: cls.from_estimator(clf, X, y, **k),
    ),
    "ReasonsDisplay": (
        1,
        lambda cls, clf, X, y, **k: cls.from_estimator(clf, X[:3], **k),
    ),
}
MAKERS["EmbeddingDisplay"] = MAKERS["GainDisplay"]
MAKERS["InputReportDisplay"] = (
    1,
    lambda cls, clf, X, y, **k: cls.from_estimator(clf, X, **k),
)
# Displays of sklimb's classifiers alone.
OWN = {"HistoryDisplay", "ReasonsDisplay", "EmbeddingDisplay", "InputReportDisplay"}
# Displays of other things than classifiers, drawn from arrays.
ARRAYS = {
    "SearchDisplay": (
        3,
        lambda cls, **k: cls(
            [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
            [0.5, 0.6],
            curves=np.array([[1.0, 0.9], [1.0, np.nan]]),
            halved=[np.nan, 1.0],
            best=0,
        ).plot(**k),
    ),
    "LandscapeDisplay": (
        1,
        lambda cls, **k: cls({"all": [[2.0, 1.0, 3.0]]}, [-1, 0, 1]).plot(**k),
    ),
    "SpectrumDisplay": (1, lambda cls, **k: cls({"all": [[2.0, 1.0]]}).plot(**k)),
}
ALL = [*MAKERS, *ARRAYS]
N_PANELS = {name: n for name, (n, _) in {**MAKERS, **ARRAYS}.items()}


def make(name, clf, payments, **given):
    """A drawn Display."""
    if name in ARRAYS:
        return ARRAYS[name][1](getattr(plots, name), **given)
    return MAKERS[name][1](getattr(plots, name), clf, *payments, **given)


def test_all_displays_are_here():
    assert set(ALL) == set(plots.__all__)


@pytest.mark.parametrize("name", ALL)
def test_a_figure_of_its_own(name, fitted, payments):
    display = make(name, fitted, payments)
    n_panels = N_PANELS[name]
    axes = np.ravel(display.ax_)
    assert len(axes) == n_panels
    assert {ax.figure for ax in axes} == {display.figure_}
    assert plt.get_fignums() == [display.figure_.number]
    assert all(ax.get_xlabel() for ax in axes[-1:]) and axes[0].get_ylabel() is not None
    display.figure_.canvas.draw()


@pytest.mark.parametrize("name", ALL)
def test_given_axes_leave_pyplot_and_its_settings_alone(name, fitted, payments):
    ours = plt.figure()
    settings = dict(mpl.rcParams)
    n_panels = N_PANELS[name]
    figure = Figure()
    one = figure.subplots()
    display = make(name, fitted, payments, ax=one)
    assert display.figure_ is figure
    inside = [one, *one.child_axes]
    assert all(ax in inside for ax in np.ravel(display.ax_))
    figure.canvas.draw()
    if n_panels > 1:
        several = Figure().subplots(1, n_panels)
        display = make(name, fitted, payments, ax=several)
        assert list(display.ax_) == list(several)
        wrong = Figure().subplots(1, n_panels + 1)
        with pytest.raises(ValueError, match=f"one Axes, or {n_panels}, one for each"):
            make(name, fitted, payments, ax=wrong)
    assert plt.get_fignums() == [ours.number] and plt.gcf() is ours
    assert dict(mpl.rcParams) == settings


@pytest.mark.parametrize("name", ALL)
def test_drawn_again_with_the_same_numbers(name, fitted, payments):
    display = make(name, fitted, payments)
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


@pytest.mark.parametrize("name", MAKERS)
def test_no_user_data_is_changed(name, fitted, payments):
    X, y = payments
    before = X.copy(), y.copy()
    make(name, fitted, (X, y))
    assert X.equals(before[0]) and (y == before[1]).all()


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_not_fitted_is_refused(name, payments):
    with pytest.raises(NotFittedError):
        make(name, small(), payments)


@pytest.mark.parametrize("name", ALL)
def test_without_matplotlib_there_is_scikit_learns_sentence(
    name, fitted, payments, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    sentence = rf"{name}.plot requires matplotlib\. You can install matplotlib with"
    with pytest.raises(ImportError, match=sentence):
        make(name, fitted, payments)


@pytest.mark.parametrize("name", sorted(OWN))
def test_searches_and_other_libraries_are_refused(name, fitted, payments):
    X, y = payments
    numbers = X[["amount"]].fillna(0)
    other = LogisticRegression().fit(numbers, y)
    with pytest.raises(ValueError, match=f"{name} needs a fitted sklimb classifier"):
        make(name, other, (numbers, y))
    stages = ClassifierRetrainer(clone(fitted), n_epochs=1).fit(X, y)
    if name != "HistoryDisplay":  # that draws what is inside
        with pytest.raises(
            ValueError, match=r"a ClassifierRetrainer\. Give its estimator_"
        ):
            make(name, stages, payments)
    search = GridSearchCV(clone(fitted), {"lr": [0.01]}, cv=2)
    with pytest.raises(ValueError, match=r"got a GridSearchCV\. Give its best_est"):
        make(name, search.fit(X, y), payments)


@pytest.mark.parametrize("name", ["ThresholdDisplay", "GainDisplay"])
def test_probabilities_are_needed(name, payments):
    from sklearn.svm import LinearSVC

    X, y = payments
    X = X[["amount"]].fillna(0)
    with pytest.raises(ValueError, match="needs predict_proba, which LinearSVC lacks"):
        make(name, LinearSVC().fit(X, y), (X, y))
