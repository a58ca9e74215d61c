"""What does each augmentation do to an image? A grid of samples as a PNG.

The first column is the image, the others are samples of one augmentation each, drawn
for the whole batch at once by a generator with a seed: the same seed gives the same
grid on every device. The images are scikit-learn's digits, or CIFAR-10 where it can be
had.

Run it with

    python examples/augmented_images.py --out demo_output --data cifar10
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only: no display is needed

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

from sklimb.datasets import load_cifar10
from sklimb.training.augment.operations import AUGMENTS, make_augment

ROWS = 8


def main(argv=None):
    """Write augmented_images.png."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    parser.add_argument("--data", choices=["digits", "cifar10"], default="digits")
    args = parser.parse_args(argv)
    images = load_images(args.data)
    columns = {"image": images}
    for name in AUGMENTS:
        generator = torch.Generator().manual_seed(0)
        columns[name] = make_augment(name)(images, generator)
    args.out.mkdir(parents=True, exist_ok=True)
    draw(columns, args.out / "augmented_images.png")
    print(f"Wrote {args.out / 'augmented_images.png'}.")


def load_images(data):
    """One image of each of the first classes, (rows, channels, height, width)."""
    if data == "digits":
        digits = load_digits()
        # 8 x 8 pixels of 0 to 16, enlarged fourfold: policies shift by many pixels.
        X, y = (digits.images / 16).repeat(4, 1).repeat(4, 2)[..., None], digits.target
    else:
        bunch = load_cifar10()
        X, y = bunch.X / 255, bunch.y
    first = np.unique(y, return_index=True)[1][:ROWS]
    return torch.tensor(X[first], dtype=torch.float32).permute(0, 3, 1, 2)


def draw(columns, path):
    """One column an augmentation, one row an image."""
    figure, axes = plt.subplots(1, len(columns), figsize=(len(columns), ROWS))
    for ax, (name, images) in zip(axes, columns.items(), strict=True):
        framed = torch.nn.functional.pad(images, (1, 1, 1, 1), value=1.0)
        ax.imshow(np.concatenate(framed.permute(0, 2, 3, 1).numpy()), cmap="gray")
        ax.set_title(name, fontsize=8)
        ax.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
