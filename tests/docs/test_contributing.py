"""The examples of CONTRIBUTING, as the module of a user with one of each kind."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.packs import PLAIN, fixed_table
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

import sklimb
from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.training.augment.operations import AUGMENTS
from sklimb.training.losses import LOSSES
from sklimb.training.samplers import SAMPLERS
from sklimb.training.steps import STEPS
from sklimb.training.terms import TERMS, SimCLR
from sklimb.training.views.images import VIEWS

GUIDE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
OWN = [
    (LOSSES, "brier"),
    (STEPS, "signs"),
    (SAMPLERS, "power"),
    (AUGMENTS, "shade"),
    (TERMS, "agreement"),
]
X, Y = fixed_table()
IMAGES = np.random.default_rng(0).random((60, 8, 8)).astype(np.float32)
LABELS = np.arange(60) % 3 > 0
QUICK = {**PLAIN, "max_epochs": 2, "d_block": 8}


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """The blocks as one module; what it registers is taken out again."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "examples_of_contributing.py").write_text("\n".join(BLOCKS))
    sys.path.insert(0, str(folder))
    yield importlib.import_module("examples_of_contributing")
    sys.path.remove(str(folder))
    del sys.modules["examples_of_contributing"]
    for registry, name in OWN:
        del registry[name]


def test_there_is_one_example_of_each(examples):
    assert len(BLOCKS) == 7
    for registry, name in OWN:
        assert name in registry and registry.make(name) == registry[name]


def cases(examples):
    """Kind -> (classifier, parameter, other value of it), each on 120 or 60 rows."""
    table = TabularMLPClassifier(**QUICK)
    image = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
    return {
        "loss": (table, "loss", "brier", examples.Brier(share=0.2)),
        "step": (table, "step", "signs", examples.Signs(share=0.5)),
        "sampler": (table, "sampler", "power", examples.Power(power=0.6)),
        "term": (table, "joint_ssl", "agreement", examples.Agreement(corruption=0.5)),
        "augment": (image, "augment", "shade", [examples.Shade(most=0.8)]),
        "architecture": (
            examples.GatedClassifier(max_epochs=2, random_state=0),
            "n_units",
            4,
            8,
        ),
    }


KINDS = ["loss", "step", "sampler", "term", "augment", "architecture"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("search", [GridSearchCV, PackedSearchCV])
def test_a_new_one_trains_is_searched_over_and_saved(kind, search, examples, tmp_path):
    clf, parameter, name, value = cases(examples)[kind]
    rows, labels = (IMAGES, LABELS) if kind == "augment" else (X[:120], Y[:120])
    plain = clf.fit(rows, labels).predict_proba(rows)
    grid = {parameter: [name, value]}
    found = search(clf, grid, cv=2, scoring="neg_log_loss").fit(rows, labels)
    scores = found.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all() and scores[0] != scores[1]
    for setting in (name, value):
        clf.set_params(**{parameter: setting}).fit(rows, labels)
        p = clf.predict_proba(rows)
        assert np.abs(p - plain).max() > 1e-6
        clf.save(tmp_path / "m")
        again = sklimb.load(tmp_path / "m")
        assert getattr(again, parameter) == setting
        np.testing.assert_array_equal(again.predict_proba(rows), p)
        np.testing.assert_array_equal(again.fit(rows, labels).predict_proba(rows), p)


def test_files_are_read_where_the_module_is_imported(examples, tmp_path):
    own = cases(examples)
    for kind in ("loss", "architecture"):
        clf, parameter, _, value = own[kind]
        clf.set_params(**{parameter: value}).fit(X[:120], Y[:120]).save(tmp_path / kind)
    code = "import sys, sklimb\n{}\nfor path in sys.argv[1:]:\n    sklimb.load(path)"

    def load(line, *kinds):
        command = [sys.executable, "-c", code.format(line)]
        command += [str(tmp_path / kind) for kind in kinds]
        environment = {"cwd": Path(examples.__file__).parent, "text": True}
        return subprocess.run(command, capture_output=True, check=False, **environment)

    done = load("import examples_of_contributing", "loss", "architecture")
    assert done.returncode == 0, done.stderr
    assert "the loss Brier, which is not registered" in load("", "loss").stderr
    assert "Import the module that defines it" in load("", "architecture").stderr


def test_off_is_plain(examples):
    plain = TabularMLPClassifier(**QUICK).fit(X, Y).predict_proba(X)

    def fit(**params):
        return TabularMLPClassifier(**QUICK, **params).fit(X, Y).predict_proba(X)

    for step in ("plain", examples.Signs(share=0.0)):
        np.testing.assert_array_equal(fit(step=step), plain)
    # Draws by the root, by the name that is here and by the power that equals it.
    sqrt = fit(sampler="sqrt")
    np.testing.assert_allclose(fit(sampler=examples.Power(0.5)), sqrt, atol=1e-6)
    assert np.abs(sqrt - plain).max() > 1e-3


def test_a_draw_of_ones_own_is_divided_out(examples):
    """Its shift is what it did to the shares, also over calls of partial_fit."""
    prior = np.bincount(Y) / len(Y)
    drawn = prior**0.25 / (prior**0.25).sum()
    clf = TabularMLPClassifier(**QUICK, sampler=examples.Power())
    np.testing.assert_allclose(clf.fit(X, Y).prior_shift_, drawn / prior, rtol=1e-12)
    clf = TabularMLPClassifier(**QUICK, sampler=examples.Power())
    for _ in range(2):
        clf.partial_fit(X, Y, classes=[0, 1])
    np.testing.assert_allclose(clf.prior_shift_, drawn / prior, rtol=1e-12)
    pair = TabularMLPClassifier(**QUICK, metabalance_sampler=("power", "balanced"))
    assert np.isfinite(pair.fit(X, Y).predict_proba(X)).all()


def test_members_do_not_notice_each_other_beside_a_step(examples):
    """A pack of two members has the bits of each alone, with a step of one's own."""
    params = {**QUICK, "step": examples.Signs(0.5), "dtype": "float64"}
    pack = TabularMLPClassifier(**{**params, "n_members": 2}).fit(X, Y)
    for seed, p in zip(pack.member_seeds_, pack.predict_proba_members(X), strict=True):
        alone = TabularMLPClassifier(**{**params, "random_state": int(seed)})
        # Products of one and of two members are summed in another order.
        np.testing.assert_allclose(alone.fit(X, Y).predict_proba(X), p, atol=1e-10)


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"step": "signs", "sam_asymmetric_rho": 0.1}, "each replaces the step"),
        ({"step": "signs", "metabalance_sampler": "over"}, "each replaces the step"),
        ({"step": "signs", "row_weighting": "l2rw"}, "each replaces the step"),
        (
            {"step": "signs", "portfolio": [{"sam_asymmetric_rho": 0.1}, {"lr": 0.1}]},
            "each replaces the step",
        ),
        ({"step": "signs", "clip_norm": 1.0}, "signs have no length to clip"),
        ({"step": "sam"}, "Set sam_asymmetric_rho instead"),
        ({"step": "metabalance"}, "Set metabalance_sampler instead"),
        ({"step": "row_weighting"}, "Set row_weighting instead"),
        ({"step": "stairs"}, r"step.* must be a str among \{'plain', .*'signs'\}"),
        ({"loss": "bier"}, r"loss.* must be a str among \{'ce', .*'brier'\}"),
    ],
    ids=str,
)
def test_what_is_refused(params, what, examples):
    with pytest.raises(ValueError, match=what):
        TabularMLPClassifier(**QUICK, **params).fit(X, Y)


