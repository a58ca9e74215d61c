"""Where does the processor's time in a step go, and what makes packs of 64 unsteady?

    SKLIMB_DATA=... python benchmarks/processor/run.py

Every figure comes from a fresh process of one thread and is processor time, so that
other load matters little. README.md has what was expected and what came. Writes
results/processor.md.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common.report import RESULTS, environment, markdown

# Title -> (arguments, variables); the pack's are of glibc, others ignore them.
PACKS = {
    "16 members": (["pack", "16"], {}),
    "64 members": (["pack", "64"], {}),
    "64 members, again": (["pack", "64"], {}),
    "64 members, never given back": (
        ["pack", "64"],
        {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "33000000"},
    ),
    "64 members, huge pages": (
        ["pack", "64"],
        {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    ),
    "128 members": (["pack", "128"], {}),
}
OTHERS = {
    "FT-Transformer, sklimb / rtdl by hand": (["transformer"], {}),
    "ResNet-8, channels_last / not": (["layout", "resnet8", "64"], {}),
    "WRN-16-4, channels_last / not": (["layout", "wide_resnet16_4", "16"], {}),
    "MLP of width 256, compiled / not": (["compiled", "256", "256"], {}),
    "MLP of width 1024, compiled / not": (["compiled", "1024", "256"], {}),
    "MLP of width 2048, batch 1024, compiled / not": (["compiled", "2048", "1024"], {}),
}


def measured(arguments, variables):
    """What a process of `measure.py` prints."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("measure.py"), *arguments],
        env={**os.environ, **variables, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    lines = []
    for title, work in PACKS.items():
        row = measured(*work)
        figures = [row[f"us_{name}"] for name in ("with_batches", "median_step")]
        figures += [row["us_least_step"]]
        lines.append(
            [title, *(f"{f:.1f}" for f in figures), f"{row['pages_a_step']:.0f}"]
        )
        print(*lines[-1], flush=True)
    head = ["pack, width 64, batch 64", "us with batches", "median step", "least step"]
    text = [f"# {__doc__.partition(chr(10))[0]}\n"]
    text += [markdown([*head, "pages per step"], lines)]
    text.append("\nProcessor time per member and step.\n")
    lines = []
    for title, work in OTHERS.items():
        row = measured(*work)
        times = [v for name, v in row.items() if name.startswith("ms_")]
        lines.append([title, *(f"{t:.2f}" for t in times), f"{row['ratio']:.2f}"])
        print(*lines[-1], flush=True)
    text.append(markdown(["step", "ms", "ms", "ratio"], lines))
    text.append(
        "\nMilliseconds of a step: in the first line by hand and ours, in the others "
        f"without and with. One thread ({environment()['machine']})."
    )
    (RESULTS / "processor.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
