"""A fitted estimator as an ONNX file: columns in, labels and probabilities out."""

import json
import logging
import warnings
from contextlib import contextmanager

import numpy as np
import torch

from sklimb._messages import listed, short
from sklimb._version import __version__
from sklimb.graph.categories import MISSING_TEXTS, number_table, text_table
from sklimb.graph.encoders import column_types, is_number
from sklimb.graph.models import parts_of
from sklimb.graph.whole import Whole
from sklimb.persistence.paths import replaceable, replacing

TYPES = ("float64", "float32", "int64", "bool", "string")
OUTPUTS = ("label", "probabilities")
_OPSET = 18  # which runtimes have had since 2023


def write(model, path, column_types=None):
    """Write a fitted estimator as an ONNX graph; see `sklimb.export.to_onnx`."""
    parts = parts_of(model)
    if parts.make_module is None:
        raise TypeError(
            f"A graph ends in a classifier, and {short(type(model).__name__)} has none."
        )
    onnx, path = import_onnx(), replaceable(path)
    columns = _columns(parts.first_encoder, dict(column_types or {}))
    proto = _network(Whole(parts, [kind for _, _, kind in columns]))
    _name_inside(proto.graph)
    _put_inputs(onnx, proto.graph, parts.first_encoder, columns)
    _put_outputs(onnx, proto.graph, parts.classes)
    proto.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 3))
    about = {
        "classes": json.dumps(parts.classes.tolist()),
        "columns": json.dumps(
            [{"name": str(n), "input": i, "type": t} for n, i, t in columns]
        ),
        "missing_texts": json.dumps(MISSING_TEXTS),
        "estimator": type(model).__name__,
        "versions": json.dumps({"sklimb": __version__, "torch": torch.__version__}),
    }
    onnx.helper.set_model_props(proto, about)
    proto.producer_name, proto.producer_version = "sklimb", __version__
    proto.doc_string = proto.graph.doc_string = ""
    del proto.graph.metadata_props[:]
    onnx.checker.check_model(proto)
    with replacing(path) as file:
        file.write(proto.SerializeToString())


def import_onnx():
    """The onnx module; if the extra is missing, an error that says so."""
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(
            f"to_onnx needs {error.name}, which is not installed. Run "
            '`pip install "sklimb[onnx]"`.'
        ) from error
    return onnx


def _columns(encoder, given):
    """(column, input, type) of each input."""
    if not hasattr(encoder, "categories_"):  # images
        kind = "uint8" if (encoder.low_, encoder.high_) == (0.0, 255.0) else "float64"
        return [("images", "images", kind)]
    names = getattr(encoder, "feature_names_in_", None)
    if names is None:
        names = [f"x{i}" for i in range(encoder.n_features_in_)]
    names = list(names)
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ValueError(
            f"column_types names {short(unknown[0])}, which is not a column. Columns: "
            f"{listed(names)}."
        )
    types, numeric = column_types(encoder, given, names), set(encoder.numeric_columns_)
    for i, (name, kind) in enumerate(zip(names, types, strict=True)):
        allowed = TYPES[:-1] if i in numeric else TYPES
        if kind not in allowed:
            raise ValueError(
                f"column_types[{short(name)}] must be one of {list(allowed)}, got "
                f"{short(kind)}."
            )
    inputs, taken = [], set(OUTPUTS)
    for i, name in enumerate(names):
        own = str(name) or f"x{i}"
        while own in taken:
            own += "_"
        taken.add(own)
        inputs.append(own)
    return list(zip(names, inputs, types, strict=True))


