"""save and load: the same bits, no pickle, and files that are whole or not there."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from helpers.packs import PLAIN, fixed_table
from helpers.record import SAVED, images, rows
from imblearn.over_sampling import SMOTE
from safetensors import safe_open
from safetensors.torch import save_file

import sklimb
from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.persistence import read, write
from sklimb.training.augment.operations import Crop, Flip
from sklimb.training.losses import FocalLoss
from sklimb.training.m2m import M2m
from sklimb.training.reweighting import MetaWeightNet
from sklimb.training.terms import SCARF, SimCLR

SMALL = {"max_epochs": 2, "d_block": 16, "d_embedding": 8, "random_state": 0}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"num_embeddings": "ple", "n_members": 2},
        {"num_embeddings": "plr-lite", "sampler": "balanced"},
        {"num_embeddings": "linear", "loss": FocalLoss(1.5)},
        {"num_embeddings": None, "dtype": "float64", "target_prior": [0.5, 0.5]},
        {"sampler": "under", "smoothing_scale": np.array([1.0, 2.0])},
        {"portfolio": "default", "validation_folds": 2, "max_epochs": 1},
    ],
    ids=str,
)
def test_predictions_have_the_same_bits(params, loan, tmp_path):
    X, y = loan
    clf = TabularMLPClassifier(**{**SMALL, **params}).fit(X, y)
    path = tmp_path / "model.safetensors"
    clf.save(path)
    again = sklimb.load(path)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(again.embed(X), clf.embed(X))
    np.testing.assert_array_equal(again.predict(X), clf.predict(X))
    np.testing.assert_array_equal(again.prior_shift_, clf.prior_shift_)
    assert again.n_iter_ == clf.n_iter_ and again.history_ == clf.history_
    assert again.feature_names_in_.tolist() == list(X.columns)
    again.save(path)
    np.testing.assert_array_equal(
        sklimb.load(path).predict_proba(X), clf.predict_proba(X)
    )


def test_labels_of_every_kind(tmp_path):
    X, y = fixed_table()
    for labels in (["no", "yes"], [-1, 1], [False, True], [0.0, 1.0]):
        clf = TabularMLPClassifier(**PLAIN).fit(X, np.array(labels)[y])
        clf.save(tmp_path / "m")
        again = sklimb.load(tmp_path / "m")
        assert again.classes_.dtype == clf.classes_.dtype
        np.testing.assert_array_equal(again.predict(X), clf.predict(X))


def test_loaded_classifiers_go_on(loan, tmp_path):
    X, y = loan
    clf = TabularMLPClassifier(**SMALL, warm_start=True).fit(X, y)
    clf.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    a = clf.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(a, again.fit(X, y).predict_proba(X))


def test_a_file_is_tensors_and_json(loan, tmp_path):
    clf = TabularMLPClassifier(**SMALL, sampler=SMOTE(k_neighbors=3))
    clf.fit(loan[0].select_dtypes("number"), loan[1])
    clf.save(tmp_path / "m")
    with safe_open(tmp_path / "m", framework="np") as file:
        _, _, text = file.metadata()["sklimb"].partition(" ")
    header = json.loads(text)
    assert header["dropped"] == ["sampler"]
    with pytest.warns(UserWarning, match="could not hold sampler: set them anew"):
        assert sklimb.load(tmp_path / "m").sampler == "uniform"


def test_parameters_survive(loan, tmp_path):
    X, y = loan
    clf = TabularMLPClassifier(
        **{**SMALL, "d_block": np.int64(16)},
        class_weight={np.int64(0): 1, 1: np.float32(5)},
        loss=FocalLoss(1.5),
    ).fit(X, y)
    clf.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    assert again.class_weight == {0: 1, 1: 5.0} and again.loss == FocalLoss(1.5)
    p = clf.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(again.fit(X, y).predict_proba(X), p)


def test_the_fitted_loss_is_saved_not_the_parameter(tmp_path):
    X, y = fixed_table()
    clf = TabularMLPClassifier(**PLAIN, loss="focal").fit(X, y).set_params(loss="ce")
    clf.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    labels = np.array(["loss", "gain"])[y]
    clf = TabularMLPClassifier(**PLAIN, class_weight={"loss": 5.0}).fit(X, labels)
    clf.save(tmp_path / "m")
    assert sklimb.load(tmp_path / "m").class_weight == {"loss": 5.0}


def test_places_that_cannot_be_written(tmp_path):
    clf = TabularMLPClassifier(**PLAIN).fit(*fixed_table())
    with pytest.raises(FileNotFoundError, match="existing folder"):
        clf.save(tmp_path / "no" / "m")
    with pytest.raises(FileNotFoundError, match="must be a file"):
        clf.save(tmp_path)
    link = tmp_path / "link"
    clf.save(tmp_path / "m")
    link.symlink_to(tmp_path / "m")
    clf.save(link)
    assert link.is_symlink()
    assert os.stat(tmp_path / "m").st_mode & 0o077 == 0o077 & ~_umask() & 0o066


def _umask():
    current = os.umask(0)
    os.umask(current)
    return current


def test_what_cannot_be_saved_or_loaded(loan, tmp_path):
    class Own:
        def __call__(self, logits, target):
            return -(target * logits.log_softmax(-1)).sum(-1)

        def log_probability(self, logits):
            return logits.double().log_softmax(-1)

    clf = TabularMLPClassifier(**SMALL, loss=Own()).fit(*loan)
    with pytest.raises(ValueError, match="log_probability of its own"):
        clf.save(tmp_path / "m")
    (tmp_path / "other").write_text("something else entirely")
    with pytest.raises(ValueError, match="not a safetensors file"):
        sklimb.load(tmp_path / "other")
    with pytest.raises(FileNotFoundError):
        sklimb.load(tmp_path / "nothing")


def test_import_is_light():
    code = (
        "import sys, torch, sklearn, pandas, skorch; before = set(sys.modules); "
        "import sklimb; extras = {'xgboost', 'lightgbm', 'catboost', 'matplotlib', "
        "'pyarrow', 'polars', 'dask', 'rich', 'imblearn'}; "
        "print(sorted(extras & (set(sys.modules) - before)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "[]", out.stderr


@pytest.mark.parametrize(
    "path", sorted(SAVED.glob("*.safetensors")), ids=lambda p: p.stem
)
def test_files_of_format_1_are_read(path):
    """Written before the modules moved and MetaBalance's parameters were renamed."""
    header, _ = read(path)
    assert header["format"] == 1 and "inner_lr" in header["params"]
    assert header["class"][0] in ("sklimb.tabular", "sklimb.networks", "sklimb.image")
    with pytest.warns(UserWarning, match="has no checksum"):
        clf = sklimb.load(path)
    assert type(clf).__name__ == path.stem
    X, _ = images() if "Image" in path.stem else rows()
    p = clf.predict_proba(X[:40])
    # The files are of another processor, perhaps: products are summed otherwise.
    np.testing.assert_allclose(p, np.load(path.with_suffix(".npy")), atol=1e-6)
    if path.stem == "TabularMLPClassifier":
        assert clf.metabalance_inner_lr == 0.02 and clf.class_weight == {0: 1.0, 1: 3.0}


