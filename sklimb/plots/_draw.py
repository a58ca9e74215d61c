"""What all Displays share: axes, colours, line styles and texts of labels."""

import numpy as np

from sklimb._compat import check_matplotlib_support
from sklimb._messages import listed, short

# Okabe and Ito, "Color Universal Design", 2008, without the yellow, which is pale on
# white. Line styles and markers tell the same apart without colours.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#777777"
# Share of positives below which axes of probabilities and rows are logarithmic.
RARE = 0.05
# Characters of a label, which is cut in the middle.
_WIDTH = 28
# Labels of an axis with one line per class or column: more are thinned out.
_MOST_LABELS = 60


def make_panels(caller, ax, n=1, *, columns=1, size=(6.4, 4.8)):
    """The figure and an array of `n` Axes to draw on.

    Parameters
    ----------
    caller : str
        For the message where matplotlib is missing.
    ax : Axes, sequence of n Axes, or None
        None makes a figure. One Axes for several panels becomes their frame.
    n : int
    columns : int
        Panels side by side; the others are below them.
    size : (float, float)
        Width and height of a new figure in inches.
    """
    check_matplotlib_support(caller)
    columns = min(columns, n)
    n_rows = -(-n // columns)
    if ax is None:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(
            n_rows, columns, figsize=size, squeeze=False, layout="constrained"
        )
        for spare in axes.ravel()[n:]:
            spare.remove()
        return figure, axes.ravel()[:n]
    if np.ndim(ax):
        axes = np.asarray(ax, dtype=object).ravel()
        if len(axes) != n:
            raise ValueError(
                f"ax must be one Axes, or {n}, one for each panel, got {len(axes)}."
            )
        return axes[0].figure, axes
    if n == 1:
        return ax.figure, np.array([ax], dtype=object)
    ax.set_axis_off()
    gap = 0.06 if columns == 1 else 0.14  # of panels in a column only one has labels
    width, height = (
        (1 - gap * (columns - 1)) / columns,
        (1 - gap * (n_rows - 1)) / n_rows,
    )
    inside = []
    for i in range(n):
        row, column = divmod(i, columns)
        left, top = column * (width + gap), 1 - row * (height + gap)
        inside.append(ax.inset_axes((left, top - height, width, height)))
    return ax.figure, np.array(inside, dtype=object)


def chosen_panels(panels, names):
    """The panels to draw: those that are asked for, or all that there are."""
    if panels is None:
        return list(names)
    asked = [panels] if isinstance(panels, str) else list(panels)
    if not asked or not set(asked) <= set(names):
        raise ValueError(
            f"panels must be among {listed(names)}, got {short(panels)}: there are no "
            "values for others."
        )
    return asked


def stacked(axes, xlabel):
    """Name the x axis of panels that stand below each other, once."""
    for ax in axes[:-1]:
        ax.tick_params(labelbottom=False)
    axes[-1].set_xlabel(xlabel)


def text(value):
    """A label or name of the user as text that matplotlib shows as it is."""
    found = " ".join(str(value).split())
    if len(found) > _WIDTH:
        half = _WIDTH // 2 - 1
        found = f"{found[:half]}...{found[-half:]}"
    found = found.replace("$", r"\$")  # no formula
    return f" {found}" if found.startswith("_") else found  # else no legend shows it


def look(i):
    """Colour and line style of the i-th line."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "linestyle": STYLES[i // len(COLOURS) % len(STYLES)],
    }


def lines_of_labels(ax, names, *, ready=False):
    """One line per name on the y axis, the first on top.

    Names that are `ready` have gone through `text`.
    """
    n = len(names)
    step = -(-n // _MOST_LABELS)
    at = np.arange(0, n, step)
    ax.set_yticks(at, [names[i] if ready else text(names[i]) for i in at])
    ax.set_ylim(n - 0.5, -0.5)
    ax.grid(axis="y", alpha=0.3)


def height_of(n):
    """Inches of a figure with one line per class or column."""
    return min(max(2.4, 1.2 + 0.28 * n), 14.0)


def tidy(ax):
    """A light grid, and no frame where nothing is measured."""
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)


def scale_of(scale, share):
    """ "linear" or "log" for an axis; "auto" is "log" where positives are rare."""
    if scale not in ("auto", "linear", "log"):
        raise ValueError(
            f"scale must be 'auto', 'linear' or 'log', got {short(scale)}."
        )
    if scale != "auto":
        return scale
    return "log" if share < RARE else "linear"
