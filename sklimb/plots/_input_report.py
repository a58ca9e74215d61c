"""InputReportDisplay: unseen, missing and out-of-range values of each column."""

import numpy as np

from sklimb.explanation import check_count
from sklimb.plots._draw import (
    COLOURS,
    MARKERS,
    height_of,
    lines_of_labels,
    make_panels,
    tidy,
)
from sklimb.plots._inputs import classifier_and_rows

_SHARES = {
    "unseen": "unseen category",
    "out_of_range": "out of the training range",
    "missing": "missing",
    "missing_train": "missing in training",
}


class InputReportDisplay:
    """Shares of the values of each column that training has not seen like that.

    It is recommended to make one by `from_estimator`.

    Parameters
    ----------
    report : pandas.DataFrame
        What `input_report` returns.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
    order_ : array of shape (n_shown,)
        Rows of the report from top to bottom.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.datasets import make_transactions
    >>> from sklimb.plots import InputReportDisplay
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(max_epochs=2, d_block=8, random_state=0)
    >>> clf = clf.fit(data.X[:300], data.y[:300])
    >>> display = InputReportDisplay.from_estimator(clf, data.X[300:])
    >>> plt.close(display.figure_)
    """

    def __init__(self, report):
        self.report = report

    @classmethod
    def from_estimator(cls, estimator, X, *, max_columns=20, ax=None):
        """Compare every column of X with the training rows and draw it.

        Parameters
        ----------
        estimator : sklimb classifier for tables, or Pipeline that ends in one
            Fitted. Of a Pipeline the columns that reach the classifier are compared.
        X : array-like or data frame of shape (n_samples, n_features)
        max_columns, ax : optional
            As in `plot`.

        Returns
        -------
        display : InputReportDisplay

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            A search, a classifier without `input_report`, other columns.
        """
        clf, X = classifier_and_rows(cls, estimator, X, "input_report")
        return cls(clf.input_report(X)).plot(ax, max_columns=max_columns)

    def plot(self, ax=None, *, max_columns=20):
        """Draw one line per column, those that differ most on top.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure, which is higher for more columns.
        max_columns : int, default=20
            Lines at most: the columns with the largest share of unseen or out-of-range
            values, or the largest change of missing ones.

        Returns
        -------
        self : InputReportDisplay

        Raises
        ------
        ValueError
            `max_columns` below 1.
        """
        check_count("max_columns", max_columns)
        shares = self.report[list(_SHARES)].to_numpy(dtype=float)
        shares = dict(zip(_SHARES, shares.T, strict=True))
        change = np.abs(shares["missing"] - shares["missing_train"])
        largest = np.fmax(np.fmax(shares["unseen"], shares["out_of_range"]), change)
        order = np.argsort(-np.nan_to_num(largest), kind="stable")
        self.order_ = order[:max_columns]
        names = self.report.index[self.order_]
        self.figure_, (self.ax_,) = make_panels(
            "InputReportDisplay.plot", ax, size=(7.2, height_of(len(names)) + 0.4)
        )
        ax, at = self.ax_, np.arange(len(names))
        for i, (name, label) in enumerate(_SHARES.items()):
            trained = name == "missing_train"
            colour = COLOURS[2 if trained else i]
            ax.plot(
                shares[name][self.order_],
                at,
                linestyle="none",
                marker=MARKERS[2 if trained else i],
                color=colour,
                markerfacecolor="none" if trained else colour,
                markersize=9 if trained else 6,
                label=label,
            )
        lines_of_labels(ax, names)
        tidy(ax)
        left = len(order) - len(names)
        more = f"\n({left} columns with smaller shares are left out)" if left else ""
        ax.set_xlabel(f"share of the rows{more}")
        ax.legend(fontsize="small", ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
        return self
