"""save and load of everything but plain classifiers: the same guarantees."""

import numpy as np
import pytest
from fuzz.mutate_files import Parts
from helpers.packs import PLAIN, fixed_table
from helpers.saved import KINDS, fitted, read_by
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

import sklimb
from sklimb import TabularEncoder, TabularMLPClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier
from sklimb.strategies import SCARF, TERMS
from sklimb.two_stage import ClassifierRetrainer

X, Y = fixed_table()
QUICK = {**PLAIN, "max_epochs": 1}
SMALL = TabularMLPClassifier(**QUICK)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_one_is_as_it_was(kind, tmp_path):
    one, rows = fitted(kind)
    one.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    assert type(again) is type(one)
    assert set(vars(again)) == set(vars(one))
    assert repr(again) == repr(one)
    np.testing.assert_array_equal(read_by(again, rows), read_by(one, rows))
    again.save(tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == (tmp_path / "m").read_bytes()


def test_a_first_stage_that_is_frozen_is_held_once(tmp_path):
    one, _ = fitted("frozen")
    one.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    assert isinstance(again.estimator, FrozenEstimator)
    assert again.estimator.estimator is again.estimator_
    p = clone(again).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(p, clone(one).fit(X, Y).predict_proba(X))


def test_a_loaded_second_stage_is_fitted_anew_as_it_was(tmp_path):
    one, _ = fitted("mislas")
    one.save(tmp_path / "m")
    again = clone(sklimb.load(tmp_path / "m")).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), one.predict_proba(X))


@pytest.mark.parametrize("method", ["scarf", "moco"])
def test_a_loaded_pretrainer_goes_on(method, tmp_path):
    one = SelfSupervisedPretrainer(
        SMALL, method, max_epochs=1, warm_start=True, random_state=0
    ).fit(X)
    one.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    np.testing.assert_array_equal(again.fit(X).transform(X), one.fit(X).transform(X))
    assert again.n_iter_ == 2 and again.history_ == one.history_


def test_a_classifier_starts_from_a_loaded_pretrainer(tmp_path):
    one = SelfSupervisedPretrainer(SMALL, max_epochs=1, random_state=0).fit(X)
    one.save(tmp_path / "m")
    first, second = (
        clone(SMALL).set_params(pretrained=FrozenEstimator(given)).fit(X, Y)
        for given in (one, sklimb.load(tmp_path / "m"))
    )
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_an_unfitted_pretrainer_is_a_parameter_of_the_file(tmp_path):
    pretrainer = SelfSupervisedPretrainer(max_epochs=1, method=SCARF(corruption=0.3))
    clone(SMALL).set_params(pretrained=pretrainer).fit(X, Y).save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m").pretrained
    assert again.max_epochs == 1 and again.method == SCARF(corruption=0.3)


@pytest.mark.parametrize("search", [GridSearchCV, PackedSearchCV])
def test_the_best_estimator_of_a_search(search, tmp_path):
    found = search(clone(SMALL), {"d_block": [8, 16]}, cv=2).fit(X, Y)
    with pytest.raises(TypeError, match=r"SearchCV.*Save its best_estimator_"):
        sklimb.save(found, tmp_path / "m")
    found.best_estimator_.save(tmp_path / "m")
    p = sklimb.load(tmp_path / "m").predict_proba(X)
    np.testing.assert_array_equal(p, found.predict_proba(X))


def test_what_is_not_ours_is_refused_by_name(tmp_path):
    rows = {"X_unlabeled": X[200:]}
    pseudo = PseudoLabelClassifier(LogisticRegression()).fit(X[:200], Y[:200], **rows)
    pipe = make_pipeline(StandardScaler(), SMALL)
    for one, what in (
        (pseudo, "estimator_ is a LogisticRegression"),
        (ClassifierRetrainer(pipe, "tau").fit(X, Y), "estimator_ is a Pipeline"),
        (clone(pipe).fit(X, Y), "estimator is a Pipeline"),
        (TabularMLPClassifier, "estimator is a "),
        (3, "estimator is a int"),
    ):
        with pytest.raises(TypeError, match=f"{what}.*Use joblib.dump, or skops.io"):
            sklimb.save(one, tmp_path / "m")
    for one in (ClassifierRetrainer(SMALL), TabularEncoder(), SMALL):
        with pytest.raises(NotFittedError):
            one.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


