"""What both workflows report: a table, a picture and a paragraph of advice.

Everything here works on test labels and predicted probabilities alone, so it can be
copied next to any other set of classifiers.
"""

import textwrap

import matplotlib
import numpy as np
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import (
    PrecisionRecallDisplay,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)
from sklearn.utils import resample

from sklimb.metrics import recall_at_false_positive_rate

matplotlib.use("Agg")  # files only: no display is needed
import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter

DIGITS = {"± SE": 3, "ROC AUC": 3, "fit seconds": 2}


def score(y, p, prior, sample_weight=None):
    """All figures of one classifier, `p` being its probabilities of class 1.

    A probability is turned into a label at two thresholds: 0.5, which finds almost no
    positive when they are rare and the probabilities are right, and the share of
    positives among the training rows (`prior`), which is the best threshold for
    balanced accuracy when the probabilities are right.
    """
    weight = {"sample_weight": sample_weight}
    return {
        "ROC AUC": roc_auc_score(y, p, **weight),
        "average precision": average_precision_score(y, p, **weight),
        "log loss": log_loss(y, p, **weight),
        "Brier score": brier_score_loss(y, p, **weight),
        "balanced accuracy (p>prior)": balanced_accuracy_score(y, p > prior, **weight),
        "balanced accuracy (p>0.5)": balanced_accuracy_score(y, p > 0.5, **weight),
        "recall at 1 % false positives": recall_at_false_positive_rate(y, p, **weight),
    }


