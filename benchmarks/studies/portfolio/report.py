"""Reports portfolio.json and portfolio.md of the kept fits."""

from benchmarks.common.report import environment, rounded, write_json
from benchmarks.studies.portfolio.markdown import as_markdown
from benchmarks.studies.portfolio.measure import CANDIDATES, FOLDS_RUN, N_FOLDS, SEEDS
from benchmarks.studies.portfolio.summary import seconds

GOALS = {"median_regret": 0.003, "time_ratio": 0.8, "seconds": 30}


def report(question, splits, found, kept, folder):
    """Write portfolio.json and portfolio.md."""
    content = {
        "question": question,
        "candidates": list(CANDIDATES),
        "networks_a_candidate": SEEDS,
        "folds": f"{FOLDS_RUN} of {N_FOLDS}",
        "not_finished": [name for name in FOLDS_RUN if name not in splits],
        "goals": GOALS,
        "source_digests": sorted({s.source for p in splits.values() for s in p}),
        "weights_agree": all(s.weights_agree for p in splits.values() for s in p),
        "pack_cpu_seconds": {
            name: [s.cpu_seconds for s in part] for name, part in splits.items()
        },
        **environment(),
        **found,
        "seconds": seconds(list(splits), found["all_tables"]["settings"], kept),
    }
    content = rounded(content)
    write_json(folder / "portfolio.json", content)
    text = as_markdown(content)
    (folder / "portfolio.md").write_text(text)
    print(text)