@contextmanager
def _quiet():
    """Without what torch and onnxscript say of each other while they trace."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings("ignore", message="# The axis name: rows")
            yield
    finally:
        logger.setLevel(level)


def _network(whole):
    """The ONNX model of a Whole."""
    raw, shapes = whole.example()
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            whole,
            kwargs={"raw": raw},
            dynamo=True,
            dynamic_shapes={"raw": shapes},
            input_names=list(raw),
            output_names=["probabilities", "position"],
            opset_version=_OPSET,
            verbose=False,
        )
    return program.model_proto


def _name_inside(graph):
    """Give all values in a graph names that no column has."""

    def inside(name):
        return f"sklimb::{name}" if name else name

    for node in graph.node:
        del node.metadata_props[:]  # stack traces, with the paths of this machine
        node.input[:] = map(inside, node.input)
        node.output[:] = map(inside, node.output)
        for attribute in node.attribute:
            for sub in [attribute.g, *attribute.graphs]:
                if len(sub.node):
                    _name_inside(sub)
    for value in [*graph.input, *graph.output, *graph.initializer]:
        value.name = inside(value.name)
        del value.metadata_props[:]
    # They hold traced names and sizes of a few rows, and nobody needs them.
    del graph.value_info[:]


def _put_inputs(onnx, graph, encoder, columns):
    """One input for each column in the place of the matrices of the network."""
    helper, tensor = onnx.helper, onnx.TensorProto
    if not hasattr(encoder, "categories_"):
        graph.input[0].name = "images"
        first = helper.make_node("Identity", ["images"], ["sklimb::images"])
        graph.node.insert(0, first)
        return
    kinds = {
        "float64": tensor.DOUBLE,
        "float32": tensor.FLOAT,
        "int64": tensor.INT64,
        "bool": tensor.BOOL,
        "string": tensor.STRING,
    }
    numeric = set(encoder.numeric_columns_.tolist())
    nodes, numbers, codes = [], [], []
    for i, (_, name, kind) in enumerate(columns):
        column = encoder._columns[i]
        if i in numeric or is_number(kind):
            numbers.append(_cast(helper, nodes, name, kind, "float64", kinds))
            continue
        inner = name
        if kind == "string":
            table = {"keys_strings": text_table(column)}
        else:
            inner = _cast(helper, nodes, name, kind, "int64", kinds)
            table = {"keys_int64s": number_table(column, whole=True) or {0: 0}}
        ((keys, table),) = table.items()
        code = f"sklimb::code::{name}"
        nodes.append(
            helper.make_node(
                "LabelEncoder",
                [inner],
                [code],
                domain="ai.onnx.ml",
                default_int64=int(column.is_empty),
                values_int64s=list(table.values()),
                **{keys: list(table)},
            )
        )
        codes.append(code)
    for stacked, parts in (("numbers", numbers), ("codes", codes)):
        if parts:
            nodes += _stack(onnx, graph, parts, f"sklimb::{stacked}")
    del graph.input[:]
    graph.input.extend(
        helper.make_tensor_value_info(name, kinds[kind], ["rows"])
        for _, name, kind in columns
    )
    _prepend(graph, nodes)


def _cast(helper, nodes, name, kind, to, kinds):
    """The name of an input, or of what it becomes by a cast."""
    if kind == to:
        return name
    nodes.append(helper.make_node("Cast", [name], [f"sklimb::{name}"], to=kinds[to]))
    return f"sklimb::{name}"


def _stack(onnx, graph, parts, name):
    """Nodes that make one matrix (len(parts), rows) of columns."""
    helper = onnx.helper
    shape = onnx.numpy_helper.from_array(np.array([len(parts), -1]), f"{name}::shape")
    graph.initializer.append(shape)
    return [
        helper.make_node("Concat", parts, [f"{name}::joined"], axis=0),
        helper.make_node("Reshape", [f"{name}::joined", shape.name], [name]),
    ]


def _put_outputs(onnx, graph, classes):
    """Labels for the positions of classes, and the probabilities under their name."""
    helper, tensor = onnx.helper, onnx.TensorProto
    values = classes.tolist()
    first = type(values[0])
    if all(isinstance(value, bool) for value in values):
        kind, array = tensor.BOOL, np.array(values)
    elif all(isinstance(value, int) for value in values):
        kind, array = tensor.INT64, np.array(values, dtype=np.int64)
    elif all(isinstance(value, float) for value in values):
        kind, array = tensor.DOUBLE, np.array(values)
    elif all(isinstance(value, str) for value in values):
        kind, array = tensor.STRING, np.array(values, dtype=object)
    else:
        raise ValueError(
            f"Labels of type {first.__name__} cannot be written into a graph. Use str, "
            "int, float or bool."
        )
    graph.initializer.append(onnx.numpy_helper.from_array(array, "sklimb::classes"))
    inner = {value.name.removeprefix("sklimb::"): value for value in graph.output}
    numbers = inner["probabilities"].type.tensor_type.elem_type
    graph.node.extend(
        [
            helper.make_node(
                "Gather", ["sklimb::classes", "sklimb::position"], ["label"]
            ),
            helper.make_node("Identity", ["sklimb::probabilities"], ["probabilities"]),
        ]
    )
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info("label", kind, ["rows"]),
            helper.make_tensor_value_info(
                "probabilities", numbers, ["rows", len(values)]
            ),
        ]
    )


def _prepend(graph, nodes):
    kept = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *kept])
