"""Documentation of all public objects: numpydoc's rules, entries, types and shapes."""

import ast
import inspect
import re
import textwrap

import pytest
from helpers.public import methods_of, public_objects
from numpydoc.docscrape import FunctionDoc, NumpyDocString
from numpydoc.validate import validate
from sklearn.metrics import get_scorer_names

from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.bayes import LaplaceClassifier, SGHMCClassifier
from sklimb.bayes._curvature import STRUCTURES
from sklimb.bayes._jacobians import SUBSETS
from sklimb.model_selection import PackedSearchCV
from sklimb.nn.image_network import BACKBONES
from sklimb.parameters.fields import described
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier
from sklimb.training import samplers, terms
from sklimb.training.augment.operations import AUGMENTS
from sklimb.training.device import NUMBERS
from sklimb.training.losses import LOSSES
from sklimb.training.mixing import MIXES
from sklimb.training.monitor import MONITORS
from sklimb.training.optimizers import OPTIMIZERS
from sklimb.training.reweighting import ROW_WEIGHTINGS
from sklimb.training.samplers import SAMPLERS
from sklimb.training.scales import SCALES
from sklimb.training.terms import TERMS
from sklimb.two_stage import ClassifierRetrainer, _methods

# numpydoc's rules that do not hold here, and why.
EXCLUDED = {
    "GL01": "a summary begins on the line of the quotes, as ruff and PEP 257 have it",
    "ES01": "one sentence may say all",
    "SA01": "what belongs together is named where it is told",
    "EX01": "classes and functions have examples (tested below), methods where short",
    "SS05": "'Labels' and 'Probabilities' are no verbs; a noun phrase says what comes",
    "RT02": "returned values have names, as in scikit-learn",
    "RT03": "`self` needs no description",
    "PR03": "a classifier tells its own parameters before those that all share",
}
# Their types with shapes say all: no description is asked for (PR07).
PLAIN = {"X", "y", "sample_weight"}
OBJECTS = {
    name: thing
    for name, thing in public_objects().items()
    # Packed layers are told as torch tells its modules: by the shapes that go in and
    # out, with "..." for any leading axes.
    if callable(thing) and not name.startswith("sklimb.nn.")
}
CLASSES = {name: thing for name, thing in OBJECTS.items() if inspect.isclass(thing)}
# Each method once, under the first class that has it.
METHODS = {
    method: f"{name}.{own}"
    for name, cls in reversed(CLASSES.items())
    for own, method in methods_of(cls).items()
}
FUNCTIONS = {
    **{name: thing for name, thing in OBJECTS.items() if not inspect.isclass(thing)},
    **{name: m for m, name in METHODS.items() if inspect.isfunction(m)},
}
CLASSIFIERS = [
    TabularMLPClassifier,
    TabularResNetClassifier,
    FTTransformerClassifier,
    ImageResNetClassifier,
]
# What a class says in its own way, though others have a parameter of that name.
OF_THE_MLP = {"max_epochs", "lr_schedule", "lr", "batch_size"}  # its short training
OF_THE_MLP |= {"n_members", "validation_folds"}  # and its budget of networks
OF_THE_MLP |= {"numeric_transform"}  # and what it does to few rows
REDECLARED = {
    TabularResNetClassifier: {"n_blocks", "d_block", "d_embedding"},
    FTTransformerClassifier: {"n_blocks", "d_block", "lr", "weight_decay"},
    ImageResNetClassifier: {
        "pretrained",
        "joint_ssl",
        "mix",
        "metabalance_support_batch_size",
        "metabalance_query_batch_size",
        "optimizer",
        "lr",
        "weight_decay",
        "lr_schedule",
        "max_epochs",
        "batch_size",
        "n_iter_no_change",
    },
}


def entries(function, section="Parameters"):
    """{name: (type, text)} of a section; a name that is told twice fails."""
    found = {}
    for own in NumpyDocString(inspect.getdoc(function))[section]:
        for name in own.name.split(", "):
            assert name not in found, f"{name} has two entries"
            found[name] = own.type, " ".join(own.desc)
    return found


def told(cls, parameter):
    """Documentation of a constructor parameter."""
    return " ".join(entries(cls)[parameter])


@pytest.mark.parametrize("name", [*OBJECTS, *METHODS.values()])
def test_numpydoc_validates(name):
    errors = [tuple(e) for e in validate(name)["errors"] if e[0] not in EXCLUDED]
    plain = {("PR07", f'Parameter "{own}" has no description') for own in PLAIN}
    assert not set(errors) - plain


@pytest.mark.parametrize("name", OBJECTS)
def test_classes_and_functions_have_examples(name):
    assert ">>> " in inspect.getdoc(OBJECTS[name])


@pytest.mark.parametrize("name", CLASSES)
def test_every_constructor_name_has_one_entry(name):
    cls = CLASSES[name]
    assert set(entries(cls)) == set(inspect.signature(cls).parameters)


@pytest.mark.parametrize("name", CLASSES)
def test_entries_tell_the_default(name):
    cls = CLASSES[name]
    for own, parameter in inspect.signature(cls).parameters.items():
        kind = entries(cls)[own][0]
        assert ("default=" in kind) == (parameter.default is not parameter.empty), own


