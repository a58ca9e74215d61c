"""Images in folders by class: paths are X, and files are read when they are needed.

python examples/images_from_folder.py --out demo_output
"""

import tempfile
from pathlib import Path

import _report as report
import numpy as np
import pandas as pd
from _small import main_of
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split

from sklimb import ImageResNetClassifier
from sklimb.datasets import make_long_tailed, read_image_folder


def write_digits(folder):
    """A long-tailed part of scikit-learn's digits: folder/zero/0.png, ..."""
    X, y = load_digits(n_class=4, return_X_y=True)
    _, _, keep = make_long_tailed(
        X, y, imbalance_ratio=5, return_indices=True, random_state=0
    )
    names = np.array(["zero", "one", "two", "three"])
    for i in keep:
        place = folder / names[y[i]]
        place.mkdir(exist_ok=True)
        picture = (X[i].reshape(8, 8) * 15).astype(np.uint8)
        Image.fromarray(picture).resize((16, 16)).save(place / f"{i}.png")


def run(args):
    with tempfile.TemporaryDirectory() as folder:
        write_digits(Path(folder))
        data = read_image_folder(folder)
        X, X_test, y, y_test = train_test_split(
            data.X, data.y, test_size=0.4, stratify=data.y, random_state=0
        )
        clf = ImageResNetClassifier(
            backbone="resnet8",
            augment="crop",
            decision="balanced",
            n_members=1,
            max_epochs=2 if args.quick else 12,
            random_state=0,
        ).fit(X, y)
        called = clf.predict(X_test)
    found = classification_report(y_test, called, output_dict=True, zero_division=0)
    table = pd.DataFrame({str(name): found[name] for name in clf.classes_}).T
    table["training images"] = [np.sum(y == name) for name in clf.classes_]
    table.index.name = "class"
    report.show_and_save(table, "Digits in folders", args.out / "folders")


main = main_of(run, __doc__)

if __name__ == "__main__":
    main()
