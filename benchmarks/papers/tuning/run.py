"""Does an MLP with SAM-A and smoothing beat its rivals once all of them are tuned?

Table 6 of Shwartz-Ziv et al., "Simplifying Neural Network Training Under Class
Imbalance" (2023), by the protocol of its Appendix A.9.1: every model of every table is
tuned by Optuna's TPE, as many trials for each, by its accuracy on the validation rows
alone; the best setting is fitted with five seeds and their ensemble tested. One split,
shared by all models and seeds; all models stop by the log loss of the validation rows.
The spaces are Gorishniy et al.'s (2022).

    SKLIMB_DATA=... python benchmarks/papers/tuning/run.py --device cuda --jobs 1
    SKLIMB_DATA=... python benchmarks/papers/tuning/run.py --quick

full: 100 trials, all rows, three groups of five seeds; one GPU. quick: 10 trials, 1,500
rows, Adult and Otto, boosted trees and MLPs. A stopped run goes on where it stopped.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.common.report import markdown
from benchmarks.papers.common.fits import fit_missing, found, kept_fits, read_arguments
from benchmarks.papers.common.published import GORISHNIY, SIMPLIFYING, SIMPLIFYING_NOTES
from benchmarks.papers.common.report import (
    cell,
    claims_in_short,
    claims_table,
    record,
    write_results,
)
from benchmarks.papers.simplifying.report import (
    TITLES,
    accuracy_table,
    claims,
    draw,
    other_scores,
    summarise,
)
from benchmarks.papers.tuning.measure import MODELS, parameters, run_trial, run_tuned

TABLES = ("adult", "otto", "covertype")
SCALES = {
    "full": {
        "tables": TABLES,
        "models": MODELS,
        "trials": 100,
        "startup": 10,
        "groups": 3,
        "rows": 0,
        "rounds": 2000,
        "fixed": {"max_epochs": 200},
        "limits": {"d_block": 1024, "n_blocks": 8, "embedding": 128},
    },
    "quick": {
        "tables": ("adult", "otto"),
        "models": ("xgboost", "mlp", "mlp_sam"),
        "trials": 10,
        "startup": 5,
        "groups": 1,
        "rows": 1500,
        "rounds": 400,
        "fixed": {"max_epochs": 30, "batch_size": 64},
        "limits": {"d_block": 128, "n_blocks": 3, "embedding": 32},
    },
    "tiny": {
        "tables": ("adult",),
        "models": MODELS,
        "trials": 2,
        "startup": 1,
        "groups": 1,
        "rows": 300,
        "rounds": 3,
        "fixed": {"max_epochs": 1, "batch_size": 64},
        "limits": {"d_block": 32, "n_blocks": 1, "embedding": 4},
    },
}
# As in `simplifying`: Otto's numbers are taken as they are.
OF_TABLE = {"otto": {"numeric_transform": None}}


def settings_of(scale, name, model):
    """What a fit of a model needs to run."""
    names = ("rows", "rounds", "fixed", "limits", "startup")
    settings = {key: scale[key] for key in names}
    if model.startswith("mlp"):
        settings["fixed"] = {**scale["fixed"], **OF_TABLE.get(name, {})}
    return settings


def tune(args, kept, scale, tables, models):
    """{(table, model): its trials so far}, of each a round after the other."""
    history = {(name, model): [] for name in tables for model in models}
    for number in range(scale["trials"]):
        jobs = [
            (
                (*own, number),
                {
                    **settings_of(scale, *own),
                    # What came before decides what comes next.
                    "history": [(t["suggested"], t["validation"]) for t in trials],
                },
            )
            for own, trials in history.items()
            if len(trials) == number
        ]
        for key in fit_missing(args, kept, run_trial, jobs):
            if key in kept:
                history[key[:2]].append(kept.rows[key])
    return history


def best(trials):
    """The trial with the highest accuracy on the validation rows, the first of them."""
    return max(trials, key=lambda trial: trial["validation"])


def trials_table(history):
    """Markdown: what was chosen, by how many trials."""
    rows = []
    for (name, model), trials in history.items():
        if trials:
            chosen = parameters(best(trials)["suggested"])
            text = ", ".join(f"{k} {v:.3g}" for k, v in chosen.items())
            own = [f"{name}: {TITLES[model]}", len(trials)]
            own += [cell(v(t["validation"] for t in trials)) for v in (min, max)]
            rows.append([*own, text])
    head = ["", "trials", "worst on validation rows", "best", "chosen"]
    return markdown(head, rows)


def main(argv=None):
    args = read_arguments(__doc__, argv, ("tables", TABLES), ("models", MODELS))
    scale = SCALES[args.scale]
    tables = [name for name in scale["tables"] if name in args.tables]
    models = [model for model in scale["models"] if model in args.models]
    measured = ("tuning.measure", "simplifying.measure")
    key = ("table", "model", "trial", "digest")
    trials = kept_fits(args, "tuning-trials", key, *measured)
    history = tune(args, trials, scale, tables, models)
    jobs = [
        (
            (*own, group),
            {
                **settings_of(scale, *own),
                "chosen": parameters(best(lines)["suggested"]),
            },
        )
        for own, lines in history.items()
        if len(lines) == scale["trials"]
        for group in range(scale["groups"])
    ]
    kept = kept_fits(args, "tuning", ("table", "model", "group", "digest"), *measured)
    keys = fit_missing(args, kept, run_tuned, jobs)
    rows, missing = found(kept, keys)
    if not rows:
        raise SystemExit("No model is tuned yet.")
    missing += (len(history) - len(jobs) // scale["groups"]) * scale["groups"]
    tried = [trial for lines in history.values() for trial in lines]
    summary = summarise(rows)
    lines = claims(summary)
    content = record(
        __doc__,
        args,
        scale,
        rows + tried,
        missing_fits=missing,
        trials={", ".join(own): len(lines) for own, lines in history.items()},
        published={"S002": SIMPLIFYING, "gorishniy": GORISHNIY},
        notes=list(SIMPLIFYING_NOTES),
        claims=lines,
        ours=summary,
    )
    parts = [
        "**Table 6 by the protocol of A.9.1.** S002: what S002 prints. Published: "
        f"Gorishniy et al. (2022).\n\n{accuracy_table(summary)}",
        f"**What accuracy hides.**\n\n{other_scores(summary)}",
        f"**Trials.** As many for each model.\n\n{trials_table(history)}",
        f"**Claims.**\n\n{claims_in_short(lines)}\n\n{claims_table(lines)}",
        "\n".join(f"- {note}" for note in SIMPLIFYING_NOTES),
    ]
    write_results(args, "tuning", content, parts, draw(summary, {}, args.scale))


if __name__ == "__main__":
    main()
