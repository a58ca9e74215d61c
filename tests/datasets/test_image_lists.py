"""Lists of image files: lines, tables, the published layouts, and what is wrong."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklimb import ImageResNetClassifier
from sklimb.datasets import read_image_list


@pytest.fixture
def folder(tmp_path):
    """12 small images of two classes in folders, dark and bright."""
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(0, 100, (8, 8, 3)) + 150 * (i % 3 == 0)
        file = tmp_path / "images" / f"class, {i % 3 == 0:d}" / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(file)
    return tmp_path


def lines(folder, separator=" "):
    files = sorted((folder / "images").rglob("*.png"))
    named = [f.relative_to(folder / "images").as_posix() for f in files]
    return [f"{name}{separator}{name[7]}" for name in named]


@pytest.mark.parametrize("separator", [" ", "\t", ",", ", "])
def test_lines_of_path_and_label(folder, separator):
    path = folder / "train.txt"
    path.write_text("\n".join([*lines(folder, separator), "", ""]))
    found = read_image_list(path, folder / "images")
    assert found.y.dtype == np.int64
    assert found.y.tolist() == [0] * 8 + [1] * 4
    pixels = [np.asarray(Image.open(file)).mean() for file in found.X]
    assert min(pixels[8:]) > max(pixels[:8])


def test_the_list_stands_in_for_X(folder):
    path = folder / "images" / "list.txt"
    path.write_text("\n".join(lines(folder)))
    found = read_image_list(path)
    clf = ImageResNetClassifier(
        backbone="resnet8", max_epochs=1, batch_size=4, random_state=0
    ).fit(found.X, found.y)
    arrays = np.stack([np.asarray(Image.open(file)) for file in found.X])
    np.testing.assert_array_equal(clf.predict_proba(found.X), clf.predict_proba(arrays))


def test_a_table_of_names_without_suffix(folder):
    path = folder / "train.csv"
    rows = [line.replace(".png", "").rsplit(" ", 1) for line in lines(folder)]
    table = pd.DataFrame(rows, columns=["image_name", "diagnosis"])
    table["diagnosis"] = table["diagnosis"].map({"0": "nv", "1": "mel"})
    table.assign(age="x").to_csv(path, index=False)
    names = ("image_name", "diagnosis")
    found = read_image_list(path, folder / "images", columns=names, suffix=".png")
    assert found.y.tolist() == ["nv"] * 8 + ["mel"] * 4
    with pytest.raises(ValueError, match=r"no column 'target', only \['image_name'"):
        read_image_list(path, folder / "images", columns=("image_name", "target"))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", ValueError, "lists no image"),
        ("alone.png\n", ValueError, "line 1 of .* no path and label: 'alone.png'"),
        ("gone.png 1\n", FileNotFoundError, "1 of the 1 images .* not there.*folder="),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, error, message):
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(error, match=message):
        read_image_list(path)
    with pytest.raises(FileNotFoundError):
        read_image_list(tmp_path / "none.txt")
