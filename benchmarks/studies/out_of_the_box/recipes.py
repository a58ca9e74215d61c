"""Which recipe is as good as "auto" in less time? On the half that chooses only.

    SKLIMB_DATA=... python benchmarks/studies/out_of_the_box/recipes.py

A recipe says by the number of merged rows how networks are trained: folds and members,
rows per step, epochs, rate, schedule, widths. Each is compared with "auto" as it was
before the recipe, on the same splits. Prints and writes
results/out_of_the_box_recipes.md, losses too. A stopped run goes on where it stopped.
"""

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.common.kept import Kept, digest
from benchmarks.common.report import RESULTS, markdown
from benchmarks.out_of_the_box.measure import make_unit, run
from benchmarks.out_of_the_box.models import MODELS, ours
from benchmarks.out_of_the_box.run import KEY
from benchmarks.out_of_the_box.summary import NAMES, by_family, difference, mean_of
from benchmarks.out_of_the_box.tables import load, tables_of

# "auto" as it was when the study began: five folds of one patient network, of two
# below 1,000 merged rows.
TODAY = {
    "lr": 1e-3,
    "batch_size": 256,
    "max_epochs": 200,
    "n_iter_no_change": 16,
    "lr_schedule": "constant",
    "d_block": 256,
    "d_embedding": 16,
}


def today(n):
    return {**TODAY, "validation_folds": 5, "n_members": 2 if n < 1000 else 1}


def cosine(
    epochs,
    lr,
    steps=0,
    batch=256,
    least_batch=None,
    most_steps=None,
    folds=5,
    members=1,
    **own,
):
    """A cosine over `epochs`, or over more for `steps` steps.

    With `least_batch` an epoch of few rows has 16 steps, of at least so many rows; with
    `most_steps` one of many rows has so many, of more rows. `folds` may be None.
    """

    def settings(n):
        train = 0.8 * n
        rows = batch
        if least_batch is not None:
            rows = min(batch, max(least_batch, 2 ** round(math.log2(train / 16))))
        if most_steps is not None:
            rows = max(rows, 2 ** round(math.log2(train / most_steps)))
        each = math.ceil(train / rows)
        return {
            **TODAY,
            "validation_folds": folds,
            "n_members": members,
            "batch_size": rows,
            "lr": lr,
            "lr_schedule": "cosine",
            "max_epochs": max(epochs, math.ceil(steps / each)),
            **own,
        }

    return settings


NARROW = {"d_block": 128}


def floor(steps, **own):
    """The short training, with more epochs where rows are so few that steps are."""
    short = {"batch": 64, "least_batch": 32, "most_steps": 96}
    return cosine(20, 5e-3, steps=steps, **short, **NARROW, **own)


