"""SpectrumDisplay: extreme eigenvalues of the Hessian of the loss."""

import numpy as np

from sklimb.analysis import hessian_eigenvalues
from sklimb.metrics._checks import check_column
from sklimb.plots._draw import look, make_panels, text, tidy
from sklimb.plots._inputs import classifier_and_rows


class SpectrumDisplay:
    """Largest and smallest eigenvalues of the Hessian, of all rows or by class.

    It is recommended to make one by `from_estimator` or `from_results`.

    Parameters
    ----------
    largest : dict of str to array of shape (n_members, k), default=None
        Eigenvalues from the largest down, by what they are of: all rows, or a class.
    smallest : dict of str to array of shape (n_members, k), default=None
        From the smallest up.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklimb.plots import SpectrumDisplay
    >>> display = SpectrumDisplay({"all rows": [[9.0, 3.0, 1.0]]}).plot()
    >>> plt.close(display.figure_)
    """

    def __init__(self, largest=None, smallest=None):
        self.largest = largest
        self.smallest = smallest

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        k=10,
        which="largest",
        by_class=False,
        sample_weight=None,
        random_state=0,
        ax=None,
    ):
        """Compute the eigenvalues and draw them.

        Parameters
        ----------
        estimator : sklimb classifier, or Pipeline that ends in one
            Fitted.
        X : array-like or data frame of shape (n_samples, n_features)
            By rights the training rows.
        y : array-like of shape (n_samples,)
        k, which, sample_weight, random_state : optional
            As in `sklimb.analysis.hessian_eigenvalues`.
        by_class : bool, default=False
            Whether the mean loss of each class with rows has a spectrum, too.
        ax : matplotlib Axes, default=None
            As in `plot`.

        Returns
        -------
        display : SpectrumDisplay

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            A search; what `hessian_eigenvalues` refuses.
        """
        clf, X = classifier_and_rows(cls, estimator, X, "net_")
        labels = check_column("y", y)
        subsets = {"all rows": None}
        if by_class:
            there = [c for c in clf.classes_.tolist() if (labels == c).any()]
            subsets.update({f"class {c}": [c] for c in there})
        results = {
            name: hessian_eigenvalues(
                clf,
                X,
                y,
                k,
                which,
                classes,
                sample_weight=sample_weight,
                n_probes=2,  # for the trace, which is not drawn
                random_state=random_state,
            )
            for name, classes in subsets.items()
        }
        return cls.from_results(results, ax=ax)

    @classmethod
    def from_results(cls, results, *, ax=None):
        """Draw what `sklimb.analysis.hessian_eigenvalues` has returned.

        Parameters
        ----------
        results : HessianSpectrum, or dict of label to HessianSpectrum
            Of all rows, or by class.
        ax : matplotlib Axes, default=None
            As in `plot`.

        Returns
        -------
        display : SpectrumDisplay
        """
        if not isinstance(results, dict):
            results = {"all rows": results}
        ends = []
        for end in ("largest", "smallest"):
            found = {name: getattr(r, end) for name, r in results.items()}
            ends.append({n: v for n, v in found.items() if v is not None} or None)
        return cls(*ends).plot(ax)

    def plot(self, ax=None):
        """Draw the eigenvalues by their rank, a line for each member.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        self : SpectrumDisplay

        Raises
        ------
        ValueError
            There are no eigenvalues.
        """
        if not self.largest and not self.smallest:
            raise ValueError("SpectrumDisplay needs eigenvalues, got none.")
        self.figure_, (self.ax_,) = make_panels("SpectrumDisplay.plot", ax)
        ax, drawn = self.ax_, []
        names = list(dict.fromkeys([*(self.largest or ()), *(self.smallest or ())]))
        both = bool(self.largest) and bool(self.smallest)
        for end, marker, found in (
            ("largest", "o", self.largest or {}),
            ("smallest", "v", self.smallest or {}),
        ):
            for name, values in found.items():
                values = np.atleast_2d(np.asarray(values, dtype=float))
                drawn.append(values.ravel())
                label = f"{text(name)}, {end}" if both else text(name)
                for k, own in enumerate(values):
                    ax.plot(
                        np.arange(1, len(own) + 1),
                        own,
                        marker=marker,
                        markersize=4,
                        label=label if k == 0 else None,
                        **look(names.index(name)),
                    )
        values = np.concatenate(drawn)
        values = values[np.isfinite(values)]
        if len(values) and values.max() > 0:
            if values.min() > 0:
                ax.set_yscale("log")
            else:  # linear around 0, where a logarithm cannot go
                ax.set_yscale("symlog", linthresh=np.abs(values).max() / 100)
        end = "smallest" if not self.largest else "largest"
        ax.set_xlabel("rank" if both else f"rank, from the {end}")
        ax.set_ylabel("eigenvalue of the Hessian of the loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        tidy(ax)
        ax.legend(fontsize="small")
        return self
