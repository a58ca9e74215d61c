"""The data of the GPU benchmark in one file, for a machine that reads no parquet.

    SKLIMB_DATA=... python benchmarks/gpu/prepare.py

Writes benchmarks/gpu/data.npz, under 50 MB: the loans, 12,406 training images of
CIFAR-10 (a long tail of ratio 100, the first draw of the papers' benchmark) and 2,000
of its test images.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).resolve().parent
DATA = FOLDER / "data.npz"
N_TEST = 2000


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--out", type=Path, default=DATA)
    args = parser.parse_args(argv)
    sys.path.insert(0, str(FOLDER.parents[1]))
    from benchmarks.common.splits import table
    from benchmarks.papers.cifar_lt.measure import make_rows, make_test_rows

    loans = table("loan", args.data_home)
    X, y = make_rows("lt100", 5000, 0, args.data_home)
    X_test, y_test = make_test_rows("lt100", N_TEST, args.data_home)
    # Channels first, as the loops beside ours read them.
    X, X_test = (np.moveaxis(part, -1, 1) for part in (X, X_test))
    images = {"images": X, "labels": y, "test_images": X_test, "test_labels": y_test}
    np.savez_compressed(args.out, **frame_arrays(loans.X), loan_y=loans.y, **images)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, {len(y)} images")


def frame_arrays(X):
    """A data frame of numbers and categories as arrays that need no pickle."""
    arrays = {"loan_columns": np.array(X.columns, dtype=str)}
    for name, column in X.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            arrays[f"loan_codes/{name}"] = column.cat.codes.to_numpy()
            levels = np.array(column.cat.categories, dtype=str)
            arrays[f"loan_levels/{name}"] = levels
        else:
            arrays[f"loan/{name}"] = column.to_numpy()
    return arrays


def read_loans(path):
    """The loans, X (data frame) and y, as `load_table` gives them."""
    with np.load(path) as data:
        columns = {}
        for name in data["loan_columns"].tolist():
            if f"loan/{name}" in data:
                columns[name] = data[f"loan/{name}"]
            else:
                codes, levels = data[f"loan_codes/{name}"], data[f"loan_levels/{name}"]
                columns[name] = pd.Categorical.from_codes(codes, levels.tolist())
        return pd.DataFrame(columns), data["loan_y"]


def read_images(path):
    """Training images and labels, test images and labels."""
    with np.load(path) as data:
        train, test = (
            (data[f"{part}images"], data[f"{part}labels"]) for part in ("", "test_")
        )
    return train, test


def fake(path):
    """A file of the same make with few and meaningless rows, for rehearsals."""
    rng = np.random.default_rng(0)
    n, y = 400, np.arange(400) % 4 == 0
    purpose = pd.Categorical(rng.choice(["car", "home", "other"], n))
    X = pd.DataFrame({"rate": rng.normal(size=n) + y, "purpose": purpose})
    labels = np.repeat(np.arange(10), [12, 8, 6, 6, 5, 5, 5, 5, 5, 5])
    images = {
        "images": rng.integers(0, 256, (len(labels), 3, 32, 32), dtype=np.uint8),
        "labels": labels,
        "test_images": rng.integers(0, 256, (40, 3, 32, 32), dtype=np.uint8),
        "test_labels": np.arange(40) % 10,
    }
    np.savez(path, **frame_arrays(X), loan_y=y.astype(np.int64), **images)


if __name__ == "__main__":
    main()
