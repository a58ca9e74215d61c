"""The container: tensors and a JSON header in one safetensors file, with a checksum."""

import hashlib
import json
import math
from pathlib import Path

import torch
from safetensors import SafetensorError, deserialize, safe_open
from safetensors.torch import save as serialized

from sklimb._version import __version__
from sklimb.persistence.paths import check_readable, replaceable, replacing

FORMAT = 2
# Types of tensors that `write` writes, as safetensors names them.
_TYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "F32": torch.float32,
    "F64": torch.float64,
}
# Lists and dicts within each other; those that `write` writes have about ten.
_DEEPEST = 64


def write(path, tensors, header):
    """Write tensors and a JSON header; on failure `path` stays as it was.

    Raises
    ------
    ValueError
        Something else than a file is there, or no file can have this name.
    OSError
        The file cannot be written; no part of it is left behind.
    """
    path = replaceable(path)
    content = to_bytes(tensors, header)
    with replacing(path) as file:
        file.write(content)


def to_bytes(tensors, header):
    """The content of the file that `write` writes."""
    text = json.dumps({**header, "version": __version__})
    # One entry: safetensors writes several in an order that changes.
    metadata = {"sklimb": f"{_checksum(text, tensors)} {text}"}
    return serialized(tensors, metadata)


def read(path):
    """Header and tensors of a file that `write` wrote.

    The header's "checked" says whether there was a checksum to compare them with.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    ValueError
        It is no such file, or not as it was written.
    """
    check_readable(path)
    return _checked(path, *_content(path))


def from_bytes(data):
    """Header and tensors of a `to_bytes`; errors are those of `read`."""
    return _checked("the state", *_content_of(data))


def _checked(path, metadata, tensors):
    """(header, tensors) of a content that agrees with its checksum."""
    if "sklimb" not in metadata:
        raise ValueError(f"{path} was not written by sklimb's save.")
    checksum, text = "", metadata["sklimb"]
    if not text.startswith("{"):  # files of format 1 hold the header alone
        checksum, _, text = text.partition(" ")
    if checksum and checksum != _checksum(text, tensors):
        raise ValueError(
            f"{path} is damaged: its content does not agree with its checksum. Save "
            "the estimator again, or take a copy of the file."
        )
    header = _header(path, text)
    if header["format"] > FORMAT:
        raise ValueError(
            f"{path} has format {header['format']}, written by "
            f"{writer(header)}, and this sklimb ({__version__}) reads up to {FORMAT}. "
            "Update sklimb."
        )
    if header["format"] > 1 and not checksum:
        raise ValueError(f"{path} is damaged: its checksum is gone.")
    return {**header, "checked": bool(checksum)}, tensors


def writer(header):
    """What wrote a file, for messages: "sklimb 0.1.0"."""
    version = header.get("version")
    if not isinstance(version, str) or not version.isprintable() or len(version) > 40:
        return "an earlier sklimb"
    return f"sklimb {version}"


def _content(path):
    """(metadata, tensors) of a safetensors file, sizes checked before they are read."""
    n_bytes = Path(path).stat().st_size
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            for name in file.keys():
                part = file.get_slice(name)
                _check_sizes(path, part.get_dtype(), part.get_shape(), n_bytes)
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            return file.metadata() or {}, tensors
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error


def _content_of(data):
    """`_content` of the bytes of a file."""
    try:
        parts = deserialize(data)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the state is no safetensors content: {error}") from error
    tensors = {}
    for name, part in parts:
        kind, shape = part["dtype"], part["shape"]
        _check_sizes("the state", kind, shape, len(data))
        # A copy, because bytes are read-only and shared.
        flat = torch.frombuffer(part["data"] or bytearray(8), dtype=_TYPES[kind])
        tensors[name] = flat.clone()[: math.prod(shape)].reshape(shape)
    return metadata, tensors


def _check_sizes(path, kind, shape, n_bytes):
    """Refuse numbers of another type, and more of them than there are bytes."""
    if kind not in _TYPES:
        raise ValueError(f"{path} is damaged: it has numbers of {kind}.")
    # An empty tensor may have any other length.
    if math.prod(max(n, 1) for n in shape) > 8 * n_bytes:
        raise ValueError(f"{path} is damaged: a tensor has more numbers than the file.")


def _header(path, text):
    """The header as a dict with a format."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: its header is no JSON.") from error
    if _depth_exceeds(header, _DEEPEST):
        raise ValueError(f"{path} is damaged: its header is nested too deeply.")
    version = header.get("format") if isinstance(header, dict) else None
    if type(version) is not int or version < 1:
        raise ValueError(f"{path} is damaged: its header names no format.")
    return header


def _depth_exceeds(value, most):
    """Whether lists and dicts are more than `most` deep; without recursion."""
    level = [value]
    for _ in range(most):
        items = [v for v in level if isinstance(v, list | dict)]
        level = [
            child
            for item in items
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _checksum(text, tensors):
    """sha256 of a header's text and of names, types, shapes and bytes of tensors."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
