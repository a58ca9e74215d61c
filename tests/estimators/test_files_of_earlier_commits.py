"""Files of earlier commits load and predict what they predicted."""

from pathlib import Path

import numpy as np
import pytest
from helpers.record import images, rows

import sklimb

HERE = Path(__file__).parents[1]
SAVED = sorted((HERE / "fixtures" / "saved").glob("*.safetensors"))


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_a_file_of_an_earlier_commit_predicts_as_it_did(path):
    X, _ = images() if path.stem.startswith("Image") else rows()
    clf = sklimb.load(path)
    assert type(clf).__name__ == path.stem
    # Sums are rounded otherwise on another kind of processor.
    expected = np.load(path.with_suffix(".npy"))
    np.testing.assert_allclose(clf.predict_proba(X[:40]), expected, atol=1e-5)
    if path.stem == "TabularMLPClassifier":
        assert clf.get_params()["class_weight"] == {0: 1.0, 1: 3.0}


def test_there_is_a_file_of_each_classifier():
    assert len(SAVED) == 4
