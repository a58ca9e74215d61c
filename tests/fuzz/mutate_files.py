"""Wrong files: seeded mutations of a saved classifier, with and without its checksum.

A file is taken apart without sklimb: eight bytes of length, safetensors' JSON, bytes of
tensors, and in the JSON's metadata sklimb's own header, before it the sha256 of header
and tensors. "stale" mutations keep the old checksum; "sealed" ones compute it anew, as
whoever writes a file on purpose does.
"""

import copy
import hashlib
import json
import struct

TYPES = {
    "F64": "torch.float64",
    "F32": "torch.float32",
    "I64": "torch.int64",
    "BOOL": "torch.bool",
}
SIZES = {"F64": 8, "F32": 4, "I64": 8, "BOOL": 1}
# What is put in the place of a value of the header.
ODD = [
    None,
    True,
    False,
    0,
    1,
    -1,
    3,
    2**31,
    2**63,
    10**30,
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "os",
    "../x",
    "\x00",
    "\ud800",
    "x" * 5000,
    [],
    [1],
    [[]],
    [None] * 3,
    {},
    {"a": 1},
    {"dict": 1},
    {"dict": [[[1], 2]]},
    {"loss": ["FocalLoss", {"gamma": "x"}]},
    {"sampler": ["Balanced", {}]},
    {"os": ["system", {"command": "true"}]},
]
# Stands for lists within lists, which are put into the text at the end.
_DEEP = "deep lists"


class Parts:
    """A saved file taken apart: checksum, header, and tensors by name.

    `tensors` maps names to [dtype, shape, bytes].
    """

    def __init__(self, data):
        (length,) = struct.unpack("<Q", data[:8])
        entries = json.loads(data[8 : 8 + length])
        body = data[8 + length :]
        text = entries.pop("__metadata__")["sklimb"]
        self.checksum = ""
        if not text.startswith("{"):
            self.checksum, _, text = text.partition(" ")
        self.header = json.loads(text)
        self.tensors = {
            name: [e["dtype"], list(e["shape"]), body[slice(*e["data_offsets"])]]
            for name, e in entries.items()
        }

    def text(self):
        """The header as JSON, as `save` writes it."""
        return json.dumps(self.header)

    def seal(self, text=None):
        """The checksum of header and tensors as they are."""
        digest = hashlib.sha256((self.text() if text is None else text).encode())
        for name in sorted(self.tensors):
            kind, shape, data = self.tensors[name]
            shape = f"({shape[0]},)" if len(shape) == 1 else str(tuple(shape))
            digest.update(f"{name} {TYPES.get(kind, kind)} {shape}".encode())
            digest.update(data)
        return digest.hexdigest()

    def bytes(self, sealed=True, text=None):
        """The file; `text` replaces the header."""
        text = self.text() if text is None else text
        checksum = self.seal(text) if sealed else self.checksum
        entries = {"__metadata__": {"sklimb": f"{checksum} {text}".lstrip()}}
        body = b""
        for name, (kind, shape, data) in self.tensors.items():
            place = [len(body), len(body) + len(data)]
            entries[name] = {"dtype": kind, "shape": shape, "data_offsets": place}
            body += data
        return joined(entries, body)


def joined(entries, body):
    """A safetensors file of its JSON and the bytes of its tensors."""
    head = json.dumps(entries).encode()
    return struct.pack("<Q", len(head)) + head + body


def mutations(rng, whole):
    """Endless mutations of the bytes of one saved file, as (name, bytes).

    Parameters
    ----------
    rng : numpy.random.Generator
    whole : bytes
        A file of format 2 that `load` takes.

    Yields
    ------
    name : str
        "stale" or "sealed", and what was done.
    data : bytes
    """
    kinds = [_bytes_changed, _header_changed, _header_changed, _tensor_changed]
    kinds.append(_entry_changed)
    while True:
        kind = kinds[rng.integers(len(kinds))]
        yield kind(rng, whole)


