"""How close to the device's own speed do packs train, and what does a search cost?

    SKLIMB_DATA=... python benchmarks/device/run.py
    SKLIMB_DATA=... python benchmarks/device/run.py --quick    # does it work at all

steps: an MLP 29-64-64-2 with dropout 0.1 and AdamW on synthetic rows. One step trains
all members on one batch each. sklimb is TabularMLPClassifier(n_members=K), the second
epoch of a fit with all its work; compiled is the same with `compile=` (True on a CPU,
"reduce-overhead" on a GPU), without the time of compiling; skorch has its default
settings; the hand loop takes batches from tensors on the device and reads nothing back
inside an epoch. Those two train one network: K of them take K times as long. Loops are
timed in turn; figures are medians over five repeats, fewer where they take long. The
floor is the time of the same work at the device's own rates, measured here too:
products of large matrices and a large copy.

search: 64 candidates x 5 folds on the loans, width 64, no embeddings, batch 64, from
the data frame to test scores, without the refit, each in a fresh process.

At most 8 minutes; rows that need a GPU are "not run" where there is none. The CPU is
used with two threads. Writes results/device.json and results/device.md.
"""

import argparse
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from benchmarks.common import CORES
from benchmarks.common.fresh import fresh
from benchmarks.common.kept import source_digest
from benchmarks.common.report import RESULTS, environment, rounded, write_json
from benchmarks.device.measure import (
    FORMULA,
    NO_GPU,
    QUICK,
    Plan,
    measure_steps,
    not_run,
)
from benchmarks.device.report import all_goals, texts
from benchmarks.packed_search.measure import METHODS, candidates, search
from benchmarks.packed_search.report import summary

# The faster way to search first.
SEARCHES = {"cpu": ("packed", "grid"), "cuda": ("cuda", "cuda grid")}


def there(device):
    """Whether this machine has the device."""
    return device == "cpu" or torch.cuda.is_available()


def measure_searches(plan, data_home):
    """Rows of (b) and (c); `times_packed` is a search's time over the packed one's."""
    rows = []
    for device, names in SEARCHES.items():
        scale = plan.scales[device]
        packed = None
        for name in names:
            row = {
                "device": device,
                "method": METHODS[name].title,
                "run": there(device),
            }
            row |= {"candidates": len(candidates(scale)), "splits": scale.splits}
            row["max_epochs"] = scale.epochs
            if there(device):
                row |= summary([fresh(search, "small", name, scale, data_home)])
                del row["means"]
                packed = packed or row["seconds"]
                row["times_packed"] = row["seconds"] / packed
                print(name, f"{row['seconds']:.1f} s", flush=True)
            else:
                row["reason"] = NO_GPU
            rows.append(row)
    return rows


def measure_all_steps(plan):
    """Rows of (a), and what each device can do."""
    rows, measured = [], {}
    for device in SEARCHES:
        found = not_run(device, plan)
        if there(device):
            found = fresh(measure_steps, device, plan)
            found["rates"]["others_cores"] = found["others_cores"]
        rows += found["rows"]
        measured[device] = found["rates"]
    return rows, measured


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="tiny, figures mean little"
    )
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--out", type=Path, help="default: results, --quick: temporary")
    args = parser.parse_args()
    plan = QUICK if args.quick else Plan()
    scratch = Path(tempfile.gettempdir()) / "device"
    folder = args.out or (scratch if args.quick else RESULTS)
    begin = time.perf_counter()
    searches = measure_searches(plan, args.data_home)
    steps, measured = measure_all_steps(plan)
    goals = all_goals(steps, searches, time.perf_counter() - begin)
    record = environment()
    record["packages"]["skorch"] = version("skorch")
    record["threads_per_fit"] = f"2 threads, or 1 in each of {CORES} workers"
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    head = {"question": __doc__.partition("\n")[0], **record, "gpu": gpu}
    head |= {"source_digest": source_digest(), "quick": args.quick}
    content = {"rates": measured, "floor": FORMULA, "steps": steps}
    content |= {"searches": searches, "goals": goals}
    write_json(folder / "device.json", {**rounded(head), **content})
    text = "\n\n".join(texts(steps, measured, searches, goals)) + "\n"
    (folder / "device.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