class Own:
    """A loss whose posterior is code."""

    def __call__(self, logits, target):
        return -(target * logits.log_softmax(-1)).sum(-1)

    def log_probability(self, logits):
        return logits.double().log_softmax(-1)

    def __repr__(self):
        return "Own()"


def test_code_is_refused_by_name(tmp_path):
    clf = clone(SMALL).set_params(loss=Own())
    second = ClassifierRetrainer(clf, "tau").fit(X, Y)
    with pytest.raises(ValueError, match=r"loss=Own\(\) has a log_probability"):
        second.save(tmp_path / "m")

    class Term(SCARF):
        pass

    one = SelfSupervisedPretrainer(SMALL, Term(), max_epochs=1).fit(X)
    with pytest.raises(ValueError, match=r"method=.*Term\(.*TERMS.register"):
        one.save(tmp_path / "m")
    TERMS.register("own_term", Term())
    try:
        one.save(tmp_path / "m")
        assert sklimb.load(tmp_path / "m").method == Term()
    finally:
        del TERMS["own_term"]


def test_output_containers_and_requests_are_kept(tmp_path):
    encoder = TabularEncoder().set_output(transform="pandas").fit(X)
    encoder.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m").transform(X)
    assert list(again.columns) == list(encoder.transform(X).columns)
    with config_context(enable_metadata_routing=True):
        clf = clone(SMALL).set_fit_request(sample_weight=True, groups="g")
        clf.fit(X, Y).save(tmp_path / "m")
        again = sklimb.load(tmp_path / "m").get_metadata_routing()
        assert str(again) == str(clf.get_metadata_routing())
        assert again.fit.requests["groups"] == "g"