def _bytes_changed(rng, whole):
    """A change that knows nothing of the format."""
    data, kind = bytearray(whole), rng.integers(8)
    # Half of the places are in the text, which is a small part of most files.
    most = len(data) if rng.random() < 0.5 else 8 + struct.unpack("<Q", whole[:8])[0]
    at, n = int(rng.integers(most)), int(rng.integers(1, 65))
    if kind == 0:
        data[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        data[at] = int(rng.integers(256))
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        del data[at : at + n]
    elif kind == 4:
        data[at:at] = rng.bytes(n)
    elif kind == 5:
        data[at : at + n] = bytes(len(data[at : at + n]))
    elif kind == 6:
        data += rng.bytes(n)
    else:
        data[:8] = rng.bytes(8) if rng.random() < 0.5 else struct.pack("<Q", at)
    return f"stale: bytes, kind {kind} at {at}", bytes(data)


def _header_changed(rng, whole):
    """One place of sklimb's header, at any depth."""
    parts = Parts(whole)
    places = list(_places(parts.header))
    # Every top key as often as every other one: most places are in few of them.
    top = sorted({path[0] for path, _, _ in places})
    top = top[rng.integers(len(top))]
    places = [place for place in places if place[0][0] == top]
    path, parent, key = places[rng.integers(len(places))]
    what = _change(rng, parent, key)
    sealed = rng.random() < 0.6
    name = f"{'sealed' if sealed else 'stale'}: {'.'.join(map(str, path))} {what}"
    # json.dumps would recurse as deep as what it writes.
    depth = int(rng.choice([3, 60, 900, 20_000]))
    deep = "[" * depth + "1" + "]" * depth
    return name, parts.bytes(sealed, parts.text().replace(json.dumps(_DEEP), deep))


def _places(value, path=()):
    """(path, parent, key) of every value below `value`."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in items:
        yield (*path, key), value, key
        if isinstance(child, dict | list):
            yield from _places(child, (*path, key))


def _change(rng, parent, key):
    """Change one value of a dict or list; say how."""
    old, kind = parent[key], rng.integers(6)
    if kind == 0:
        del parent[key]
        return "deleted"
    if kind == 1 and isinstance(parent, dict):
        name = ["x", f"{key}_", "", "__class__", "self"][rng.integers(5)]
        parent[name] = parent.pop(key)
        return f"renamed {name!r}"
    if kind == 1:
        parent.insert(key, copy.deepcopy(old))
        return "doubled"
    if kind == 2 and isinstance(old, int | float) and not isinstance(old, bool):
        factor = [-1, 0, 2, 10, 1000, 10**6, 10**9, 0.5][rng.integers(8)]
        parent[key] = old * factor
        return f"times {factor}"
    if kind == 3 and isinstance(old, int | float) and not isinstance(old, bool):
        parent[key] = old + [-1, 1][rng.integers(2)]
        return f"is {parent[key]}"
    if kind == 4 and rng.random() < 0.3:
        parent[key] = _DEEP
        return "nested"
    new = ODD[rng.integers(len(ODD))]
    parent[key] = copy.deepcopy(new)
    return f"is {str(new)[:30]!r}"


def _tensor_changed(rng, whole):
    """One tensor, under a checksum that agrees with it."""
    parts = Parts(whole)
    names = sorted(parts.tensors)
    name = names[rng.integers(len(names))]
    kind, shape, data = tensor = parts.tensors[name]
    size, what = SIZES[kind], int(rng.integers(9))
    if what == 0:
        del parts.tensors[name]
    elif what == 1:
        parts.tensors[f"{name}_"] = parts.tensors.pop(name)
    elif what == 2:
        parts.tensors[f"{name.split('.')[0]}.predict"] = copy.deepcopy(tensor)
    elif what == 3:  # one row less or more
        rows = data[: len(data) // max(shape[0], 1)]
        more = rng.random() < 0.5 or shape[0] < 1
        tensor[1] = [shape[0] + (1 if more else -1), *shape[1:]]
        tensor[2] = data + rows if more else data[len(rows) :]
    elif what == 4:
        tensor[1] = [1, *shape] if rng.random() < 0.5 else [len(data) // size]
    elif what == 5:  # another type
        other = {"F64": "I64", "I64": "F64", "F32": "F64", "BOOL": "I64"}[kind]
        tensor[0] = other
        tensor[2] = (data * 8)[: len(data) // size * SIZES[other]]
    elif what == 6:
        tensor[1], tensor[2] = [0, *shape[1:]], b""
    elif data:  # one odd number, or nothing but odd numbers
        code = {"F64": "<d", "F32": "<f", "I64": "<q", "BOOL": "<B"}[kind]
        odd = [float("nan"), float("inf"), -1.0, 0.0, 1e30]
        if kind in ("I64", "BOOL"):
            odd = [0, 1] if kind == "BOOL" else [-1, 0, 2**40, 2**62, -(2**62)]
        value = struct.pack(code, odd[rng.integers(len(odd))])
        at = size * int(rng.integers(len(data) // size))
        changed = data[:at] + value + data[at + size :]
        tensor[2] = changed if what == 7 else value * (len(data) // size)
    return f"sealed: {name}, kind {what}", parts.bytes()


def _entry_changed(rng, whole):
    """One place of safetensors' own JSON."""
    (length,) = struct.unpack("<Q", whole[:8])
    entries, body = json.loads(whole[8 : 8 + length]), whole[8 + length :]
    places = [p for p in _places(entries) if p[0][0] != "__metadata__" or len(p[0]) < 2]
    path, parent, key = places[rng.integers(len(places))]
    if rng.random() < 0.2:
        what, parent[key] = "is huge", 2 ** int(rng.integers(20, 63))
    else:
        what = _change(rng, parent, key)
    return f"stale: entry {'.'.join(map(str, path))} {what}", joined(entries, body)
