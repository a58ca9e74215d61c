"""Why was this loan refused? Three reasons each, in the applicant's own figures.

What it shows: one `sklimb.TabularMLPClassifier` with `temperature_scaling` scores loan
applications; those with the highest probability of default are refused. `explain` says
what each column adds to the log odds of a default, against an applicant in the middle
of those who paid and those who did not (the class-balanced median row). The columns add
up to the whole difference, so nothing is left out; the three that add most are the
reasons.

They are reasons of the classifier, not of the world: a column that stands for another
gets a part of its share, and to change it need not change the risk.

Run it with

    python examples/loan_reasons.py --out demo_output

It reads the LendingClub loans from the folder that the environment variable SKLIMB_DATA
names, and simulates card transactions where they are not. `--quick` runs through in
seconds on a part of the rows; its figures mean nothing.
"""

import _report as report
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from loan_workflow import load_loans, start
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from sklimb import TabularMLPClassifier
from sklimb.explanation import baseline_values

# The share of the applications that is refused, and the refused that are explained.
REFUSED, EXPLAINED, REASONS = 0.1, 5, 3


def main(argv=None):
    """Fit, refuse and say why."""
    start(run, __doc__, argv)


def run(args):
    name, X, y = load_loans(args.quick)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=0
    )
    clf = TabularMLPClassifier(
        n_members=1,
        validation_folds=None,
        d_block=64,
        batch_size=512,
        n_iter_no_change=8,
        max_epochs=20 if args.quick else 200,
        temperature_scaling=True,
        random_state=0,
    ).fit(X_train, y_train)
    p = clf.predict_proba(X_test)[:, 1]
    worst_first = np.argsort(-p, kind="stable")
    refused = worst_first[: max(EXPLAINED, int(REFUSED * len(p)))]
    print(
        f"Data: {name}, {len(y_train):,} training and {len(y_test):,} test rows; "
        f"{len(refused):,} of these are refused, with a probability of default of at "
        f"least {p[refused].min():.1%}. ROC AUC {roc_auc_score(y_test, p):.3f}."
    )
    rows = X_test.iloc[refused]
    shares = clf.explain(rows)
    table = reasons(rows, p[refused], shares, baseline_values(clf))
    table.to_csv(args.out / "loan_reasons.csv", index=False)
    first = table[table["rank"] < EXPLAINED].drop(columns=["rank", "row"])
    shown = first.set_index("applicant")
    title = f"Three reasons each: the {EXPLAINED} most likely defaults of {name}"
    show(shown, title, args.out / "loan_reasons.md")
    plot_reasons(
        shares[:EXPLAINED],
        list(X.columns),
        first["applicant"].unique(),
        title,
        args.out / "loan_reasons.png",
    )
    rates = y_test[refused].mean(), y_test.mean()
    report.print_paragraph(
        sentences(table, shares, rates), args.out / "loan_reasons.txt"
    )


def reasons(rows, p, shares, middle):
    """A line for each of the columns that add most to each row's log odds.

    Parameters
    ----------
    rows : data frame
    p : array of shape (rows,)
        Probabilities of default.
    shares : array of shape (rows, columns)
        What `explain` gives.
    middle : list
        The row that they are compared with.
    """
    lines = []
    for i, own in enumerate(shares):
        for j in np.argsort(-own, kind="stable")[:REASONS]:
            if own[j] <= 0:  # fewer columns than that speak against the applicant
                break
            lines.append(
                {
                    "rank": i,
                    "row": rows.index[i],
                    "applicant": f"{rows.index[i]} ({p[i]:.0%})",
                    "reason": rows.columns[j],
                    "value": rows.iloc[i, j],
                    "in the middle": middle[j],
                    "log odds": own[j],
                    "times the odds": np.exp(own[j]),
                }
            )
    return pd.DataFrame(lines)


def show(table, title, path):
    """Print a table and write it as Markdown."""
    shown = table.copy()
    for column in ("value", "in the middle"):
        shown[column] = [in_words(value) for value in table[column]]
    for column in ("log odds", "times the odds"):
        shown[column] = table[column].map("{:.2f}".format)
    how = {"disable_numparse": True}
    print(f"\n{title}\n\n{shown.to_markdown(tablefmt='simple', **how)}\n")
    path.write_text(f"# {title}\n\n{shown.to_markdown(**how)}\n")


def in_words(value):
    """A number with four digits, a category as it is."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "missing"
    return f"{value:.4g}" if isinstance(value, int | float | np.number) else str(value)


def plot_reasons(shares, names, applicants, title, path):
    """Bars of what the columns add, a panel an applicant; the smallest ones summed."""
    figure, axes = plt.subplots(
        1, len(shares), figsize=(3.4 * len(shares), 3.6), sharex=True
    )
    panels = zip(np.atleast_1d(axes), shares, applicants, strict=True)
    for panel, own, applicant in panels:
        order = np.argsort(-np.abs(own))
        most, rest = order[:6], order[6:]
        values = np.append(own[most], own[rest].sum())
        labels = [names[j] for j in most] + [f"{len(rest)} others"]
        colours = ["tab:red" if value > 0 else "tab:blue" for value in values]
        panel.barh(labels, values, color=colours)
        panel.invert_yaxis()
        panel.axvline(0, color="grey", linewidth=0.8)
        panel.set(xlabel="log odds of default", title=applicant)
        panel.tick_params(labelsize=8)
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(f"Wrote {path}")


def sentences(table, shares, rates):
    """What the refused have in common."""
    counts = table["reason"].value_counts()
    n = len(shares)
    common = [f"{name} ({count / n:.0%})" for name, count in counts.items()]
    kept = np.sort(shares, axis=1)[:, ::-1][:, :REASONS].clip(min=0).sum()
    against = shares.clip(min=0).sum()
    return [
        f"Of the refused {rates[0]:.1%} did default, of all applicants {rates[1]:.1%}.",
        f"The reasons most often given: {', '.join(common[:4])}.",
        f"The three reasons hold {kept / against:.0%} of all that speaks against the "
        "refused; the columns that are not named hold the rest.",
    ]


if __name__ == "__main__":
    main()
