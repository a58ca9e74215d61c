"""ClassReportDisplay: precision, recall, F1 and rows of every class."""

import numpy as np
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted

from sklimb._messages import short
from sklimb.metrics._checks import check_column, check_weight
from sklimb.plots._draw import (
    COLOURS,
    GREY,
    MARKERS,
    height_of,
    lines_of_labels,
    make_panels,
    tidy,
)

_SCORES = ("precision", "recall", "f1")


class ClassReportDisplay:
    """Precision, recall and F1 of every class, beside its number of rows.

    It is recommended to make one by `from_estimator` or `from_predictions`.

    Parameters
    ----------
    classes : array of shape (n_classes,)
        Labels.
    precision : array of shape (n_classes,)
        NaN for a class that is never predicted.
    recall : array of shape (n_classes,)
        NaN for a class without rows.
    f1 : array of shape (n_classes,)
        NaN for a class with neither.
    rows : array of shape (n_classes,)
        Sums of weights.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : array of matplotlib Axes of shape (2,)
        Scores, rows.
    order_ : array of shape (n_classes,)
        Class codes from top to bottom.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklimb.plots import ClassReportDisplay
    >>> y_true, y_pred = ["a", "a", "a", "b"], ["a", "a", "b", "b"]
    >>> display = ClassReportDisplay.from_predictions(y_true, y_pred)
    >>> display.precision.tolist(), display.rows.tolist()
    ([1.0, 0.5], [3.0, 1.0])
    >>> plt.close(display.figure_)
    """

    def __init__(self, classes, precision, recall, f1, rows):
        self.classes = classes
        self.precision = precision
        self.recall = recall
        self.f1 = f1
        self.rows = rows

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, sample_weight=None, sort_by="rows", ax=None
    ):
        """Draw the scores of what a classifier predicts for given rows.

        Parameters
        ----------
        estimator : classifier, or Pipeline that ends in one
            Fitted; of any library.
        X : array-like or data frame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        sort_by, ax : optional
            As in `plot`.

        Returns
        -------
        display : ClassReportDisplay

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            Labels of another type than those of training.
        """
        check_is_fitted(estimator)
        return cls.from_predictions(
            y,
            estimator.predict(X),
            sample_weight=sample_weight,
            classes=estimator.classes_,
            sort_by=sort_by,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        sample_weight=None,
        classes=None,
        sort_by="rows",
        ax=None,
    ):
        """Draw the scores of predicted labels.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            A row of weight w counts as w rows.
        classes : array-like of shape (n_classes,), default=None
            All labels, also those without rows; None takes those that are there, which
            are added in any case.
        sort_by, ax : optional
            As in `plot`.

        Returns
        -------
        display : ClassReportDisplay

        Raises
        ------
        ValueError
            Wrong lengths, negative weights, labels of different types.
        """
        y_true, y_pred = check_column("y_true", y_true), check_column("y_pred", y_pred)
        weight = check_weight(sample_weight, y_true)
        if len(y_true) != len(y_pred):
            raise ValueError(
                f"y_true and y_pred must have equal lengths, got {len(y_true)} and "
                f"{len(y_pred)}."
            )
        known = [y_true, y_pred] if classes is None else [y_true, y_pred, classes]
        classes = unique_labels(*known)
        n = len(classes)
        true, called = (
            np.searchsorted(classes, y_true),
            np.searchsorted(classes, y_pred),
        )
        rows = np.bincount(true, weights=weight, minlength=n)
        alerts = np.bincount(called, weights=weight, minlength=n)
        right = np.bincount(true, weights=weight * (true == called), minlength=n)
        display = cls(
            classes,
            _quotient(right, alerts),
            _quotient(right, rows),
            _quotient(2 * right, rows + alerts),
            rows,
        )
        return display.plot(ax, sort_by=sort_by)

    def plot(self, ax=None, *, sort_by="rows"):
        """Draw the scores and the rows side by side, one line per class.

        Parameters
        ----------
        ax : matplotlib Axes or two of them, default=None
            For scores and rows, or one as a frame of both. None makes a figure, which
            is higher for more classes.
        sort_by : {"rows", "label"}, default="rows"
            The class with most rows on top, or the order of `classes`.

        Returns
        -------
        self : ClassReportDisplay

        Raises
        ------
        ValueError
            An unknown `sort_by`.
        """
        if sort_by not in ("rows", "label"):
            raise ValueError(
                f"sort_by must be 'rows' or 'label', got {short(sort_by)}."
            )
        rows = np.asarray(self.rows, dtype=float)
        n = len(rows)
        by_rows = sort_by == "rows"
        self.order_ = np.argsort(-rows, kind="stable") if by_rows else np.arange(n)
        self.figure_, self.ax_ = make_panels(
            "ClassReportDisplay.plot", ax, 2, columns=2, size=(7.2, height_of(n))
        )
        at = np.arange(n)
        scores, counts = self.ax_
        for i, name in enumerate(_SCORES):
            scores.plot(
                np.asarray(getattr(self, name), dtype=float)[self.order_],
                at,
                linestyle="none",
                marker=MARKERS[i],
                color=COLOURS[i],
                alpha=0.85,
                label={"f1": "F1"}.get(name, name),
            )
        scores.set_xlim(-0.04, 1.04)
        scores.set_xlabel("score of the class")
        scores.set_ylabel("class")
        tidy(scores)
        lines_of_labels(scores, [self.classes[c] for c in self.order_])
        scores.legend(
            fontsize="small", ncols=3, loc="lower left", bbox_to_anchor=(0, 1)
        )
        counts.barh(at, rows[self.order_], color=GREY)
        there = rows[rows > 0]
        if len(there) and there.max() > 20 * there.min():
            counts.set_xscale("log")
            counts.set_xlim(left=there.min() / 2)
        counts.set_xlabel("rows (sum of weights)")
        tidy(counts)
        counts.set_yticks([])
        counts.set_ylim(scores.get_ylim())
        return self


def _quotient(a, b):
    """a / b, NaN where b is 0."""
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)
