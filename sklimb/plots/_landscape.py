"""LandscapeDisplay: the loss around a fit, or on the line between two."""

import numpy as np

from sklimb._messages import short
from sklimb.analysis import loss_landscape
from sklimb.plots._draw import GREY, chosen_panels, look, make_panels, text, tidy
from sklimb.plots._inputs import classifier_and_rows

_COLUMNS = 3
# Largest over smallest loss from which its axis, or the levels, are logarithmic.
_WIDE = 20
_LEVELS = 15


class LandscapeDisplay:
    """The loss along one or two directions from a fit, of all rows or by class.

    It is recommended to make one by `from_estimator` or `from_results`.

    Parameters
    ----------
    losses : dict of str to array of shape (n_members, n_a) or (n_members, n_a, n_b)
        Losses by what they are of: all rows, or a class.
    a : array of shape (n_a,)
        Positions on the first direction; 0 is the fit.
    b : array of shape (n_b,), default=None
        Positions on the second direction.
    between : bool, default=False
        Whether the direction leads to another fit, at 1.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : array of matplotlib Axes of shape (n_panels,)
        One of lines; of surfaces one for each of `losses`.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklimb.plots import LandscapeDisplay
    >>> a = [-1.0, 0.0, 1.0]
    >>> display = LandscapeDisplay({"all rows": [[0.9, 0.2, 0.7]]}, a).plot()
    >>> plt.close(display.figure_)
    """

    def __init__(self, losses, a, b=None, *, between=False):
        self.losses = losses
        self.a = a
        self.b = b
        self.between = between

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        directions=1,
        other=None,
        span=1.0,
        n_points=21,
        by_class=True,
        batch_norm="stored",
        sample_weight=None,
        random_state=0,
        panels=None,
        member=0,
        ax=None,
    ):
        """Compute the losses and draw them.

        Parameters
        ----------
        estimator : sklimb classifier, or Pipeline that ends in one
            Fitted.
        X : array-like or data frame of shape (n_samples, n_features)
            By rights the training rows.
        y : array-like of shape (n_samples,)
        directions, other, span, n_points, batch_norm : optional
            As in `sklimb.analysis.loss_landscape`.
        by_class : bool, default=True
            Whether the mean loss of each class is drawn, too.
        sample_weight, random_state : optional
            As in `sklimb.analysis.loss_landscape`.
        panels, member, ax : optional
            As in `plot`.

        Returns
        -------
        display : LandscapeDisplay

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            A search; what `loss_landscape` refuses.
        """
        clf, X = classifier_and_rows(cls, estimator, X, "net_")
        if other is not None:
            other, _ = classifier_and_rows(cls, other, None, "net_")
        result = loss_landscape(
            clf,
            X,
            y,
            directions,
            other,
            span=span,
            n_points=n_points,
            batch_norm=batch_norm,
            sample_weight=sample_weight,
            random_state=random_state,
        )
        return cls.from_results(
            result, by_class=by_class, panels=panels, member=member, ax=ax
        )

    @classmethod
    def from_results(cls, result, *, by_class=True, panels=None, member=0, ax=None):
        """Draw what `sklimb.analysis.loss_landscape` has returned.

        Parameters
        ----------
        result : LossLandscape
            Along one or two directions, or to another fit.
        by_class : bool, default=True
            Whether the mean loss of each class with rows is drawn, too.
        panels, member, ax : optional
            As in `plot`.

        Returns
        -------
        display : LandscapeDisplay
        """
        losses = {"all rows": result.loss_members}
        if by_class:
            for i, label in enumerate(result.classes):
                own = result.class_loss_members[..., i]
                if not np.isnan(own).all():
                    losses[f"class {label}"] = own
        b = result.positions if result.directions == 2 else None
        display = cls(losses, result.positions, b, between=result.to_other)
        return display.plot(ax, panels=panels, member=member)

    def plot(self, ax=None, *, panels=None, member=0):
        """Draw lines over one direction, or contours over two.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of them, default=None
            One for each panel, or one as a frame of all. None makes a figure.
        panels : list of str, default=None
            Which of `losses` to draw; None draws all.
        member : int, default=0
            Whose surface is drawn; of lines all members are.

        Returns
        -------
        self : LandscapeDisplay

        Raises
        ------
        ValueError
            A panel without values, too few Axes, no such member.
        """
        names = chosen_panels(panels, self.losses)
        if self.b is None:
            self.figure_, self.ax_ = make_panels("LandscapeDisplay.plot", ax)
            self._draw_lines(self.ax_[0], names)
            return self
        across = min(len(names), _COLUMNS)
        size = (1.2 + 3.6 * across, 0.4 + 3.2 * -(-len(names) // across))
        self.figure_, self.ax_ = make_panels(
            "LandscapeDisplay.plot", ax, len(names), columns=across, size=size
        )
        for own, name in zip(self.ax_, names, strict=True):
            self._draw_surface(own, name, member)
        return self

    def _draw_lines(self, ax, names):
        """One line per name: the mean of members, and each of them as a thin one."""
        drawn = []
        for i, name in enumerate(names):
            values = np.asarray(self.losses[name], dtype=float)
            drawn.append(values.ravel())
            if len(values) > 1:
                ax.plot(self.a, values.T, linewidth=0.7, alpha=0.4, **look(i))
            ax.plot(self.a, values.mean(0), label=text(name), linewidth=1.8, **look(i))
        ends = {0: "fit"} if not self.between else {0: "first fit", 1: "second fit"}
        for at, name in ends.items():
            ax.axvline(at, color=GREY, linestyle=":", linewidth=1, zorder=0)
            ax.annotate(
                name,
                (at, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, -10),
                textcoords="offset points",
                fontsize="small",
                color=GREY,
            )
        if _is_wide(np.concatenate(drawn)):
            ax.set_yscale("log")
        ax.set_xlabel(
            "position between the fits"
            if self.between
            else "position on a random direction (filter norms)"
        )
        ax.set_ylabel("loss per row (nats)")
        tidy(ax)
        ax.legend(fontsize="small")

    def _draw_surface(self, ax, name, member):
        """Filled contours, with a cross at the fit."""
        values = np.asarray(self.losses[name], dtype=float)
        if not 0 <= member < len(values):
            raise ValueError(
                f"member must be at least 0 and below {len(values)}, got "
                f"{short(member)}."
            )
        from matplotlib.colors import LogNorm

        own = np.ma.masked_invalid(values[member].T)
        low, high = own.min(), own.max()
        levels, norm = np.linspace(low, max(high, low + 1e-12), _LEVELS), None
        if _is_wide(own.compressed()):
            levels, norm = np.geomspace(low, high, _LEVELS), LogNorm(low, high)
        filled = ax.contourf(
            self.a, self.b, own, levels=levels, norm=norm, cmap="viridis"
        )
        ax.plot(0, 0, "x", color="white", markersize=9, markeredgewidth=2)
        bar = self.figure_.colorbar(
            filled, ax=ax, ticks=levels[:: _LEVELS // 4], format="%.2g"
        )
        bar.set_label("loss per row (nats)")
        ax.set_title(text(name), fontsize="medium")
        ax.set_xlabel("first direction")
        ax.set_ylabel("second direction")


def _is_wide(values):
    """Whether losses differ so much that a logarithm shows more."""
    values = values[np.isfinite(values)]
    return len(values) > 0 and values.min() > 0 and values.max() > _WIDE * values.min()