def test_there_are_files_of_format_1():
    assert len(list(SAVED.glob("*.safetensors"))) == 4


@pytest.fixture
def saved(tmp_path):
    """A function that changes the header of a saved file and loads it."""
    clf = TabularMLPClassifier(**{**PLAIN, "max_epochs": 1}).fit(*fixed_table())
    clf.save(tmp_path / "m")

    def load(change):
        header, tensors = read(tmp_path / "m")
        change(header)
        write(tmp_path / "changed", tensors, header)
        return sklimb.load(tmp_path / "changed")

    return load


@pytest.mark.parametrize(
    ("name", "old", "value"),
    [
        ("loss", {"loss": "FocalLoss", "gamma": 1.5}, FocalLoss(1.5)),
        (
            "row_weighting",
            {"row_weighting": "MetaWeightNet", "hidden": 7, "lr": 0.1},
            MetaWeightNet(7, 0.1),
        ),
        ("joint_ssl", {"term": "SCARF", "corruption": 0.4}, SCARF(corruption=0.4)),
        ("m2m", {"m2m": "M2m", "start": 0.4, "beta": 0.9}, M2m(start=0.4, beta=0.9)),
    ],
)
def test_strategies_of_format_1_are_read(name, old, value, saved):
    def change(header):
        header["format"] = 1
        header["params"][name] = old

    assert getattr(saved(change), name) == value


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            lambda header: header.update({"class": ["os", "system"]}),
            "no such classifier is defined here. Import the module",
        ),
        (
            lambda header: header["params"].update(loss={"loss": ["system", {}]}),
            "the loss system, which is not registered. Register it before loading",
        ),
        (
            lambda header: header["params"].update(loss={"os": ["system", {}]}),
            "holds a 'os', which this sklimb does not know",
        ),
        (
            lambda header: header["params"].update(loss={"loss": ["VSLoss", {"a": 1}]}),
            "the loss VSLoss does not take {'a': 1}",
        ),
        (
            lambda header: header["params"].update(inner_lr=0.1),
            "TabularMLPClassifier has no parameter 'inner_lr'",
        ),
        (
            lambda header: header.update(loss={"loss": ["system", {}]}),
            "the loss system, which is not registered",
        ),
    ],
)
def test_files_that_name_what_is_not_known(change, what, saved):
    with pytest.raises(ValueError, match=re.escape(what)) as error:
        saved(change)
    assert "changed" in str(error.value)  # the file


