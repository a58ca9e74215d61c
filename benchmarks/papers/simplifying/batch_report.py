"""Accuracy by batch size and imbalance ratio, and the claims on it."""

import numpy as np

from benchmarks.papers.common.report import mean_and_error, verdict
from benchmarks.papers.simplifying.batch_size import BASE, TABLE


def summarise(rows):
    """{ratio: {batch size: improvement over 128 in per cent}}, and the claims."""
    by = {(r["ratio"], r["batch_size"], r["seed"]): r for r in rows}
    ratios = sorted({k[0] for k in by}, reverse=True)
    sizes = sorted({k[1] for k in by})
    seeds = [
        s
        for s in sorted({k[2] for k in by})
        if all((r, b, s) in by for r in ratios for b in sizes)
    ]
    if not seeds:
        return {}, []
    change = {
        r: {
            b: [
                100 * (by[r, b, s]["accuracy"] / by[r, BASE, s]["accuracy"] - 1)
                for s in seeds
            ]
            for b in sizes
        }
        for r in ratios
    }
    curves = {}
    for r in ratios:
        curves[str(r)] = {}
        for b in sizes:
            mean, error = mean_and_error([by[r, b, s]["accuracy"] for s in seeds])
            gain, gain_error = mean_and_error(change[r][b])
            curves[str(r)][str(b)] = {
                "accuracy": mean,
                "standard_error": error,
                "improvement_per_cent": gain,
                "improvement_error": gain_error,
                "lr": [by[r, b, s]["lr"] for s in seeds],
            }
    return curves, _claims(change, ratios, sizes, len(seeds))


def _claims(change, ratios, sizes, n_seeds):
    balanced, imbalanced, small = ratios[0], ratios[-1], sizes[0]
    spread = {
        r: [
            max(change[r][b][s] for b in sizes) - min(change[r][b][s] for b in sizes)
            for s in range(n_seeds)
        ]
        for r in (balanced, imbalanced)
    }
    small_gain = change[imbalanced][small]
    more = np.subtract(small_gain, change[balanced][small])
    wider = np.subtract(spread[imbalanced], spread[balanced])
    where = f"{TABLE}, r={imbalanced}, per cent of accuracy"
    return [
        {
            "claim": f"batches of {small} are better than of {BASE} under imbalance",
            "where": where,
            **verdict(small_gain),
        },
        {
            "claim": f"batches of {small} gain more under imbalance than when balanced",
            "where": f"{where} against r={balanced}",
            **verdict(more),
        },
        {
            "claim": "the batch size matters more under imbalance (best - worst)",
            "where": f"{where} against r={balanced}",
            **verdict(wider),
        },
    ]
