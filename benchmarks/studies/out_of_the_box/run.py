"""Which settings of five patient folds are better or quicker? On the half that chooses.

    SKLIMB_DATA=... python benchmarks/studies/out_of_the_box/run.py --largest 20000

Prints and writes results/out_of_the_box_tried.md: each setting against plain folds,
losses too. Kept fits as in benchmarks/out_of_the_box.
"""

import argparse
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.common.kept import Kept
from benchmarks.common.report import RESULTS, markdown
from benchmarks.out_of_the_box.models import MODELS, fit_in_groups, ours
from benchmarks.out_of_the_box.run import KEY, code_of_model, fit_half
from benchmarks.out_of_the_box.summary import (
    NAMES,
    by_family,
    collect,
    difference,
    mean_of,
)
from sklimb.training.callbacks import KeepBest

SCALES = [{"frequency_scale": 0.1}, {"frequency_scale": 0.5}]


class Pooled(KeepBest):
    """All members stop by the mean of their scores, each on rows of its own fold."""

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        own = row["valid_score_members"]
        row["valid_score_members"] = [float(np.nanmean(own))] * len(own)
        super().on_epoch_end(net, **kwargs)


def fit_pooled(model, X, y, groups, seed):
    with patch("sklimb.fitting.pack.KeepBest", Pooled):
        return fit_in_groups(model, X, y, groups, seed)


def folds(title, fit=fit_in_groups, **settings):
    own = {"n_members": 1, "validation_folds": 5, "max_epochs": 200, **settings}
    return ours(f"5 folds, {title}", fit, **own)


TRIED = {
    "folds": folds("plain"),
    "patience_8": folds("patience 8", n_iter_no_change=8),
    "narrow": folds("width 128", d_block=128),
    "lr_2e-3": folds("lr 0.002", lr=2e-3),
    "narrow_quick": folds(
        "width 128, lr 0.002, patience 8", d_block=128, lr=2e-3, n_iter_no_change=8
    ),
    "cosine": folds(
        "cosine over 40 epochs, lr 0.003", lr_schedule="cosine", max_epochs=40, lr=3e-3
    ),
    "scales": folds("two scales", portfolio=SCALES),
    "narrow_scales": folds("width 128, two scales", d_block=128, portfolio=SCALES),
    "wide_scale": folds("scale 0.5", frequency_scale=0.5),
    "pooled": folds("stopped together", fit_pooled),
    "average": folds("weights averaged, 0.9", ema_decay=0.9),
}
MODELS.update(TRIED)  # so that a kept line finds its model


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", choices=TRIED, default=list(TRIED))
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--largest", type=float, default=float("inf"), help="cells")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    path = args.results / "partial" / "out_of_the_box_tried.jsonl"
    code_of = None if args.report_only else lambda line: code_of_model(line["model"])
    kept = Kept(path, KEY, code_of)
    if not args.report_only:
        fit_half("chosen", args, kept)
    plain = Kept(args.results / "partial" / "out_of_the_box.jsonl", KEY)
    kept.rows.update(plain.rows)
    report(kept, args.results)


def report(kept, folder):
    """Write out_of_the_box_tried.md."""
    digests = {name: MODELS[name].digest() for name in MODELS}
    rows = []
    for name, model in TRIED.items():
        if name == "folds":
            continue
        found = collect(kept, (name, "folds", "catboost"), digests)
        if len(by_family(dict.fromkeys(found, 0.0))) < 2:
            continue
        cells = []
        for score in NAMES:
            d = difference(found, name, "folds", score)
            text = f"{d['mean']:+.4f} +- {d['standard_error']:.4f}"
            cells.append(f"{text} ({d['better']}:{d['worse']})")
        ratio = by_family(
            {
                t: mean_of(v[name], "fit_cpu_seconds")
                / mean_of(v["folds"], "fit_cpu_seconds")
                for t, v in found.items()
            }
        )
        time = sum(ratio.values()) / len(ratio)
        rows.append([model.title, len(found), *cells, f"{time:.2f}"])
    head = ["against plain folds", "tables", "AP", "AUC", "log loss", "Brier", "time"]
    text = "Better than 0 is better; mean +- standard error over families (signs).\n\n"
    text += markdown(head, rows) + "\n"
    (folder / "out_of_the_box_tried.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
