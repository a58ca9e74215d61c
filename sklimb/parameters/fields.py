"""Fields that define a constructor parameter: name, default, range, documentation.

A class that inherits `Parameters` gets its constructor, `_parameter_constraints` and
the Parameters section of its docstring from its own and inherited `parameter` fields.
`inspect.signature`, `get_params`, `clone` and type checkers see the whole list.
"""

import inspect
import json
import re
import textwrap
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar, dataclass_transform

_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
_ATTRIBUTES = re.compile(
    r"Attributes\n-+\n(.*?)(?=^\w[^\n]*\n---|\Z)", re.DOTALL | re.MULTILINE
)


def parameter(default, constraint=None, kind=None, doc=None, excludes=None) -> Any:
    """A constructor parameter.

    Parameters
    ----------
    default : object
        Its default.
    constraint : list, default=None
        Types and ranges, as in scikit-learn's `_parameter_constraints`. None takes that
        of the field of this name in a base class; so do the following.
    kind : str, default=None
        Its type, as documented.
    doc : str, default=None
        Its documentation.
    excludes : dict, default=None
        Parameters that cannot be set beside it: name -> reason, or function of the
        parameters that returns it or None. A reason that ends in a full stop also says
        what to do.

    Returns
    -------
    dataclasses.Field
        For the body of a class that inherits `Parameters`, as all classifiers do.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.parameters import parameter
    >>> class Narrow(TabularMLPClassifier):
    ...     d_block: int = parameter(8)
    >>> Narrow().d_block
    8
    """
    return field(
        default=default,
        metadata={
            "constraint": constraint,
            "kind": kind,
            "doc": doc,
            "excludes": excludes,
        },
    )


def one_of(*names):
    """The names as a documented choice: `{"a", "b"}`."""
    return "{" + ", ".join(f'"{name}"' for name in names) + "}"


@dataclass_transform(
    kw_only_default=True, eq_default=False, field_specifiers=(parameter,)
)
@dataclass(kw_only=True, eq=False, repr=False)
class Parameters:
    """Base of classes whose constructor assigns their `parameter` fields.

    A subclass with an `__init__` of its own keeps it. Public docstrings have no
    Parameters section in the source: it is inserted before their first other section.
    """

    _parameter_constraints: ClassVar[dict] = {}
    # Documentation of fitted attributes that all classifiers share: name -> entry.
    _attributes: ClassVar[dict] = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        _inherit(cls)
        if "__init__" not in vars(cls):
            dataclass(kw_only=True, eq=False, repr=False)(cls)
        cls._parameter_constraints = {
            **cls._parameter_constraints,
            **{
                n: p["constraint"] for n, p in described(cls).items() if p["constraint"]
            },
        }
        if vars(cls).get("__doc__"):
            cls.__doc__ = _documented(cls)


def described(cls):
    """{name: {"default", "constraint", "kind", "doc", "excludes"}} of a class."""
    plain = {"constraint": None, "kind": "object", "doc": "", "excludes": {}}
    return {f.name: {"default": f.default, **plain, **f.metadata} for f in fields(cls)}


def _inherit(cls):
    """Fill arguments that a field leaves out from the field of a base class."""
    for name, own in vars(cls).items():
        if not isinstance(own, Field) or None not in own.metadata.values():
            continue
        above = next(
            (
                base.__dataclass_fields__[name].metadata
                for base in cls.__mro__[1:]
                if name in getattr(base, "__dataclass_fields__", {})
            ),
            {},
        )
        given = {k: v for k, v in own.metadata.items() if v is not None}
        own.metadata = {**above, **given}


def _documented(cls):
    """The docstring of a class with its parameters and the shared attributes."""
    text = inspect.cleandoc(cls.__doc__)
    entries = described(cls)
    own = [name for name in vars(cls) if name in entries]
    names = [*own, *(name for name in entries if name not in own)]
    listed = "\n".join(_entry(name, entries[name]) for name in names)
    first = _SECTION.search(text)
    begin = len(text) if first is None else first.start()
    sections = [text[:begin].rstrip(), _section("Parameters", listed)]
    rest = text[begin:]
    if cls._attributes:
        told = re.match(
            r"Attributes\n-+\n(.*?)(?=^\w[^\n]*\n---|\Z)", rest, re.S | re.M
        )
        given = "" if told is None else told.group(1).rstrip() + "\n"
        rest = rest if told is None else rest[told.end() :]
        shared = [
            f"{name} : {entry}"
            for name, entry in cls._attributes.items()
            if not re.search(rf"^{name} :", given, re.MULTILINE)
        ]
        sections.append(_section("Attributes", given + "\n".join(shared)))
    return "\n\n".join([*sections, rest.strip()]).rstrip() + "\n"


def _section(title, text):
    return f"{title}\n{'-' * len(title)}\n{text}"


def _entry(name, own):
    default = own["default"]
    default = json.dumps(default) if isinstance(default, str) else repr(default)
    doc = textwrap.indent(inspect.cleandoc(own["doc"]), "    ")
    return f"{name} : {own['kind']}, default={default}\n{doc}"
