"""Goals and tables of the benchmark on images."""

from benchmarks.common.report import goals_table, markdown, verdict
from benchmarks.images.measure import BATCH, GPU_EPOCHS, GPU_IMAGES

GOALS = {
    "cpu: sklimb / hand loop": ("at most", 1.10),
    "cuda: sklimb / bare pass, images a second": ("at least", 0.60),
    "cuda: sklimb / skorch, images a second": ("at least", 8.0),
    "cuda: 200 epochs, seconds": ("at most", 180.0),
    "cuda: share of a step that augments": ("at most", 0.25),
}


def measured(cpu, gpu):
    """Each goal's figure, None where it was not run."""
    found = dict.fromkeys(GOALS)
    found["cpu: sklimb / hand loop"] = cpu["sklimb"]["ratio_to_hand"]
    if gpu is not None:
        rate = {name: row["images_per_second"] for name, row in gpu.items()}
        found |= gpu_figures(rate)
    return found


def gpu_figures(rate):
    """Figures of the goals on a GPU, from images per second of these runs."""
    own, found = rate.get("sklimb"), {}
    if own is None:
        return found
    found["cuda: 200 epochs, seconds"] = GPU_EPOCHS * GPU_IMAGES / own
    if "sklimb, no augmentation" in rate:
        share = 1 - own / rate["sklimb, no augmentation"]
        found["cuda: share of a step that augments"] = share
    others = {"bare pass": "bare compiled pass", "skorch": "skorch, DataLoader"}
    for name, other in others.items():
        if other in rate:
            found[f"cuda: sklimb / {name}, images a second"] = own / rate[other]
    return found


def image_goals(figures):
    """What was aimed at, and whether it is so."""
    goals = []
    for name, value in figures.items():
        word, bound = GOALS[name]
        reached = value is not None and (value <= bound) == (word == "at most")
        goals.append(verdict(name, f"{word} {bound:g}", value, reached))
    return goals


def report(cpu, gpu, n_images, threads):
    """The tables as Markdown."""
    rows = []
    for name, r in cpu.items():
        figures = f"{r['seconds']:.2f}", f"{r['images_per_second']:.0f}"
        rows.append([name, *figures, f"{r['ratio_to_hand']:.2f}"])
    text = [
        f"# Images\n\nCPU, {threads} threads: ResNet-8, {n_images} images of 32 x 32, "
        f"batch {BATCH}, an epoch.\n",
        markdown(["", "seconds", "images/s", "/ hand loop"], rows),
        "\n## Goals\n",
    ]
    text.append(goals_table(image_goals(measured(cpu, gpu))))
    return "\n".join(text) + "\n"
