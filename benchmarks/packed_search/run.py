"""How much faster is a search when its fits train as few programs?

    SKLIMB_DATA=... python benchmarks/packed_search/run.py
    SKLIMB_DATA=... python benchmarks/packed_search/run.py --sections ensemble growth
    python benchmarks/packed_search/run.py --quick    # does it work at all

search: 32 candidates x 5 folds on the loans, float32, batch 64, from the data frame to
test scores, without the refit, for two networks. loses: four candidates of a wide
network with large batches. ensemble: a step of TabularMLPClassifier(n_members=K).
growth: a step and the memory of packs of more and more members.

Every figure comes from a fresh process; two cores, as two workers with a thread each
(`n_jobs=2`) or as two threads. The start of the workers is not counted. Slow searches
are run for two of the candidates and scaled by the number of fits. The ratios matter,
not the times. "Others" is the load by other processes meanwhile, in cores: figures are
good only where it is near 0.

A stopped run goes on where it stopped; figures of changed code are measured again
(common/kept.py), with --fresh all figures.
--redo-above 0.1 measures figures with more load by others again.
Writes results/packed_search.json and results/packed_search.md.
"""

import argparse
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from torch.cuda import is_available

from benchmarks.common import CORES
from benchmarks.common.fresh import fresh
from benchmarks.common.kept import Kept, code_digest, digest, origins, source_digest
from benchmarks.common.report import RESULTS, environment, rounded, write_json
from benchmarks.packed_search.measure import (
    BATCH,
    METHODS,
    PATIENCE,
    QUICK,
    SMALL_ONLY,
    WIDE,
    WIDTHS,
    Scale,
    ensemble,
    matrix_rate,
    pack,
    search,
    wide,
)
from benchmarks.packed_search.report import REPORTS, as_markdown

MEASURED = ("sklimb", "benchmarks.packed_search.measure", "benchmarks.common.fresh")
REPEATS = {"search": 1, "loses": 3, "ensemble": 1, "growth": 3}


def work(section, scale, data_home):
    """What a section consists of: name -> (function, arguments)."""
    if section == "search":
        return {
            f"{width}/{name}": (search, width, name, scale, data_home)
            for width in WIDTHS
            for name, method in METHODS.items()
            if (method.device == "cpu" or is_available())
            and (width == "small" or name not in SMALL_ONLY)
        }
    if section == "loses":
        return {name: (wide, name, scale, data_home) for name in ("grid", "packed")}
    if section == "ensemble":
        return {str(n): (ensemble, n, scale) for n in range(1, CORES + 1)}
    packs = {str(n): (pack, n, scale, data_home) for n in scale.packs}
    return {"matrix": (matrix_rate,), **packs}


def settings(section, name, scale):
    """What the kept results depend on, besides the package itself."""
    packages = ("torch", "scikit-learn", "skorch")
    fixed = [CORES, BATCH, PATIENCE, WIDTHS, WIDE, *map(version, packages)]
    return digest([section, name, scale, *fixed])


def measure(sections, scale, repeats, data_home, most_others, kept):
    """Run what is not kept yet, or was run while others took too many cores."""
    for section in sections:
        for repeat in range(repeats[section]):
            for name, (function, *args) in work(section, scale, data_home).items():
                key = (section, name, repeat, settings(section, name, scale))
                if key in kept and kept.rows[key]["others_cores"] <= most_others:
                    continue
                begin = time.perf_counter()
                row = fresh(function, *args)
                kept.add(
                    {
                        **dict(zip(kept.key, key, strict=True)),
                        **row,
                        "finished": time.strftime("%Y-%m-%d %H:%M"),
                        "source": source_digest(),
                    }
                )
                print(f"{section} {name} {time.perf_counter() - begin:.1f} s")


def collect(section, scale, repeats, kept):
    """Kept rows by name, one per repeat; names without any are left out."""
    found = {}
    for _, name, _, code in kept.rows:
        if code == settings(section, name, scale):
            keys = [(section, name, r, code) for r in range(repeats[section])]
            found[name] = [kept.rows[key] for key in keys if key in kept]
    return found


def report(sections, scale, repeats, kept, folder):
    """Write packed_search.json and packed_search.md from the kept results."""
    content, text, used = {}, [], []
    for section in sections:
        found = collect(section, scale, repeats, kept)
        figures, goals = REPORTS[section](found, scale)
        rows = [row for repeated in found.values() for row in repeated]
        used += rows
        others = max((row["others_cores"] for row in rows), default=0.0)
        content[section] = {"figures": figures, "goals": goals, "others": others}
        text += as_markdown(section, figures, goals, others, scale)
    sources = sorted({row["source"] for row in used})
    if len(sources) > 1:
        text.append("Measured with more than one state of the package.\n")
    record = environment()
    record["packages"]["skorch"] = version("skorch")
    record["threads_per_fit"] = f"2 threads, or 1 in each of {CORES} workers"
    head = {"question": __doc__.partition("\n")[0], **record, "cuda": is_available()}
    head |= {**origins(used), "repeats": repeats, "scale": vars(scale)}
    head["finished"] = sorted({row["finished"] for row in used})
    write_json(folder / "packed_search.json", rounded({**head, "sections": content}))
    (folder / "packed_search.md").write_text("\n".join(text))
    print("\n".join(text))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sections", nargs="+", choices=REPORTS, default=list(REPORTS))
    parser.add_argument(
        "--quick", action="store_true", help="tiny, figures mean little"
    )
    parser.add_argument("--repeats", type=int, help="of each section")
    parser.add_argument("--fresh", action="store_true", help="forget what is kept")
    parser.add_argument(
        "--redo-above",
        type=float,
        default=float("inf"),
        help="measure again what was measured while others took more cores than this",
    )
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--out", type=Path, help="default: results, --quick: temporary")
    args = parser.parse_args()
    scale = QUICK if args.quick else Scale()
    scratch = Path(tempfile.gettempdir()) / "packed_search"
    folder = args.out or (scratch if args.quick else RESULTS)
    repeats = {
        name: args.repeats or (1 if args.quick else n) for name, n in REPEATS.items()
    }
    path = folder / "partial" / "packed_search.jsonl"
    if args.fresh:
        path.unlink(missing_ok=True)
    code = code_digest(*MEASURED)
    key = ("section", "method", "repeat", "digest")
    kept = Kept(path, key, lambda line: code)
    most_others = args.redo_above
    measure(args.sections, scale, repeats, args.data_home, most_others, kept)
    report(args.sections, scale, repeats, kept, folder)


if __name__ == "__main__":
    main()