def bootstrap(y, probabilities, sample_weight=None, quick=False):
    """Average precision and log loss of every classifier on re-drawn test rows.

    All classifiers meet the same re-drawn rows, so that the standard deviation of the
    difference of two columns is the standard error of a paired comparison.

    Returns
    -------
    dict of str to DataFrame of shape (n_draws, n_classifiers)
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    metrics = {"average precision": average_precision_score, "log loss": log_loss}
    draws = {metric: [] for metric in metrics}
    for seed in range(20 if quick else 100):
        rows = resample(np.arange(len(y)), random_state=seed)
        for metric, function in metrics.items():
            draws[metric].append(
                {
                    name: function(y[rows], p[rows], sample_weight=weight[rows])
                    for name, p in probabilities.items()
                }
            )
    return {metric: pd.DataFrame(lines) for metric, lines in draws.items()}


def results_table(y, probabilities, seconds, draws, *, prior, sample_weight=None):
    """One row a classifier, best average precision first."""
    table = pd.DataFrame(
        {name: score(y, p, prior, sample_weight) for name, p in probabilities.items()}
    ).T
    place = table.columns.get_loc("average precision") + 1
    table.insert(place, "± SE", draws["average precision"].std())
    table["fit seconds"] = pd.Series(seconds, dtype=float)
    table.index.name = "classifier"
    return table.sort_values("average precision", ascending=False)


def show_and_save(table, title, path):
    """Print a table, rounded, and write `path`.md and, with all digits, `path`.csv."""
    shown = table.copy()
    for column in shown.select_dtypes("number"):
        text = f"{{:.{DIGITS.get(column, 4)}f}}".format
        shown[column] = table[column].map(text, na_action="ignore").fillna("-")
    as_it_is = {
        "disable_numparse": True,
        "colalign": ["left", *["right"] * shown.shape[1]],
    }
    headers = [textwrap.fill(name, 10) for name in ["", *shown]]
    print(f"\n{title}\n")
    print(shown.to_markdown(tablefmt="simple", headers=headers, **as_it_is), "\n")
    markdown = shown.to_markdown(**as_it_is)
    path.with_suffix(".md").write_text(f"# {title}\n\n{markdown}\n")
    table.to_csv(path.with_suffix(".csv"))


def plot_curves(y, probabilities, title, path, *, order, sample_weight=None, rare=None):
    """Precision-recall and calibration curves of all classifiers in one PNG.

    Calibration curves group the test rows into ten equally large bins by predicted
    probability. scikit-learn's take no sample weights: with weights they are left out.
    Probabilities above `rare` are drawn on a logarithmic scale, because nearly all
    rows of rare fraud lie in a corner of a linear one. A classifier has the colour of
    its place in `order`, in every picture the same.
    """
    n_panels = 1 if sample_weight is not None else 2
    figure, axes = plt.subplots(
        1, n_panels, figsize=(6.4 * n_panels, 6.2), squeeze=False
    )
    axes = axes[0]
    colours = plt.get_cmap("tab10").colors
    for name, p in probabilities.items():
        if name == TRUTH:
            style = {"color": "black", "linestyle": "--", "linewidth": 1.5}
        else:
            style = {"color": colours[order.index(name)], "linewidth": 1.5}
        PrecisionRecallDisplay.from_predictions(
            y, p, sample_weight=sample_weight, ax=axes[0], name=name, curve_kwargs=style
        )
        if n_panels == 2:
            CalibrationDisplay.from_predictions(
                y,
                p,
                n_bins=10,
                strategy="quantile",
                ax=axes[1],
                name=name,
                ref_line=False,
                marker="o",
                markersize=4,
                **style,
            )
    lines = list(axes[0].get_lines())
    grey = {"color": "grey", "linewidth": 1.5, "linestyle": ":"}
    share = np.average(y, weights=sample_weight)
    lines.append(axes[0].axhline(share, **grey))
    axes[0].set(
        xlabel="recall", ylabel="precision", title="Precision-recall", xlim=(0, 1)
    )
    if n_panels == 2:
        _finish_calibration(axes[1], rare, grey)
    for panel in axes:
        panel.set_aspect("auto")
        panel.grid(alpha=0.3)
        if panel.get_legend() is not None:
            panel.get_legend().remove()
    figure.suptitle(title)
    n_columns = 1 + n_panels
    figure.legend(
        lines,
        [*probabilities, "chance" if n_panels == 1 else "chance / perfect calibration"],
        loc="lower center",
        ncols=n_columns,
        frameon=False,
    )
    figure.tight_layout(rect=(0, 0.02 + 0.04 * -(-len(lines) // n_columns), 1, 1))
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(f"Wrote {path}")


def _finish_calibration(panel, rare, grey):
    """Scale, limits, labels and the line of perfect calibration."""
    points = np.concatenate([line.get_xydata() for line in panel.get_lines()])
    high = min(1.0, 1.1 * points.max())
    panel.plot([0, high], [0, high], **grey)
    if rare is not None:
        panel.set_xscale("symlog", linthresh=rare)
        panel.set_yscale("symlog", linthresh=rare)
        ticks = [tick for tick in (0, 0.5 * rare, rare, 0.1, 1.0) if tick <= high]
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_locator(FixedLocator(ticks))
            axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
    panel.set(
        xlim=(0, high),
        ylim=(0, high),
        xlabel="mean predicted probability of a bin",
        ylabel="share of positives in the bin",
        title="Calibration, ten bins of equal size"
        + (f", logarithmic above {rare}" if rare else ""),
    )


TRUTH = "true probability"


def advise(y, probabilities, table, draws, data_name):
    """One paragraph: which classifier to take, and why, from the figures alone.

    The rule: of the classifiers within two standard errors of the best average
    precision, keep those within two standard errors of their best log loss. Take the
    first of them, or the fastest if it needs less than half of the first one's time.
    Standard errors are those of the paired difference.
    """
    table = table.drop(index=TRUTH, errors="ignore")
    precision, loss = table["average precision"], table["log loss"]
    first, second = precision.index[:2]
    gap, error = _gap(precision, draws["average precision"], second, first)
    by_loss = loss.sort_values().index
    loss_gap, loss_error = _gap(loss, draws["log loss"], by_loss[1], by_loss[0])
    ranked = [name for name in table.index if _tied(precision, draws, name, first)]
    best_loss = loss[ranked].idxmin()
    honest = [name for name in ranked if _tied(loss, draws, name, best_loss)]
    seconds = table.loc[honest, "fit seconds"]
    take = honest[0] if seconds[honest[0]] < 2 * seconds.min() else seconds.idxmin()

    said = [
        f"{data_name}: {len(y):,} test rows, {int(y.sum()):,} of them positive.",
        f"The best average precision is that of {first}, {precision[first]:.3f} "
        f"(standard error {table.loc[first, '± SE']:.3f}); {second} comes second, "
        f"{abs(gap):.3f} behind: {_words(gap, error)}.",
        f"The best log loss is that of {by_loss[0]}, {loss[by_loss[0]]:.4f}, before "
        f"{by_loss[1]} by {abs(loss_gap):.4f}: {_words(loss_gap, loss_error)}.",
        f"Take {take}: {_reason(ranked, honest, take, table)}",
    ]
    if "sklimb" not in take:
        ours = precision[[name for name in table.index if "sklimb" in name]].idxmax()
        gap, error = _gap(precision, draws["average precision"], ours, take)
        word = "behind" if gap < 0 else "ahead"
        said.append(
            f"The best of ours, {ours}, is {abs(gap):.3f} {word} in average precision "
            f"({_words(gap, error)}), has a log loss of {loss[ours]:.4f} against "
            f"{loss[take]:.4f} and fits in {_seconds(table, ours)} against "
            f"{_seconds(table, take)}."
        )
    said.append("All this is one split of the rows and one seed.")
    return " ".join(said)


def _gap(scores, draws, name, other):
    """Difference of two classifiers and its paired standard error."""
    return scores[name] - scores[other], (draws[name] - draws[other]).std()


def _tied(scores, draws, name, best):
    """Whether `name` is within two standard errors of `best`."""
    gap, error = _gap(scores, draws[scores.name], name, best)
    return name == best or abs(gap) <= 2 * error


def _words(gap, error):
    """What a difference is worth, given its standard error."""
    if error == 0:
        return "the two predict the same"
    if abs(gap) <= error:
        verdict = "not told apart by these rows"
    elif abs(gap) <= 2 * error:
        verdict = "a hint, no proof"
    else:
        verdict = "hardly chance"
    return f"{abs(gap) / error:.1f} standard errors, {verdict}"


def _seconds(table, name):
    return f"{table.loc[name, 'fit seconds']:.2g} s"


def _reason(ranked, honest, take, table):
    """Why `take` was taken."""
    if ranked == [take]:
        why = "no other is within two standard errors of its average precision"
    elif honest == [take]:
        why = (
            f"{_and(ranked)} are within two standard errors in average precision, and "
            "of these it has the best log loss by more than two"
        )
    else:
        rank = (
            "has the best average precision"
            if take == honest[0]
            else "fits fastest by far"
        )
        why = (
            f"{_and(honest)} are within two standard errors in average precision and "
            f"in log loss, and of these it {rank}"
        )
    return f"{why}. One fit takes {_seconds(table, take)} on one core."


def _and(names):
    return f"{', '.join(names[:-1])} and {names[-1]}"


def smote_sentence(y, probabilities, table, outside, inside):
    """What re-sampling outside of the classifier does to its probabilities."""
    mean = {name: probabilities[name].mean() for name in (outside, inside)}
    loss = table["log loss"]
    return (
        f"Mind the probabilities after SMOTE: as a step of the Pipeline the classifier "
        f"cannot know of it and predicts {mean[outside]:.1%} positives on average "
        f"where {y.mean():.1%} are, with a log loss of {loss[outside]:.4f}; "
        f"sampler='smote' divides the shift out: {mean[inside]:.1%} and "
        f"{loss[inside]:.4f}."
    )


def print_paragraph(sentences, path):
    """Print and write one paragraph."""
    text = textwrap.fill(" ".join(sentences), 88)
    print(f"{text}\n")
    path.write_text(f"{text}\n")
