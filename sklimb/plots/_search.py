"""SearchDisplay: candidates of a search over epochs, and scores by parameter."""

from numbers import Real

import numpy as np
from sklearn.exceptions import NotFittedError

from sklimb._messages import listed, short
from sklimb.plots._draw import COLOURS, GREY, chosen_panels, make_panels, text, tidy
from sklimb.plots._history import SCORES
from sklimb.plots._inputs import last_step

# Largest over smallest value of a parameter from which its axis is logarithmic.
_WIDE = 20
_COLUMNS = 3


class SearchDisplay:
    """Candidates over epochs, who was halved when, and scores against each parameter.

    It is recommended to make one by `from_estimator`.

    Parameters
    ----------
    params : list of dict
        Parameters of each candidate.
    scores : array of shape (n_candidates,)
        Mean test scores; NaN for a candidate that failed.
    errors : array of shape (n_candidates,), default=None
        Their standard errors over splits.
    curves : array of shape (n_candidates, n_epochs), default=None
        Held-out score after each epoch, mean over splits, NaN after the last one.
    halved : array of shape (n_candidates,), default=None
        Epoch after which a candidate was dropped, NaN for those that were not.
    best : int, default=None
        The candidate that was chosen.
    score_name : str, default="score"
        What `scores` are.
    monitor : str, default="loss"
        What `curves` are.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : array of matplotlib Axes of shape (n_panels,)

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklimb.plots import SearchDisplay
    >>> grid = {"C": [0.1, 1.0, 10.0], "class_weight": [None, "balanced"]}
    >>> search = GridSearchCV(LogisticRegression(max_iter=500), grid, cv=2)
    >>> search = search.fit(*load_iris(return_X_y=True))
    >>> display = SearchDisplay.from_estimator(search)
    >>> [ax.get_xlabel() for ax in display.ax_]
    ['C', 'class_weight']
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        params,
        scores,
        *,
        errors=None,
        curves=None,
        halved=None,
        best=None,
        score_name="score",
        monitor="loss",
    ):
        self.params = params
        self.scores = scores
        self.errors = errors
        self.curves = curves
        self.halved = halved
        self.best = best
        self.score_name = score_name
        self.monitor = monitor

    @classmethod
    def from_estimator(cls, estimator, *, scoring=None, panels=None, ax=None):
        """Draw the results of a search.

        Parameters
        ----------
        estimator : PackedSearchCV, or a search of scikit-learn with `cv_results_`
            Fitted. Epochs are drawn of the former alone.
        scoring : str, default=None
            Which of several scores: by default that of `refit`, or the first.
        panels, ax : optional
            As in `plot`.

        Returns
        -------
        display : SearchDisplay

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            What is no search, a score that it has not computed.
        """
        results = _results_of(estimator)
        names = [
            name.removeprefix("mean_test_")
            for name in results
            if name.startswith("mean_test_")
        ]
        refit = getattr(estimator, "refit", None)
        if scoring is None:
            scoring = refit if refit in names else names[0]
        elif scoring not in names:
            raise ValueError(
                f"scoring must be one of {listed(names)}, got {short(scoring)}."
            )
        splits = [
            values
            for name, values in results.items()
            if name.startswith("split") and name.endswith(f"_test_{scoring}")
        ]
        curves = getattr(estimator, "valid_scores_", None)
        given = getattr(estimator, "scoring", None)
        single = given if isinstance(given, str) else "score"
        inner = getattr(estimator, "estimator", None)
        display = cls(
            list(results["params"]),
            np.asarray(results[f"mean_test_{scoring}"], dtype=float),
            errors=_standard_errors(splits),
            curves=None if curves is None else _mean_over_splits(curves),
            halved=getattr(estimator, "halved_epochs_", None),
            best=getattr(estimator, "best_index_", None),
            score_name=single if scoring == "score" else scoring,
            monitor=getattr(last_step(inner), "monitor", "loss"),
        )
        return display.plot(ax, panels=panels)

    def _names(self):
        """All panels that there are values for."""
        varied = []
        for name in dict.fromkeys(name for own in self.params for name in own):
            values = {repr(own.get(name)) for own in self.params}
            if len(values) > 1:
                varied.append(name)
        seen = self.curves is not None and np.isfinite(self.curves).any()
        return ["epochs"] * bool(seen) + varied

    def plot(self, ax=None, *, panels=None):
        """Draw the panels, up to three side by side.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            One for each panel, or one as a frame of all. None makes a figure.
        panels : list of str, default=None
            "epochs" and names of parameters; None draws epochs, if there are any, and
            each parameter that differs between candidates.

        Returns
        -------
        self : SearchDisplay

        Raises
        ------
        ValueError
            A panel without values; too few Axes; candidates that do not differ.
        """
        there = self._names()
        if not there:
            raise ValueError(
                "SearchDisplay needs candidates that differ in a parameter, got "
                f"{len(self.params)} of {short(self.params[0])}."
            )
        names = chosen_panels(panels, there)
        across = min(len(names), _COLUMNS)
        size = (
            1.2 + 3.4 * across if across > 1 else 6.4,
            0.6 + 3.2 * -(-len(names) // across),
        )
        self.figure_, self.ax_ = make_panels(
            "SearchDisplay.plot", ax, len(names), columns=across, size=size
        )
        for own, name in zip(self.ax_, names, strict=True):
            tidy(own)
            if name == "epochs":
                self._draw_epochs(own)
            else:
                self._draw_parameter(own, name)
        for line in (True, False):  # lines of epochs, marks of parameters
            first = [i for i, n in enumerate(names) if (n == "epochs") == line][:1]
            for i in first:
                self._legend(self.ax_[i], line=line)
        return self

    def _halved(self):
        n = len(self.params)
        if self.halved is None:
            return np.full(n, np.nan)
        return np.asarray(self.halved, dtype=float)

    def _draw_epochs(self, ax):
        """One line per candidate; a cross ends those that were dropped."""
        curves, halved = np.asarray(self.curves, dtype=float), self._halved()
        epoch = np.arange(1, curves.shape[1] + 1)
        for c, curve in enumerate(curves):
            chosen = c == self.best
            dropped = np.isfinite(halved[c])
            colour = COLOURS[1] if chosen else GREY if dropped else COLOURS[0]
            ax.plot(
                epoch,
                curve,
                color=colour,
                linewidth=2.2 if chosen else 1,
                alpha=1 if chosen else 0.6,
                zorder=3 if chosen else 2,
                gid=f"candidate {c}",
            )
            there = np.flatnonzero(np.isfinite(curve))
            if dropped and len(there):
                ax.plot(epoch[there[-1]], curve[there[-1]], "x", color=GREY)
        for at in np.unique(halved[np.isfinite(halved)]):
            n = int((halved == at).sum())
            ax.axvline(at, color=GREY, linestyle=":", linewidth=1, zorder=0)
            ax.annotate(
                f"-{n}",
                (at, 1),
                xycoords=("data", "axes fraction"),
                xytext=(2, -10),
                textcoords="offset points",
                fontsize="small",
                color=GREY,
            )
        ax.set_xlabel("epoch")
        name = {"loss": "log loss", **SCORES}.get(self.monitor, str(self.monitor))
        ax.set_ylabel(f"held-out {name}, mean of splits")
        ax.xaxis.get_major_locator().set_params(integer=True)

    def _draw_parameter(self, ax, name):
        """The score of each candidate against its value of a parameter."""
        values = [own.get(name) for own in self.params]
        numbers = [v for v in values if isinstance(v, Real) and not isinstance(v, bool)]
        if len(numbers) == len(values):
            x = np.array(values, dtype=float)
            low, high = x.min(), x.max()
            # By hand: matplotlib leaves candidates out that have failed.
            if low > 0 and high >= _WIDE * low:
                ax.set_xscale("log")
                room = (high / low) ** 0.1
                ax.set_xlim(low / room, high * room)
            else:
                room = 0.1 * (high - low) or 0.5
                ax.set_xlim(low - room, high + room)
        else:
            kinds = list(dict.fromkeys(_shown(v) for v in values))
            # Side by side where the same value comes often.
            x = np.array([kinds.index(_shown(v)) for v in values], dtype=float)
            ax.set_xticks(range(len(kinds)), kinds)
            ax.set_xlim(-0.5, len(kinds) - 0.5)
            if max(map(len, kinds)) > 8 or len(kinds) > 4:
                ax.tick_params(axis="x", rotation=30)
        dropped = np.isfinite(self._halved())
        scores = np.asarray(self.scores, dtype=float)
        for own, style in (
            (~dropped, {"color": COLOURS[0], "marker": "o"}),
            (dropped, {"color": GREY, "marker": "x"}),
        ):
            error = None if self.errors is None else np.asarray(self.errors)[own]
            if own.any():
                ax.errorbar(
                    x[own],
                    scores[own],
                    error,
                    linestyle="none",
                    elinewidth=0.7,
                    alpha=0.7,
                    **style,
                )
        if self.best is not None:
            ax.plot(x[self.best], scores[self.best], "D", color=COLOURS[1], zorder=3)
        ax.set_xlabel(text(name))
        ax.set_ylabel(f"mean test {text(self.score_name)}")

    def _legend(self, ax, *, line):
        """What the colours are; only of what is there."""
        from matplotlib.lines import Line2D

        style = {"linestyle": "-" if line else "none"}
        dropped = np.isfinite(self._halved()).any()
        kinds = [("candidate", COLOURS[0], None if line else "o", True)]
        kinds.append(("halved", GREY, "x", dropped))
        kinds.append(("best", COLOURS[1], None if line else "D", self.best is not None))
        handles = [
            Line2D([], [], color=colour, marker=marker, label=label, **style)
            for label, colour, marker, there in kinds
            if there
        ]
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 3}
        ax.legend(handles=handles, fontsize="small", **above)


def _results_of(search):
    """The `cv_results_` of a search, or the sentence that says why there is none."""
    results = getattr(search, "cv_results_", None)
    if results is not None:
        return results
    name = type(search).__name__
    if hasattr(search, "fit") and any(
        hasattr(search, p) for p in ("param_grid", "param_distributions")
    ):
        raise NotFittedError(f"This {name} is not fitted yet. Call fit first.")
    raise ValueError(
        f"SearchDisplay needs a fitted search with cv_results_, such as PackedSearchCV "
        f"or GridSearchCV, got a {name}."
    )


def _standard_errors(splits):
    """Standard errors of the means over splits; None of one split."""
    if len(splits) < 2:
        return None
    return np.std(splits, axis=0, ddof=1) / np.sqrt(len(splits))


def _mean_over_splits(curves):
    """(n_candidates, n_epochs): the mean of the splits that still train."""
    there = np.isfinite(curves)
    total = np.where(there, curves, 0).sum(1)
    n = there.sum(1)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)


def _shown(value):
    """A value of a parameter as a short text."""
    return text(value if isinstance(value, str) else short(value))
