"""ReasonsDisplay: what each column adds to the log odds, of one row or of many."""

import numpy as np
import pandas as pd

from sklimb._messages import short
from sklimb.explanation import check_count
from sklimb.plots._draw import (
    COLOURS,
    GREY,
    height_of,
    lines_of_labels,
    make_panels,
    text,
    tidy,
)
from sklimb.plots._inputs import classifier_and_rows

_KINDS = ("auto", "waterfall", "beeswarm")
# Height of a swarm, in lines of the axis, and bins by which its dots are stacked.
_SWARM, _BINS = 0.4, 60


class ReasonsDisplay:
    """Contributions of columns to the log odds of a class.

    One row is a waterfall from the log odds of the baseline to those of the row; many
    rows are a beeswarm with one dot per row and column. It is recommended to make one
    by `from_estimator`.

    Parameters
    ----------
    contributions : array of shape (n_samples, n_columns)
        In log odds, as `explain` returns them.
    columns : array of shape (n_columns,)
        Names.
    values : array of shape (n_samples, n_columns), default=None
        The cells of X.
    log_odds : array of shape (n_samples,), default=None
        Of the rows. Those of the baseline are these less the contributions.
    target : label, default=None
        The class; None is the predicted one of each row.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
    order_ : array of shape (n_shown,)
        Columns from top to bottom.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklimb.plots import ReasonsDisplay
    >>> display = ReasonsDisplay([[1.0, -0.5, 0.0]], ["age", "city", "sum"]).plot()
    >>> display.order_.tolist()
    [0, 1, 2]
    >>> plt.close(display.figure_)
    """

    def __init__(
        self, contributions, columns, *, values=None, log_odds=None, target=None
    ):
        self.contributions = contributions
        self.columns = columns
        self.values = values
        self.log_odds = log_odds
        self.target = target

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        target=None,
        baseline="balanced_median",
        kind="auto",
        max_columns=10,
        ax=None,
    ):
        """Explain the rows of X and draw it.

        Parameters
        ----------
        estimator : sklimb classifier for tables, or Pipeline that ends in one
            Fitted. Of a Pipeline the columns that reach the classifier are explained.
        X : array-like or data frame of shape (n_samples, n_features)
        target, baseline : optional
            As in `explain`.
        kind, max_columns, ax : optional
            As in `plot`.

        Returns
        -------
        display : ReasonsDisplay

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            A search, a classifier without `explain`, no rows; what `explain` refuses.
        """
        clf, X = classifier_and_rows(cls, estimator, X, "explain")
        found = clf.explain(X, target=target, baseline=baseline, as_frame=True)
        classes = clf.classes_.tolist()
        if target is None and len(classes) == 2:
            target = classes[1]
        log_p = clf.predict_log_proba(X)
        if target is None:
            codes = np.searchsorted(clf.classes_, clf.predict(X))
        else:
            codes = np.full(len(log_p), classes.index(target))
        of = log_p[np.arange(len(log_p)), codes]
        others = np.where(np.arange(len(classes)) == codes[:, None], -np.inf, log_p)
        display = cls(
            found.to_numpy(),
            found.columns.to_numpy(),
            values=_cells(X),
            log_odds=of - np.logaddexp.reduce(others, axis=1),
            target=target,
        )
        return display.plot(ax, kind=kind, max_columns=max_columns)

    def plot(self, ax=None, *, kind="auto", max_columns=10):
        """Draw the contributions.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure, which is higher for more columns.
        kind : {"auto", "waterfall", "beeswarm"}, default="auto"
            "auto" is a waterfall of one row and a beeswarm of more.
        max_columns : int, default=10
            Lines at most: the columns with the largest absolute contributions (their
            mean over rows). The last line is the sum of all others if there are more.

        Returns
        -------
        self : ReasonsDisplay

        Raises
        ------
        ValueError
            An unknown `kind`, a waterfall of several rows, no rows.
        """
        if kind not in _KINDS:
            raise ValueError(
                f"kind must be 'auto', 'waterfall' or 'beeswarm', got {short(kind)}."
            )
        check_count("max_columns", max_columns)
        parts = np.asarray(self.contributions, dtype=float)
        if not len(parts):
            raise ValueError("ReasonsDisplay needs a row to explain, got none.")
        if kind == "waterfall" and len(parts) > 1:
            raise ValueError(
                f"A waterfall is of one row, got {len(parts)}. Give one row, or "
                "kind='beeswarm'."
            )
        order = np.argsort(-np.abs(parts).mean(0), kind="stable")
        n_own = len(order) if len(order) <= max_columns else max_columns - 1
        self.order_, rest = order[:n_own], order[n_own:]
        n_lines = n_own + bool(len(rest))
        self.figure_, (self.ax_,) = make_panels(
            "ReasonsDisplay.plot", ax, size=(7.2, height_of(n_lines) + 0.8)
        )
        waterfall = len(parts) == 1 and kind != "beeswarm"
        draw = self._draw_waterfall if waterfall else self._draw_beeswarm
        shown = parts[:, self.order_]
        if len(rest):
            shown = np.column_stack([shown, parts[:, rest].sum(1)])
        tidy(self.ax_)
        draw(shown, len(rest))
        return self

    def _what(self):
        if self.target is None:
            return "log odds of the predicted class"
        return f"log odds of class {text(self.target)}"

    def _names(self, n_rest, with_value):
        """Names of the lines, with the value of the only row."""
        names = []
        for j in self.order_:
            name = text(self.columns[j])
            if with_value and self.values is not None:
                name = f"{name} = {_shown(self.values[0][j])}"
            names.append(name)
        return [*names, f"{n_rest} other columns"] if n_rest else names

    def _draw_waterfall(self, shown, n_rest):
        ax, parts = self.ax_, shown[0]
        start = 0.0 if self.log_odds is None else self.log_odds[0] - parts.sum()
        ends = start + np.cumsum(parts[::-1])[::-1]  # the last line starts
        begins = ends - parts
        at = np.arange(len(parts))
        colours = np.where(parts >= 0, COLOURS[1], COLOURS[0])
        ax.barh(at, parts, left=begins, color=colours, height=0.6)
        for i, part in enumerate(parts):
            ax.annotate(
                f"{part:+.2f}",
                (max(begins[i], ends[i]), at[i]),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize="small",
            )
        for end, name in ((start, "baseline"), (ends[0], "row")):
            label = f"{name} {end:.2f}"
            if self.log_odds is not None:
                label += f" (probability {1 / (1 + np.exp(-end)):.2g})"
            style = "--" if name == "baseline" else "-"
            ax.axvline(end, color=GREY, linestyle=style, linewidth=1, label=label)
        for i in range(
            len(parts) - 1
        ):  # from where a bar begins to where the next ends
            ax.plot([begins[i]] * 2, [i - 0.3, i + 1.3], color=GREY, linewidth=0.7)
        lines_of_labels(ax, self._names(n_rest, True), ready=True)
        low, high = min(*begins, *ends), max(*begins, *ends)
        room = (high - low) or 1.0
        ax.set_xlim(low - 0.08 * room, high + 0.14 * room)  # the figures stand right
        ax.set_xlabel(self._what())
        ax.legend(fontsize="small", loc="lower left", bbox_to_anchor=(0, 1))

    def _draw_beeswarm(self, shown, n_rest):
        ax = self.ax_
        ax.axvline(0, color=GREY, linewidth=1)
        for i in range(shown.shape[1]):
            own = shown[:, i]
            tone = np.full(len(own), np.nan)
            if self.values is not None and i < len(self.order_):
                tone = _ranks([row[self.order_[i]] for row in self.values])
            y = i + _swarm(own, shown)
            plain = np.isnan(tone)
            size = 12 if len(own) <= 500 else 5
            ax.scatter(own[plain], y[plain], s=size, color=GREY, linewidths=0)
            dots = ax.scatter(
                own[~plain],
                y[~plain],
                s=size,
                c=tone[~plain],
                cmap=_tones(),
                vmin=0,
                vmax=1,
                linewidths=0,
            )
        lines_of_labels(ax, self._names(n_rest, False), ready=True)
        ax.set_xlabel(f"contribution to the {self._what()}")
        if self.values is not None:
            bar = self.figure_.colorbar(dots, ax=ax, ticks=[0, 1], aspect=40, pad=0.02)
            bar.ax.set_yticklabels(["low", "high"])
            bar.set_label("value of the column\n(grey: category, missing)", labelpad=-8)