def test_classes_are_not_instances(examples):
    for name, cls in [("step", examples.Signs), ("sampler", examples.Power)]:
        with pytest.raises(ValueError, match=rf"{name} must be .*Write {cls.__name__}"):
            TabularMLPClassifier(**QUICK, **{name: cls}).fit(X, Y)


def test_shares_that_are_none_are_refused():
    class Wrong:
        def share(self, prior):
            return -prior

    with pytest.raises(ValueError, match="must give one non-negative share a class"):
        TabularMLPClassifier(**QUICK, sampler=Wrong()).fit(X, Y)


def test_names_and_classes_are_registered_once(examples):
    LOSSES.register("brier", examples.Brier(0.1))  # the same class: run again
    LOSSES.register("brier", examples.Brier())
    with pytest.raises(ValueError, match="has this name or this class name"):
        LOSSES.register("focal", examples.Brier())
    same_name = type("FocalLoss", (examples.Brier,), {})
    with pytest.raises(ValueError, match="has this name or this class name"):
        LOSSES.register("other", same_name())
    with pytest.raises(ValueError, match="name must be a non-empty str, got 3"):
        LOSSES.register(3, examples.Brier())


def _gated():
    """The architecture, made once more where checks are collected."""
    namespace = {"__name__": __name__}
    exec(compile(BLOCKS[0] + BLOCKS[-1], str(GUIDE), "exec"), namespace)
    for name in ("Gated", "GatedClassifier"):  # where pickle looks for them
        globals()[name] = namespace[name]
    return namespace["GatedClassifier"](max_epochs=60, lr=5e-3)


@parametrize_with_checks([_gated()])
def test_the_architecture_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_registered_terms_and_views_are_checked_like_objects(examples):
    class Averages(examples.Agreement):
        def __call__(self, a, b, real=None):
            return super().__call__(a, b, real).mean()

    TERMS["averages"] = Averages()
    VIEWS.register("darker", lambda margin: [examples.Shade(), "flip"])
    try:
        with pytest.raises(ValueError, match=r"joint_ssl must take two views of shape"):
            TabularMLPClassifier(**QUICK, joint_ssl="averages").fit(X, Y)
        clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
        plain = clf.set_params(joint_ssl="simclr").fit(IMAGES, LABELS)
        plain = plain.predict_proba(IMAGES)
        clf.set_params(joint_ssl=SimCLR(views="darker")).fit(IMAGES, LABELS)
        assert np.abs(clf.predict_proba(IMAGES) - plain).max() > 1e-6
    finally:
        del TERMS["averages"], VIEWS["darker"]
