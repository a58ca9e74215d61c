"""read_image_folder: what is an image, which folders are classes, what is refused."""

import numpy as np
import pytest
from PIL import Image

from sklimb import ImageResNetClassifier
from sklimb.datasets import read_image_folder


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"cat/{i}.png" for i in range(8)] + [f"dog/deep/{i}.PNG" for i in range(8)]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        bright = 200 if name.startswith("dog") else 20
        pixels = np.clip(rng.normal(bright, 10, (8, 8)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path)
    for name in ("cat/notes.txt", "cat/.hidden.png", "list.png", ".git/x.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_paths_and_labels(folder):
    data = read_image_folder(folder)
    assert data.y.tolist() == ["cat"] * 8 + ["dog"] * 8
    assert data.X[0] == str(folder / "cat" / "0.png")
    assert data.X[-1] == str(folder / "dog" / "deep" / "7.PNG")
    assert read_image_folder(str(folder)).X.tolist() == data.X.tolist()
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
    assert clf.fit(data.X, data.y).predict(data.X).shape == (16,)


def test_what_is_refused(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"one folder per class, got .*nothing"):
        read_image_folder(folder / "nothing")
    with pytest.raises(ValueError, match=r"'cat' has none that ends in \.tif"):
        read_image_folder(folder, suffixes=(".tif",))
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="'empty' has none"):
        read_image_folder(folder)
    with pytest.raises(ValueError, match="two at least"):
        read_image_folder(folder / "dog")
