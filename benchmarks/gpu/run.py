"""The GPU benchmark as one command of at most 8 minutes on one card.

    python benchmarks/gpu/prepare.py                 # here: data.npz from SKLIMB_DATA
    python benchmarks/gpu/run.py                     # there: steps, search, images, ...
    python benchmarks/gpu/run.py --accuracy          # there: ResNet-32, 200 epochs
    python benchmarks/gpu/run.py --rehearse          # anywhere: all parts, on the CPU

Parts run in the order of their importance, each in a process of its own with a time
limit; unused time goes to the next part. JSON and Markdown are written again with every
row, so a run that is cut off leaves its rows, and a part that fails or crashes leaves
its traceback there while the others go on. README.md lists what the machine must have.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
sys.path.insert(0, str(ROOT))
# For processes that start before they are told of sys.path.
PATHS = [str(ROOT), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)

SECONDS = 480.0
PRELOADED = ["benchmarks.gpu.measure", "benchmarks.gpu.accuracy", "torch._dynamo"]


def main(argv=None):
    args = read_arguments(argv)
    scratch = Path(tempfile.gettempdir()) / "sklimb_gpu"
    folder = args.out or (scratch if args.rehearse else ROOT / "benchmarks" / "results")
    if args.rehearse:
        os.environ["SKLIMB_TEST_DEVICE"] = "cpu"
        # That nothing can be compiled is rehearsed too, and takes no time.
        os.environ["CXX"] = "no-compiler-in-a-rehearsal"
    from benchmarks.gpu.boxes import DONE, run_parts
    from benchmarks.gpu.prepare import fake
    from benchmarks.gpu.report import Report

    if args.rehearse and args.data is None:
        folder.mkdir(parents=True, exist_ok=True)
        args.data = folder / "data.npz"
        fake(args.data)
    args.data = args.data or FOLDER / "data.npz"
    if not args.data.exists():
        raise SystemExit(f"{args.data} is missing: run benchmarks/gpu/prepare.py.")
    parts, goals, name, title = chosen(args)
    report = Report(folder, name, title, parts, goals)
    # A part's process is ended with this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    begin = time.monotonic()
    for start in ("forkserver", "spawn"):
        context = get_context(start)
        if start == "forkserver":  # imports once, for all parts
            context.set_forkserver_preload(PRELOADED)
        run_parts(parts[:1], args.seconds, report, context)
        if report.content["parts"]["machine"]["state"] == DONE:
            break  # else something that was imported has touched the card
    left = args.seconds - (time.monotonic() - begin)
    run_parts(parts[1:], left, report, context, args.at_once)
    print((folder / f"{name}.md").read_text())


def read_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accuracy", action="store_true", help="the second mode")
    parser.add_argument("--rehearse", action="store_true", help="all parts, on the CPU")
    parser.add_argument(
        "--parts", nargs="+", help="names of the parts to run; else all"
    )
    parser.add_argument("--data", type=Path, help="default: data.npz in this folder")
    parser.add_argument("--out", type=Path, help="folder of the results")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all parts")
    parser.add_argument("--at-once", type=int, default=1, help="parts side by side")
    parser.add_argument("--compile", action="store_true", help="with --accuracy")
    return parser.parse_args(argv)


def chosen(args):
    """The parts that are asked for, their goals, and the report's name and title."""
    from benchmarks.gpu import accuracy
    from benchmarks.gpu import measure as p
    from benchmarks.gpu.boxes import Part

    scale = p.REHEARSAL if args.rehearse else p.Scale()
    data, device = args.data, scale.device
    first = Part("machine", "0. Machine", 60, p.machine, (scale,))
    speed = [
        Part("first_look", "1. Tests marked gpu", 120, p.first_look, (scale, data)),
        Part("steps", "2. Steps a second", 120, p.steps, (scale,)),
        Part("searches", "3. Loan search, 64 x 5", 60, p.searches, (scale, data)),
        Part("images", "4. ResNet-32", 120, p.image_passes, (scale, data)),
        Part("networks", "5. Other networks", 30, p.other_networks, (scale,)),
        Part("memory", "6. Peak memory by members", 30, p.memory, (scale,)),
    ]
    size = "tiny" if args.rehearse else "full"
    fits = [
        Part(
            method,
            f"{i}. {accuracy.METHODS[method][0]}",
            args.seconds,
            accuracy.fit_one,
            (method, setup, size, device, args.compile, data),
        )
        for i, (method, setup) in enumerate(accuracy.RUNS, 1)
    ]
    parts, goals, name, title = speed, p.all_goals, "gpu", "One GPU"
    if args.accuracy:
        parts, goals, name = fits, accuracy.all_goals, "gpu_accuracy"
        title = "ResNet-32, 200 epochs, CIFAR-10 with a long tail"
    if args.rehearse:
        parts, name = speed + fits, "gpu_rehearsal"
        title = "A rehearsal on a CPU: the figures mean nothing"
    if args.parts:
        parts = [part for part in parts if part.name in args.parts]
    return [first, *parts], goals, name, title


if __name__ == "__main__":
    main()