def test_shared_parameters_agree():
    """Range, default and documentation of a name have one source."""
    tables = {cls: described(cls) for cls in CLASSIFIERS}
    first = tables[TabularMLPClassifier]
    for cls in CLASSIFIERS[1:]:
        shared = set(first) & set(tables[cls])
        assert len(shared) > 50
        differing = {n for n in shared if tables[cls][n] != first[n]}
        assert differing == REDECLARED[cls] | (OF_THE_MLP & shared), cls.__name__
        for name in shared - differing:
            assert entries(cls)[name] == entries(TabularMLPClassifier)[name]
            defaults = [
                inspect.signature(c).parameters[name].default
                for c in (cls, TabularMLPClassifier)
            ]
            assert defaults[0] == defaults[1], name


def of(kind):
    """Names of the self-supervised terms for "columns" or "images"."""
    other = {"columns": terms.Rotation, "images": terms.SCARF}[kind]
    return [name for name, term in TERMS.items() if type(term) is not other]


TABULAR = CLASSIFIERS[:3]
REGISTRIES = [
    *((cls, "loss", LOSSES) for cls in CLASSIFIERS),
    *((cls, "sampler", SAMPLERS) for cls in CLASSIFIERS),
    *((cls, "metabalance_sampler", ["natural", *SAMPLERS]) for cls in CLASSIFIERS),
    *((cls, "smoothing_scale", SCALES) for cls in CLASSIFIERS),
    *((cls, "sam_scale", SCALES) for cls in CLASSIFIERS),
    *((cls, "mix", MIXES) for cls in CLASSIFIERS),
    *((cls, "row_weighting", ROW_WEIGHTINGS) for cls in CLASSIFIERS),
    *((cls, "optimizer", OPTIMIZERS) for cls in CLASSIFIERS),
    *((cls, "monitor", MONITORS) for cls in CLASSIFIERS),
    *((cls, "dtype", NUMBERS) for cls in CLASSIFIERS),
    *((cls, "joint_ssl", of("columns")) for cls in TABULAR),
    (ImageResNetClassifier, "joint_ssl", of("images")),
    (ImageResNetClassifier, "augment", AUGMENTS),
    (ImageResNetClassifier, "backbone", BACKBONES),
    (SelfSupervisedPretrainer, "method", terms.ALL_TERMS),
    (ClassifierRetrainer, "method", _methods.METHODS),
    (ClassifierRetrainer, "sampler", samplers.DRAWS),
    (ClassifierRetrainer, "optimizer", OPTIMIZERS),
    (LaplaceClassifier, "subset", SUBSETS),
    (LaplaceClassifier, "structure", STRUCTURES),
]


@pytest.mark.parametrize(
    ("cls", "parameter", "names"),
    REGISTRIES,
    ids=[f"{cls.__name__}-{parameter}" for cls, parameter, _ in REGISTRIES],
)
def test_registry_names_are_told(cls, parameter, names):
    text = told(cls, parameter)
    assert len(names) > 1
    assert not [name for name in names if f'"{name}"' not in text]


# Strings that constraints take and documentation leaves out: those for others, which
# `fit` refuses with a sentence, and scikit-learn's list of scorers.
LEFT_OUT = {
    **{(cls, "joint_ssl"): {"rotation"} for cls in TABULAR},
    (ImageResNetClassifier, "joint_ssl"): {"scarf"},
    (PackedSearchCV, "scoring"): set(get_scorer_names()),
}


@pytest.mark.parametrize(
    "cls",
    [
        *CLASSIFIERS,
        PackedSearchCV,
        PseudoLabelClassifier,
        ClassifierRetrainer,
        LaplaceClassifier,
        SGHMCClassifier,
        SelfSupervisedPretrainer,
    ],
)
def test_strings_that_are_taken_are_told(cls):
    """Those of `_parameter_constraints`, whatever registry they are from."""
    for name, constraints in cls._parameter_constraints.items():
        if name not in inspect.signature(cls).parameters:
            continue
        for constraint in constraints if isinstance(constraints, list) else []:
            options = set(getattr(constraint, "options", ()))
            for option in options - LEFT_OUT.get((cls, name), set()):
                assert f'"{option}"' in told(cls, name), (name, option)


def gives_something(function):
    """Whether a function has a `return` of a value, or raises for an abstract one."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    body = tree.body[0].body
    if len(body) == 1:  # nothing but documentation: subclasses say what is done
        return True
    return any(
        isinstance(n, ast.Return) and n.value is not None for n in ast.walk(tree)
    )


SHAPED = re.compile(r"\b(array|arrays|ndarray|array-like|tensor|matrix)\b")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parameters_and_what_is_returned_have_types_and_shapes(name):
    function = FUNCTIONS[name]
    own = entries(function)
    taken = {
        {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "") + p.name
        for p in inspect.signature(function).parameters.values()
        if p.name not in ("self", "cls")
    }
    assert set(own) == taken
    doc = FunctionDoc(function)
    returned = {r.name or r.type: (r.type, " ".join(r.desc)) for r in doc["Returns"]}
    assert bool(returned) == gives_something(function)
    for entry, (kind, _) in {**own, **returned}.items():
        assert kind, f"{entry} has no type"
        if SHAPED.search(kind):
            assert "shape" in kind, f"{entry} has no shape"