SLIM = {"d_block": 128, "d_embedding": 8}
RECIPES = {
    "today": ('"auto" as it was', today),
    "c40": ("cosine, 40 epochs", cosine(40, 3e-3, steps=240)),
    "n_c40": ("cosine, 40 epochs, width 128", cosine(40, 3e-3, steps=240, **NARROW)),
    "slim_c40": (
        "cosine, 40 epochs, width 128, embeddings of 8",
        cosine(40, 3e-3, steps=240, **SLIM),
    ),
    "b_n_c20": (
        "cosine, 20 epochs, width 128, 16 steps per epoch",
        cosine(20, 3e-3, least_batch=32, **NARROW),
    ),
    "b_n_c30": (
        "cosine, 30 epochs, width 128, 16 steps per epoch",
        cosine(30, 2e-3, least_batch=32, **NARROW),
    ),
    "b_n_c20_2": (
        "the same, two of each fold",
        cosine(20, 3e-3, least_batch=32, members=2, **NARROW),
    ),
    "b_n_c15": (
        "cosine, 15 epochs, width 128, 16 steps per epoch, lr 0.004",
        cosine(15, 4e-3, least_batch=32, **NARROW),
    ),
    "b_n_c20_lr5": (
        "cosine, 20 epochs, width 128, 16 steps per epoch, lr 0.005",
        cosine(20, 5e-3, least_batch=32, **NARROW),
    ),
    "b_slim_c20": (
        "cosine, 20 epochs, width 128, embeddings of 8, 16 steps per epoch",
        cosine(20, 3e-3, least_batch=32, **SLIM),
    ),
    "b_n_c20_10": (
        "cosine, 20 epochs, width 128, 16 steps per epoch, 10 folds",
        cosine(20, 3e-3, least_batch=32, folds=10, **NARROW),
    ),
    "lr5_2": (
        "the same, two of each fold",
        cosine(20, 5e-3, least_batch=32, members=2, **NARROW),
    ),
    "lr8": (
        "cosine, 20 epochs, width 128, 16 steps per epoch, lr 0.008",
        cosine(20, 8e-3, least_batch=32, **NARROW),
    ),
    "lr5_scales": (
        "lr 0.005, of each fold one with frequencies of 0.1 and one of 0.4",
        cosine(
            20,
            5e-3,
            least_batch=32,
            portfolio=[{"frequency_scale": 0.1}, {"frequency_scale": 0.4}],
            **NARROW,
        ),
    ),
    "b64_n_c20_lr5": (
        "cosine, 20 epochs, width 128, steps of at most 64 rows, lr 0.005",
        cosine(20, 5e-3, batch=64, least_batch=32, **NARROW),
    ),
    "b64_n_c30_lr5": (
        "cosine, 30 epochs, width 128, steps of at most 64 rows, lr 0.005",
        cosine(30, 5e-3, batch=64, least_batch=32, **NARROW),
    ),
    "b128_n_c30_lr5": (
        "cosine, 30 epochs, width 128, steps of at most 128 rows, lr 0.005",
        cosine(30, 5e-3, batch=128, least_batch=32, **NARROW),
    ),
    "chosen": (
        "cosine, 20 epochs, width 128, 16 to 96 steps of 32 rows or more, lr 0.005",
        cosine(20, 5e-3, batch=64, least_batch=32, most_steps=96, **NARROW),
    ),
    "chosen_2": (
        "the same, two of each fold",
        cosine(20, 5e-3, batch=64, least_batch=32, most_steps=96, members=2, **NARROW),
    ),
    "chosen_one": (
        "the same, one network with one split",
        cosine(20, 5e-3, batch=64, least_batch=32, most_steps=96, folds=None, **NARROW),
    ),
    "chosen_two": (
        "the same, two networks with one split",
        cosine(
            20,
            5e-3,
            batch=64,
            least_batch=32,
            most_steps=96,
            folds=None,
            members=2,
            **NARROW,
        ),
    ),
    "floor300": ("chosen, but at least 300 steps", floor(300)),
    "floor600": ("chosen, but at least 600 steps", floor(600)),
    "floor1000": ("chosen, but at least 1,000 steps", floor(1000)),
    "drop0": ("floor of 1,000 steps, no dropout", floor(1000, dropout=0.0)),
    "drop3": ("floor of 1,000 steps, dropout 0.3", floor(1000, dropout=0.3)),
    "decay03": ("floor of 1,000 steps, decay 0.3", floor(1000, weight_decay=0.3)),
    "decay1": ("floor of 1,000 steps, decay 1", floor(1000, weight_decay=1.0)),
    "decay3": ("floor of 1,000 steps, decay 3", floor(1000, weight_decay=3.0)),
    "scale03": (
        "floor of 1,000 steps, frequencies of 0.03",
        floor(1000, frequency_scale=0.03),
    ),
    "scale3": (
        "floor of 1,000 steps, frequencies of 0.3",
        floor(1000, frequency_scale=0.3),
    ),
    "lite": (
        'floor of 1,000 steps, "plr-lite"',
        floor(1000, num_embeddings="plr-lite"),
    ),
    "ple": ('floor of 1,000 steps, "ple"', floor(1000, num_embeddings="ple")),
    "dense": (
        'floor of 1,000 steps, "plr-dense"',
        floor(1000, num_embeddings="plr-dense"),
    ),
    "linear": ('floor of 1,000 steps, "linear"', floor(1000, num_embeddings="linear")),
    "one_block": ("floor of 1,000 steps, one hidden layer", floor(1000, n_blocks=1)),
    "smooth": (
        "floor of 1,000 steps, smoothing_eps 0.02",
        floor(1000, smoothing_eps=0.02),
    ),
    "floor600_end": (
        "chosen, but at least 600 steps, none stops before the end",
        floor(600, n_iter_no_change=1000),
    ),
    "floor300_end": (
        "chosen, but at least 300 steps, none stops before the end",
        floor(300, n_iter_no_change=1000),
    ),
    "floor1000_alone": (
        "chosen, but at least 1,000 steps, five networks with one split",
        floor(1000, folds=None, members=5),
    ),
    "rows32": (
        "chosen, but 32 rows a step below 3,840 rows",
        cosine(20, 5e-3, batch=32, least_batch=32, most_steps=96, **NARROW),
    ),
    "b64_n_c20": (
        "cosine, 20 epochs, width 128, steps of at most 64 rows",
        cosine(20, 3e-3, batch=64, least_batch=32, **NARROW),
    ),
    "b128_n_c20": (
        "cosine, 20 epochs, width 128, steps of at most 128 rows",
        cosine(20, 3e-3, batch=128, least_batch=32, **NARROW),
    ),
    "b128_n_c40": (
        "cosine, 40 epochs, width 128, steps of at most 128 rows",
        cosine(40, 3e-3, batch=128, least_batch=32, **NARROW),
    ),
    "b64_n_c20_s": (
        "cosine, 20 epochs, width 128, steps of at most 64 rows, frequencies of 0.3",
        cosine(20, 3e-3, batch=64, least_batch=32, frequency_scale=0.3, **NARROW),
    ),
    "b_c20": (
        "cosine, 20 epochs, width 256, 16 steps per epoch",
        cosine(20, 2e-3, least_batch=32),
    ),
}