def test_what_callbacks_put_into_the_history_is_stored_as_plain_numbers(tmp_path):
    class Told(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("own", np.float32(0.5))
            net.history.record("counts", np.array([1, 2]))
            net.history.record("flag", np.bool_(True))
            net.history.record("thing", object)

    clf = clone(SMALL).set_params(callbacks=[Told()]).fit(X, Y)
    clf.save(tmp_path / "m")
    with pytest.warns(UserWarning, match="could not hold callbacks"):
        told = sklimb.load(tmp_path / "m").history_[0]
    assert told["own"] == 0.5 and told["counts"] == [1, 2] and told["flag"] is True
    assert told["thing"] == "<class 'object'>"


# Files written on purpose.


def _in(*path_and_value):
    *path, last, value = path_and_value

    def change(parts):
        place = parts.header
        for key in path:
            place = place[key]
        place[last] = value

    return change


def _drop(name):
    return lambda parts: parts.tensors.pop(name)


def _swapped(parts):
    """An encoder in the place of the first stage."""
    parts.header["parts"]["estimator_"] = {
        **parts.header,
        "class": ["sklimb.preprocessing", "TabularEncoder"],
        "params": {},
        "parts": {},
    }


CRAFTED = {
    "crt": {
        "a key too many": (_in("shiny", 1), "holds 'shiny'"),
        "another kind": (_in("kind", "x"), "'kind' of its header"),
        "of a classifier's class": (
            _in("class", ["sklimb", "TabularMLPClassifier"]),
            "no object with parts",
        ),
        "a classifier of an object's class": (
            _in("parts", "estimator_", "class", ["sklimb", "ClassifierRetrainer"]),
            "is no classifier|has no parameter",
        ),
        "no parts": (_in("parts", {}), "parts are not those"),
        "an encoder as first stage": (
            _swapped,
            "cannot be|no estimator_|not desc|wrong",
        ),
        "a first stage without labels": (
            _in("parts", "estimator_", "bare", True),
            "no estimator_",
        ),
        "unknown head": (_in("own", "head", "system"), "head that this sklimb"),
        "head of another kind": (_in("own", "head", "NearestMean"), "of its kind"),
        "history of numbers": (_in("own", "history", [1]), "not describe"),
        "frozen at nothing": (_in("params", "estimator", {"frozen": "x"}), "'frozen'"),
        "no head": (_drop("own.head.weight"), "of its kind"),
        "no temperature": (_drop("own.temperature_"), "lacks an attribute"),
        "unknown method": (_in("params", "method", "x"), "'method' parameter"),
        "an estimator of no class": (
            _in("params", "estimator", {"estimator": [["os", "system"], {}]}),
            "no such classifier",
        ),
        "an estimator that is none": (
            _in("params", "estimator", {"estimator": [1]}),
            "no class with its parameters",
        ),
        "settings of something": (_in("settings", {"x": 1}), "'settings'"),
        "requests of no method": (
            _in("settings", {"requests": {"owner": {"a": True}}}),
            "asks for metadata",
        ),
        "output of a classifier": (
            _in("settings", {"output": "pandas"}),
            "is no transformer",
        ),
    },
    "pseudo": {
        "own things": (_in("own", {"a": 1}), "not describe"),
        "no counts": (_drop("own.pseudo_label_counts_"), "not describe"),
    },
    "moco": {
        "huge projector": (
            _in("own", "term", {"term": ["MoCo", {"d_projector": 2**30}]}),
            "larger network than it holds",
        ),
        "another term": (_in("own", "term", {"term": ["SCARF", {}]}), "of its kind"),
        "no term": (_in("own", "term", {"loss": ["FocalLoss", {}]}), "method is none"),
        "epochs of a text": (_in("own", "n_iter", "x"), "no numbers"),
    },
    "encoder": {
        "one-hot of something": (_in("params", "category_encoding", "x"), "category"),
        "names of another table": (_in("own", "names", ["a"]), "one name each"),
        "no columns": (_drop("own.stats"), "arrays of its encoder"),
        "no flags": (_drop("own.is_categorical"), "arrays of its encoder"),
    },
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a file of each kind."""
    path, found = tmp_path_factory.mktemp("saved") / "m", {}
    for kind in CRAFTED:
        fitted(kind)[0].save(path)
        found[kind] = path.read_bytes()
    return found


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in CRAFTED for name in CRAFTED[kind]]
)
def test_crafted_files(kind, name, whole, tmp_path):
    change, what = CRAFTED[kind][name]
    parts = Parts(whole[kind])
    (tmp_path / "m").write_bytes(parts.bytes())
    sklimb.load(tmp_path / "m")  # as it was: put together again, it loads
    change(parts)
    (tmp_path / "m").write_bytes(parts.bytes())
    with pytest.raises(ValueError, match=what) as error:
        sklimb.load(tmp_path / "m")
    assert str(tmp_path / "m") in str(error.value) and len(str(error.value)) < 600


@pytest.mark.parametrize("kind", CRAFTED)
def test_a_changed_byte_is_refused(kind, whole, tmp_path):
    """100 single bits anywhere, in parts within parts too."""
    rng = np.random.default_rng(0)
    data = whole[kind]
    rows = fitted(kind)[1]
    before, refused = read_by(fitted(kind)[0], rows), 0
    for place in rng.integers(len(data), size=100):
        changed = bytearray(data)
        changed[place] ^= 4
        (tmp_path / "m").write_bytes(changed)
        try:
            again = sklimb.load(tmp_path / "m")
        except ValueError:
            refused += 1
            continue
        np.testing.assert_array_equal(read_by(again, rows), before)
    assert refused > 95
