"""Goals and tables of the benchmark of a device."""

from benchmarks.common.report import goals_table, markdown, short, verdict
from benchmarks.device.measure import FORMULA, SEARCH_GOAL, STEPS_GOAL
from benchmarks.packed_search.report import in_words

LONGEST = 480


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