def _cells(X):
    """The values of X, (n_samples, n_columns)."""
    if hasattr(X, "to_numpy"):
        return X.to_numpy(dtype=object) if isinstance(X, pd.DataFrame) else X.to_numpy()
    return np.asarray(X)


def _shown(value):
    """A cell as a short text."""
    if isinstance(value, float | np.floating):
        return "missing" if np.isnan(value) else f"{value:.4g}"
    return "missing" if value is None or value is pd.NA else text(value)


def _ranks(values):
    """Ranks of numbers in [0, 1]; NaN for missing values and in columns of others."""
    there = [value for value in values if not pd.isna(value)]
    if not all(isinstance(v, int | float | np.number | np.bool_) for v in there):
        return np.full(len(values), np.nan)
    ranks = pd.Series(values, dtype=object).astype(float).rank(method="average")
    low, high = ranks.min(), ranks.max()
    if not high > low:
        return np.where(np.isnan(ranks), np.nan, 0.5)
    return ((ranks - low) / (high - low)).to_numpy()


def _swarm(values, all_values):
    """Heights that lay dots of like values beside each other, the same every time."""
    low, high = all_values.min(), all_values.max()
    width = (high - low) / _BINS or 1.0
    bins = np.floor((values - low) / width).astype(int)
    height = np.zeros(len(values))
    most = np.bincount(bins).max()
    for b in np.unique(bins):
        rows = np.flatnonzero(bins == b)
        place = np.arange(len(rows))
        # 0, 1, -1, 2, -2, ... from the middle outwards
        height[rows] = np.where(place % 2, (place + 1) // 2, -(place // 2))
    return height * (2 * _SWARM / max(most, 12))


def _tones():
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("sklimb", [COLOURS[0], COLOURS[1]])
