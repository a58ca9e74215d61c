"""Files written on purpose, with a checksum that agrees: load refuses each of them.

What is not checked by hand here is mutated at random in tests/fuzz/test_files.py.
"""

import io
import json
import os
import pickle
import socket
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from fuzz.mutate_files import Parts, joined
from helpers.packs import PLAIN, fixed_table
from helpers.record import images

import sklimb
from sklimb import ImageResNetClassifier, TabularMLPClassifier, TabularNetworkClassifier
from sklimb.persistence import FORMAT

QUICK = {**PLAIN, "max_epochs": 1, "numeric_transform": "quantile"}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The bytes of a saved classifier with embeddings and two members."""
    path = tmp_path_factory.mktemp("saved") / "m"
    clf = TabularMLPClassifier(
        **{**QUICK, "n_members": 2, "num_embeddings": "plr"},
        loss="focal",
    )
    clf.fit(*fixed_table()).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "m"
    clf = ImageResNetClassifier(
        backbone="resnet8", max_epochs=1, batch_size=16, random_state=0
    )
    clf.fit(*images()).save(path)
    return path.read_bytes()


def refused(path, data, what):
    """One ValueError that names the file and says what is wrong."""
    path.write_bytes(data)
    with pytest.raises(ValueError, match=what) as error:
        sklimb.load(path)
    assert str(path) in str(error.value) and len(str(error.value)) < 600


def test_the_bases_load(table, picture, tmp_path):
    for data in (table, picture):
        (tmp_path / "m").write_bytes(Parts(data).bytes())
        sklimb.load(tmp_path / "m")


WRONG = [None, True, -1, 1.5, "x", [], [1], {}, {"x": 1}, float("nan"), 10**30]
KEYS = [
    "format",
    "class",
    "params",
    "loss",
    "dropped",
    "classes",
    "n_features_in",
    "feature_names_in",
    "encoder",
    "module",
    "one_by_one",
    "dtype",
    "n_iter",
    "n_folds",
    "history",
    "portfolio",
    "version",
]
# What is no mistake: no names, no portfolio, any text, no rows of a history.
FINE = {
    "feature_names_in": [None],
    "portfolio": [None],
    "one_by_one": ["x"],
    "version": ["x"],
    "history": [[]],
    "dropped": [[]],
    "params": [{}],
}


@pytest.mark.parametrize("key", KEYS)
def test_wrong_types_at_every_key_of_the_header(key, table, tmp_path):
    assert list(Parts(table).header) == KEYS
    for value in WRONG:
        if any(value is f or value == f for f in FINE.get(key, [])):
            continue
        parts = Parts(table)
        parts.header[key] = value
        refused(tmp_path / "m", parts.bytes(), "cannot be loaded|is damaged|has format")
    parts = Parts(table)
    del parts.header[key]
    if key not in (
        "version",
        "one_by_one",
        "n_folds",
    ):  # which earlier versions did not write
        refused(tmp_path / "m", parts.bytes(), f"lacks '{key}'|names no format")


def _set(*path_and_value):
    *path, last, value = path_and_value

    def change(parts):
        place = parts.header
        for key in path:
            place = place[key]
        place[last] = value

    return change


def _tensor(name, kind=None, shape=None, data=None):
    """Change type, shape or bytes of a tensor; missing bytes are zeros."""

    def change(parts):
        old = parts.tensors.get(name, ["F32", [1], b"\0\0\0\0"])
        new = [kind or old[0], shape or old[1], old[2]]
        size = int(np.prod(new[1])) * {"F64": 8, "F32": 4, "I64": 8, "BOOL": 1}[new[0]]
        new[2] = data or (old[2] if len(old[2]) == size else bytes(size))
        parts.tensors[name] = new

    return change


def _without(name):
    return lambda parts: parts.tensors.pop(name)


def _filled(name, value):
    def change(parts):
        kind, _, data = parts.tensors[name]
        code = {"F64": "<d", "F32": "<f", "I64": "<q"}[kind]
        one = struct.pack(code, value)
        parts.tensors[name][2] = one * (len(data) // len(one))

    return change


def _hidden_size(parts):
    parts.header["module"]["d_block"] = 2**38


CRAFTED = {
    "unknown class": (_set("class", ["os", "system"]), "no such classifier"),
    "base class": (
        _set("class", ["sklimb", "TabularNetworkClassifier"]),
        "no classifier itself",
    ),
    "unknown parameter": (_set("params", "shiny", 1), "no parameter 'shiny'.*wrote it"),
    "parameter of a newer version": (
        lambda parts: (
            _set("params", "shiny", 1)(parts),
            _set("version", "7.8.9")(parts),
        ),
        "no parameter 'shiny'.*sklimb 7.8.9 wrote it. Update",
    ),
    "newer format": (
        lambda parts: (
            _set("format", FORMAT + 1)(parts),
            _set("version", "7.8.9")(parts),
        ),
        f"has format {FORMAT + 1}, written by sklimb 7.8.9",
    ),
    "newer key": (_set("shiny", 1), "holds 'shiny', which this sklimb"),
    "parameter out of range": (_set("params", "d_block", -3), "'d_block' parameter"),
    "parameter of a wrong type": (_set("params", "lr", []), "'lr' parameter"),
    "unknown dropped": (_set("dropped", ["shiny"]), "no parameter 'shiny'"),
    "unknown tag": (_set("params", "loss", {"os": ["system", {}]}), "a 'os', which"),
    "tag without a name": (_set("params", "loss", {"loss": 1}), "no name with its"),
    "empty tag": (_set("params", "loss", {}), "without a tag"),
    "unknown strategy": (
        _set("params", "loss", {"loss": ["system", {}]}),
        "not registered",
    ),
    "unknown field": (_set("loss", {"loss": ["FocalLoss", {"a": 1}]}), "does not take"),
    "field of a wrong type": (
        _set("loss", {"loss": ["FocalLoss", {"gamma": "x"}]}),
        "does not take gamma='x'",
    ),
    "field that is no number": (
        _set("loss", {"loss": ["FocalLoss", {"gamma": float("nan")}]}),
        "does not take gamma=nan",
    ),
    "another strategy as loss": (_set("loss", {"sampler": ["Balanced", {}]}), "loss"),
    "dict of no pairs": (_set("params", "class_weight", {"dict": 1}), "list of pairs"),
    "dict with a list as key": (
        _set("params", "class_weight", {"dict": [[[1], 2]]}),
        "no plain value",
    ),
    "labels of objects": (_set("classes", ["O8,O8", [0, 1]]), "labels of type"),
    "labels of huge texts": (_set("classes", ["<U999999999", ["a", "b"]]), "labels of"),
    "labels of another type": (_set("classes", ["<i8", ["a", "b"]]), "a label"),
    "labels beyond their type": (_set("classes", ["|i1", [0, 300]]), "labels"),
    "equal labels": (_set("classes", ["<i8", [1, 1]]), "not distinct"),
    "one class more": (_set("classes", ["<i8", [0, 1, 2]]), "has shape"),
    "one column more": (_set("n_features_in", 30), "has shape|one name each"),
    "too few names": (_set("feature_names_in", ["a"]), "one name each"),
    "dtype that is a function": (_set("dtype", "load"), "'dtype'"),
    "another dtype": (_set("dtype", "float64"), "not of one dtype"),
    "unknown encoder parameter": (
        _set("encoder", "params", "shiny", 1),
        "encoder has no parameter 'shiny'",
    ),
    "encoder parameter of a wrong type": (
        _set("encoder", "params", "n_quantiles", "x"),
        "n_quantiles",
    ),
    "another transform": (
        _set("encoder", "params", "numeric_transform", "standard"),
        "knots of another transform",
    ),
    "one-hot codes": (
        _set("encoder", "params", "category_encoding", "onehot"),
        "does not write codes",
    ),
    "categories of no type": (_set("encoder", "columns", [[["os", 1]]]), "categories"),
    "huge width": (_hidden_size, "larger network than it holds"),
    "number beyond all": (_set("module", "d_block", 2**62), "has d_block="),
    "huge embedding": (_set("module", "d_embedding", 2**36), "larger network"),
    "huge frequencies": (_set("module", "n_frequencies", 10**9), "larger network"),
    "many blocks": (_set("module", "n_blocks", 10**9), "more blocks than tensors"),
    "many members": (_set("module", "n_members", 10**9), "has shape"),
    "no members": (_set("module", "n_members", 0), "members"),
    "negative width": (_set("module", "d_block", -1), "cannot be built|has shape"),
    "unknown size": (_set("module", "shiny", 1), "cannot be built: TypeError"),
    "fewer blocks": (_set("module", "n_blocks", 1), "has another tensor"),
    "another width": (_set("module", "d_block", 7), "has shape"),
    "other columns": (_set("module", "n_numeric", 2), "has n_numeric=2"),
    "tensor missing": (_without("module.head.weight"), "lacks tensor 'head.weight'"),
    "tensor too many": (_tensor("module.shiny"), "has another tensor 'shiny'"),
    "tensor of no part": (_tensor("shiny"), "a tensor 'shiny' of no part"),
    "tensor of another shape": (
        _tensor("module.head.weight", shape=[2, 2, 2]),
        "head.weight has shape",
    ),
    "tensor of another type": (
        _tensor("module.head.weight", kind="F64"),
        "head.weight has shape .* type torch.float64",
    ),
    "weights that are no numbers": (
        _filled("module.head.weight", float("nan")),
        "no numbers",
    ),
    "infinite weights": (_filled("module.head.weight", float("inf")), "no numbers"),
    "attribute missing": (_without("fitted.intercept_"), "lacks fitted attribute"),
    "method as an attribute": (_tensor("fitted.predict"), "has another fitted"),
    "attribute of another shape": (
        _tensor("fitted.temperature_", shape=[5]),
        "temperature_ has shape",
    ),
    "temperature of zero": (_filled("fitted.temperature_", 0.0), "temperature_"),
    "weights of members above 1": (_filled("fitted.member_weights_", 2.0), "add up"),
    "shift below zero": (_filled("fitted.prior_shift_", -1.0), "prior_shift_"),
    "intercept without value": (_filled("fitted.intercept_", float("nan")), "inter"),
    "encoder array missing": (_without("encoder.stats"), "arrays of its encoder"),
    "knots beyond their array": (_filled("encoder.knot_counts", 2**62), "knots of its"),
    "negative knots": (_filled("encoder.knot_counts", -1), "knots of its encoder"),
    "knots that do not increase": (_filled("encoder.knots", 1.0), "do not increase"),
    "knots without value": (_filled("encoder.knots", float("nan")), "not a number"),
}


@pytest.mark.parametrize("kind", CRAFTED)
def test_crafted_files(kind, table, tmp_path):
    change, what = CRAFTED[kind]
    parts = Parts(table)
    change(parts)
    refused(tmp_path / "m", parts.bytes(), what)


OF_IMAGES = {
    "weights to fetch": (_set("module", "network", "pretrained", True), "pretrained"),
    "weights of a path": (_set("module", "network", "pretrained", "/x"), "pretrained"),
    "unknown backbone": (_set("module", "network", "backbone", "x"), "backbone"),
    "backbone of no name": (_set("module", "network", "backbone", []), "backbone"),
    "larger backbone": (
        _set("module", "network", "backbone", "wide_resnet28_10"),
        "larger network",
    ),
    "other channels": (_set("module", "network", "in_channels", 3), "in_channels=3"),
    "huge images": (
        lambda parts: (
            _set("encoder", "image_shape", [1, 2**18, 2**18])(parts),
            _set("n_features_in", 2**36)(parts),
        ),
        "n_features_in",
    ),
    "images of another size": (_set("encoder", "image_shape", [1, 4, 4]), "shape of"),
    "range of texts": (_set("encoder", "range", ["a", "b"]), "range"),
    "no arguments": (_set("module", "network", 5), "no arguments"),
    "spread of zero": (_set("module", "network", "std", [0.0]), "std must be"),
    "negative variances": (
        _filled("module.members.backbone.stem.1.running_var", -5.0),
        "no probabilities",
    ),
}


@pytest.mark.parametrize("kind", OF_IMAGES)
def test_crafted_files_of_images(kind, picture, tmp_path):
    change, what = OF_IMAGES[kind]
    parts = Parts(picture)
    change(parts)
    refused(tmp_path / "m", parts.bytes(), what)


@pytest.mark.parametrize("name", ["timm/resnet18", "timm/hf-hub:a/b", "timm/../x"])
def test_nothing_is_fetched(name, picture, tmp_path, monkeypatch):
    """With timm or without it, a file cannot ask for weights."""

    def connect(*args):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(torch.hub, "download_url_to_file", connect)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", connect)
    parts = Parts(picture)
    parts.header["module"]["network"]["backbone"] = name
    parts.header["module"]["network"]["pretrained"] = True
    refused(tmp_path / "m", parts.bytes(), "pretrained=True, not None")


@pytest.mark.parametrize("depth", [100, 5_000, 200_000])
def test_deep_nesting(depth, table, tmp_path):
    parts = Parts(table)
    for opened, closed in ("[]", ("[{" + '"dict":', "}]")):
        parts.header["params"]["class_weight"] = "deep"
        text = parts.text().replace('"deep"', opened * depth + "1" + closed * depth)
        refused(tmp_path / "m", parts.bytes(text=text), "no JSON|nested too deeply")


def _zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(print))
    return file.getvalue()


NO_FILES = {
    "empty": b"",
    "text": b"something else entirely",
    "pickle": pickle.dumps({"a": print}),
    "zip": _zip(),
    "zeros": bytes(10_000),
    "length beyond the file": struct.pack("<Q", 2**60) + b"{}",
    "no tensors": joined({}, b""),
    "tensors of someone else": joined(
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)
    ),
    "declared beyond the file": joined(
        {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}, b""
    ),
    "overflowing shape": joined(
        {"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 0]}}, b""
    ),
    "long and empty": joined(
        {
            "__metadata__": {"sklimb": '{"format": 1}'},
            "a": {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]},
        },
        b"",
    ),
    "numbers of eight bits": joined(
        {
            "__metadata__": {"sklimb": '{"format": 1}'},
            "a": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]},
        },
        b"\0",
    ),
    "metadata of a number": joined({"__metadata__": {"sklimb": 5}}, b""),
    "header of no JSON": joined({"__metadata__": {"sklimb": "{x"}}, b""),
    "header that is a list": joined({"__metadata__": {"sklimb": "abc [1]"}}, b""),
    "header without a format": joined({"__metadata__": {"sklimb": "{}"}}, b""),
    "format of a text": joined({"__metadata__": {"sklimb": '{"format": "2"}'}}, b""),
    "format of format 1 alone": joined(
        {"__metadata__": {"sklimb": '{"format": 1}'}}, b""
    ),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_files_of_something_else(kind, tmp_path):
    refused(tmp_path / "m", NO_FILES[kind], "is not a|was not|damaged|lacks")


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.99, 0.9999])
def test_truncated_files(share, table, tmp_path):
    refused(tmp_path / "m", table[: int(len(table) * share)], "not a safetensors file")


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for path, what in {
        tmp_path / "pipe": "is a pipe",
        tmp_path / "folder": "is a folder",
        "/dev/null": "is a device",
        tmp_path / "loop": "symbolic links",
        "a\0b": "null",
        "x" * 5000: "too long",
        None: "must be a str or a path",
        3: "must be a str or a path",
        b"m": "must be a str or a path",
    }.items():
        with pytest.raises(ValueError, match=what):
            sklimb.load(path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s"))
        with pytest.raises(ValueError, match="is a socket"):
            sklimb.load(tmp_path / "s")
    with pytest.raises(FileNotFoundError):
        sklimb.load(tmp_path / "nothing")


def test_a_device_that_is_none_is_not_the_fault_of_the_file(table, tmp_path):
    (tmp_path / "m").write_bytes(table)
    for device in (None, 5, "x"):
        with pytest.raises(ValueError, match="device must be"):
            sklimb.load(tmp_path / "m", device=device)


def test_a_small_file_takes_little_memory(table, tmp_path):
    """Each once took gigabytes of a file of some kilobytes.

    The limit is for what a refusal may need: a file's own bytes a few times, and the
    million spare numbers of the network's budget (8 MB); 64 MB leave room for modules
    that Python imports on the way. The peak is that of a process of its own.
    """
    sizes = {"d_block": 2**30, "n_frequencies": 2**30, "d_embedding": 2**30}
    changes = [{"module": {name: size}} for name, size in sizes.items()]
    changes += [{"module": {"n_blocks": 2**30}}, {"module": {"n_members": 2**30}}]
    for i, change in enumerate(changes):
        parts = Parts(table)
        parts.header["module"].update(change["module"])
        (tmp_path / f"m{i}").write_bytes(parts.bytes())
        assert (tmp_path / f"m{i}").stat().st_size < 100_000
    (tmp_path / "fine").write_bytes(table)
    code = (
        "import resource, sys, sklimb\n"
        "def peak():\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "sklimb.load(sys.argv[1]); before = peak()\n"
        "for path in sys.argv[2:]:\n"
        "    try: sklimb.load(path)\n"
        "    except ValueError: continue\n"
        "    raise SystemExit(path)\n"
        "print(peak() - before)"
    )
    files = [str(tmp_path / f"m{i}") for i in range(len(changes))]
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "fine"), *files],
        capture_output=True,
        text=True,
    )
    assert out.returncode == 0, out.stderr
    assert int(out.stdout) < 64


class Layered(torch.nn.Module):
    """A network of a user's own, whose number of layers is none that sklimb knows."""

    def __init__(self, n_columns, n_classes, depth):
        super().__init__()
        layers = [torch.nn.Linear(n_columns, n_columns) for _ in range(depth)]
        self.layers = torch.nn.Sequential(*layers)
        self.head = torch.nn.Linear(n_columns, n_classes)

    def embed(self, x):
        return self.layers(x)

    def forward(self, x):
        return self.head(self.embed(x))

    def reset_parameters(self, generator):
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, std=0.1, generator=generator)


class LayeredClassifier(TabularNetworkClassifier):
    """Takes its depth from the tests."""

    @staticmethod
    def make_network(n_numeric, n_indicators, cardinalities, n_classes, depth=2):
        return Layered(n_numeric + len(cardinalities), n_classes, depth)

    def network_arguments(self):
        return {"depth": 2}


def test_networks_of_ones_own_have_a_budget_too(tmp_path):
    X, y = fixed_table()
    clf = LayeredClassifier(max_epochs=1, n_members=2, random_state=0).fit(X, y)
    clf.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    for depth, what in ((10**9, "larger network"), ("x", "cannot be built: TypeError")):
        parts = Parts((tmp_path / "m").read_bytes())
        parts.header["module"]["network"]["depth"] = depth
        refused(tmp_path / "n", parts.bytes(), what)


def test_messages_hold_no_control_characters(table, tmp_path):
    parts = Parts(table)
    parts.header["params"]["\x1b[31m"] = 1
    parts.header["version"] = "\x1b[31m"
    (tmp_path / "m").write_bytes(parts.bytes())
    with pytest.raises(ValueError, match="no parameter") as error:
        sklimb.load(tmp_path / "m")
    assert json.dumps(str(error.value)).count("\\u001b") == 0
