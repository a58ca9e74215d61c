"""How close to the device's own speed do packs train, and what does a search cost?

    SKLIMB_DATA=... python benchmarks/device.py
    SKLIMB_DATA=... python benchmarks/device.py --quick    # does it work at all

steps: an MLP 29-64-64-2 with dropout 0.1 and AdamW on synthetic rows. One step trains
all members on one batch each. sklimb is TabularMLPClassifier(n_members=K), the second
epoch of a fit with everything that an epoch does; compiled is the same with `compile=`
(True on a CPU, "reduce-overhead" on a GPU), without the time that compiling takes;
skorch is as it comes; the hand loop takes batches from tensors on the device and reads
nothing back inside an epoch. Those two train one network: K of them take K times as
long. What is timed in turn is compared, medians over five repeats, fewer where they
take long. The floor is what the device must do at its own rates, measured here too:
products of large matrices and a large copy.

search: 64 candidates x 5 folds on the loans, width 64, no embeddings, batch 64, from
the data frame to test scores, without the refit, each in a fresh process.

At most 8 minutes; rows that need a GPU are "not run" where there is none. The CPU is
used with two threads. Writes results/device.json and results/device.md.
"""

import argparse
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import torch
from _common import (
    RESULTS,
    environment,
    goals_table,
    markdown,
    rounded,
    short,
    source_digest,
    verdict,
    write_json,
)
from _device import (
    FORMULA,
    NO_GPU,
    QUICK,
    SEARCH_GOAL,
    STEPS_GOAL,
    Plan,
    measure_steps,
    not_run,
)
from _fresh import fresh
from _packed import CORES, METHODS, candidates, search
from _packed_report import in_words, summary

# The faster way to search first.
SEARCHES = {"cpu": ("packed", "grid"), "cuda": ("cuda", "cuda grid")}
LONGEST = 480


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


def all_goals(steps, searches, seconds):
    """What was aimed at, and whether it is so."""
    goals = []
    for row in steps:
        if row["members"] == 64:
            ratio = row.get("time_over_floor")
            what = "step rate for 64 members within 2 x of the floor"
            what += f" ({row['device']}, {row['dtype']}, batch {row['batch_size']})"
            reached = ratio is not None and ratio <= STEPS_GOAL
            goals.append(verdict(what, f"<= {STEPS_GOAL:g}", ratio, reached))
    ratio = searches[-1].get("times_packed")
    what = "search at least 30 x faster than GridSearchCV on the same card"
    reached = ratio is not None and ratio >= SEARCH_GOAL
    goals.append(verdict(what, f">= {SEARCH_GOAL:g}", ratio, reached))
    what = "seconds of this benchmark"
    goals.append(verdict(what, f"<= {LONGEST}", seconds, seconds <= LONGEST))
    return goals


STEP_HEAD = ["", "batch", "members", "skorch", "hand loop", "sklimb", "compiled"]
STEP_HEAD += ["floor"]
STEP_HEAD += ["sklimb / skorch", "sklimb / hand", "floor / sklimb", "bound by"]
SEARCH_HEAD = ["", "", "seconds", "fits", "epochs", "most", "packs", "best AUC"]
SEARCH_HEAD += ["GridSearchCV / packed", "others"]


def step_line(row):
    first = [f"{row['device']} {row['dtype']}", row["batch_size"], row["members"]]
    if not row["run"]:
        return [*first, f"not run ({row['reason']})", *[""] * 8]
    rate = row["steps_a_second"]
    own = rate["sklimb"]
    shown = [rate.get(n) for n in ("skorch", "hand", "sklimb", "compiled", "floor")]
    ratios = [own / rate["skorch"] if "skorch" in rate else None, own / rate["hand"]]
    ratios.append(row["time_over_floor"])
    shown = [short(value) for value in [*shown, *ratios]]
    return [*first, *shown, row["bound"]]


def search_line(row):
    first = [row["device"], row["method"]]
    if not row["run"]:
        return [*first, f"not run ({row['reason']})", *[""] * 7]
    fits = f"{row['fits']}"
    if row["scaled_by"] != 1:
        fits += f" x {row['scaled_by']:.0f}"
    return [
        *first,
        f"{row['seconds']:.1f}",
        fits,
        f"{row['member_epochs']:.0f}",
        row["max_epochs"],
        in_words(row["packs"]),
        f"{row['best_auc']:.4f}",
        f"{row['times_packed']:.2f}",
        f"{row['others_cores']:.2f}",
    ]


def rate_line(device, measured):
    if not measured["run"]:
        return f"{device}: not run ({measured['reason']})."
    products = ", ".join(
        f"{rate / 1e9:.0f} GFLOP/s in {dtype}"
        for dtype, rate in measured["operations_a_second"].items()
    )
    return (
        f"{device}: {products}, copy {measured['bytes_a_second'] / 1e9:.1f} GB/s, "
        f"a tiny operation {1e6 * measured['tiny_operation_seconds']:.1f} us. The rest "
        f"of the machine took {measured['others_cores']:.2f} cores meanwhile."
    )


def texts(steps, measured, searches, goals):
    """The parts of device.md."""
    n, splits = searches[0]["candidates"], searches[0]["splits"]
    return [
        "## Steps a second",
        "A step trains all members; skorch and the hand loop train one after the "
        f"other. {FORMULA}",
        "\n".join(f"- {rate_line(*item)}" for item in measured.items()),
        markdown(STEP_HEAD, [step_line(row) for row in steps]),
        f"## Search: {n} candidates x {splits} folds on the loans",
        'Seconds are scaled where "fits" has a factor: two candidates were run. '
        '"Most" is max_epochs, which is lower on the CPU to keep this short; "epochs" '
        'those of all networks that were run, "others" what the rest of the machine '
        "did meanwhile, in cores.",
        markdown(SEARCH_HEAD, [search_line(row) for row in searches]),
        "## Goals",
        goals_table(goals),
    ]


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