@pytest.mark.parametrize(
    "augment",
    ["flip", [Flip(0.3)], ["crop", Flip(0.3)], [Crop(2, fill=0.5)]],
    ids=str,
)
def test_augmentations_survive(augment, tmp_path):
    X, y = images()
    term = SimCLR(views=["crop", Flip(0.1)])
    small = {"backbone": "resnet8", "max_epochs": 1, "batch_size": 16}
    clf = ImageResNetClassifier(
        **small, augment=augment, joint_ssl=term, random_state=0
    ).fit(X, y)
    clf.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    assert again.augment == augment and again.joint_ssl == term
    p = clf.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(again.fit(X, y).predict_proba(X), p)


def test_a_changed_bit_is_an_error_or_changes_nothing(tmp_path):
    """200 single bits anywhere in the file; one in seven was once taken in silence."""
    X, y = fixed_table()
    clf = TabularMLPClassifier(**{**PLAIN, "max_epochs": 1}).fit(X, y)
    clf.save(tmp_path / "m")
    whole, p = (tmp_path / "m").read_bytes(), clf.predict_proba(X)
    rng, refused = np.random.default_rng(0), 0
    for place, bit in zip(
        rng.integers(len(whole), size=200), rng.integers(8, size=200), strict=True
    ):
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        (tmp_path / "n").write_bytes(changed)
        try:
            again = sklimb.load(tmp_path / "n")
        except ValueError:
            refused += 1
            continue
        np.testing.assert_array_equal(again.predict_proba(X), p)
    assert refused > 190


def test_a_file_without_its_checksum_is_damaged(tmp_path):
    X, y = fixed_table()
    TabularMLPClassifier(**{**PLAIN, "max_epochs": 1}).fit(X, y).save(tmp_path / "m")
    with safe_open(tmp_path / "m", framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        _, _, text = file.metadata()["sklimb"].partition(" ")
    save_file(tensors, tmp_path / "n", metadata={"sklimb": text})
    with pytest.raises(ValueError, match="its checksum is gone"):
        sklimb.load(tmp_path / "n")