# What benchmarks/out_of_the_box had fitted on the same splits when the study began.
PLAIN = {
    "one": {"n_members": 1, "validation_folds": None},
    "four": {"n_members": 4, "validation_folds": None},
    "folds": {"n_members": 1, "validation_folds": 5},
    "folds_of_two": {"n_members": 2, "validation_folds": 5},
}
MODELS.update({name: ours(name, **settings) for name, settings in PLAIN.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipes", nargs="+", default=None)
    parser.add_argument("--tables", nargs="+", default=None)
    parser.add_argument("--splits", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    path = args.results / "partial" / "out_of_the_box_recipes.jsonl"
    kept = Kept(path, KEY)
    add_plain(kept, args.results)
    names = args.recipes or ["catboost", *RECIPES]
    tables = args.tables
    if tables is None:
        sizes = {t: load(t, args.data_home).X.size for t in tables_of("chosen")}
        tables = sorted(sizes, key=sizes.get)
    if not args.report_only:
        for table in tables:
            for split in args.splits:
                fit_all(make_unit(table, split, args.data_home), names, kept, args)
    report(kept, args.results)


def add_plain(kept, folder):
    """Take the fits of plain models, and of what "auto" was, from the benchmark."""
    plain = Kept(folder / "partial" / "out_of_the_box.jsonl", KEY)
    for (table, split, name, _), line in plain.rows.items():
        if name not in (*PLAIN, "catboost"):
            continue
        kept.rows[(table, split, name, digest_of(name, line["n_merged"]))] = line
        if name == ("folds_of_two" if line["n_merged"] < 1000 else "folds"):
            own = digest_of("today", line["n_merged"])
            kept.rows[(table, split, "today", own)] = line


def digest_of(name, n_merged):
    """The model of a recipe, registered for so many rows, and its settings' digest.

    Without the package's version: a recipe is not another one for a release.
    """
    if name in RECIPES:
        title, settings = RECIPES[name]
        MODELS[name] = ours(title, **settings(n_merged))
    model = MODELS[name]
    return model.digest() if model.settings is None else digest(model.settings)


def fit_all(unit, names, kept, args):
    for name in names:
        code = digest_of(name, unit.n_merged)
        key = (unit.table, unit.split, name, code)
        if any(key[:2] + key[3:] == k[:2] + k[3:] for k in kept.rows):
            continue
        kept.add(run(unit, name, code, args.data_home))
        line = kept.rows[key]
        print(
            f"{unit.table} {unit.split} {name}: AP {line['average_precision']:.3f}, "
            f"log loss {line['log_loss']:.4f}, {line['fit_cpu_seconds']:.1f} s",
            flush=True,
        )


def collect(kept, name, other):
    """{table: {model: lines}} of the splits of which there are fits of both."""
    by_split = {}
    for (table, split, _, code), line in kept.rows.items():
        for model in (name, other):  # two recipes may be one for so many rows
            if code == digest_of(model, line["n_merged"]):
                by_split.setdefault(table, {}).setdefault(split, {})[model] = line
    found = {}
    for table, splits in by_split.items():
        both = [lines for lines in splits.values() if {name, other} <= set(lines)]
        if both:
            found[table] = {m: [lines[m] for lines in both] for m in (name, other)}
    return found


def ratio(found, name, other):
    """Time of one model per time of the other: mean over families of log ratios."""
    logs = {
        t: math.log(
            mean_of(v[name], "fit_cpu_seconds") / mean_of(v[other], "fit_cpu_seconds")
        )
        for t, v in found.items()
    }
    values = list(by_family(logs).values())
    return math.exp(sum(values) / len(values))


def report(kept, folder):
    """Write out_of_the_box_recipes.md."""
    parts = []
    for other, title in (
        ("today", '"auto" as it was'),
        ("one", "1 network"),
        ("catboost", "CatBoost"),
    ):
        rows = []
        named = {name: own for name, (own, _) in RECIPES.items()}
        named |= {"one": "1 network", "four": "4 networks"}
        for name, own in named.items():
            found = {} if name == other else collect(kept, name, other)
            if len(by_family(dict.fromkeys(found, 0.0))) < 2:
                continue
            cells = []
            for score in NAMES:
                d = difference(found, name, other, score)
                text = f"{d['mean']:+.4f} +- {d['standard_error']:.4f}"
                cells.append(f"{text} ({d['better']}:{d['worse']})")
            rows.append([own, len(found), *cells, f"{ratio(found, name, other):.2f}"])
        head = [f"against {title}", "tables", "AP", "AUC", "log loss", "Brier", "time"]
        parts.append(markdown(head, rows))
    text = "Better than 0 is better; mean +- standard error over families (signs).\n\n"
    text += "\n".join(parts)
    (folder / "out_of_the_box_recipes.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
