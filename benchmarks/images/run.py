"""What does training on images cost, next to a loop written by hand and to skorch?

    python benchmarks/images/run.py [--images 1280] [--repeats 5] [--threads 2]

CPU: ResNet-8 on 32 x 32 colour images, batch 128, SGD with Nesterov momentum, random
crops and flips. The loop by hand does the same augmentation on tensors; skorch has a
DataLoader that augments image by image. All loops run in turn within each repeat;
figures are medians, of which the ratios matter. GPU, if there is one: ResNet-32,
12,406 images, bfloat16, next to the bare compiled forward and backward pass with
everything resident. Writes results/images.json and results/images.md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from benchmarks.common.report import RESULTS, environment, rounded, write_json
from benchmarks.images.measure import on_cpu, on_gpu
from benchmarks.images.report import measured, report


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cpu = on_cpu(args.images, args.repeats)
    gpu = on_gpu() if torch.cuda.is_available() else None
    text = report(cpu, gpu, args.images, args.threads)
    content = {"environment": environment(), "threads": args.threads, "cpu": cpu}
    content |= {"cuda": gpu or "not run", "goals": measured(cpu, gpu)}
    write_json(RESULTS / "images.json", rounded(content))
    (RESULTS / "images.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
