"""skops: whole Pipelines, searches and wrappers, with sklimb's types alone to trust."""

import pickle

import numpy as np
import pytest
import skops.io
from helpers.packs import PLAIN, fixed_table
from helpers.record import images, rows
from helpers.saved import KINDS, fitted, read_by
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularEncoder,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.bayes import LaplaceClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.strategies import FocalLoss
from sklimb.two_stage import ClassifierRetrainer

pytestmark = pytest.mark.interop
X, Y = fixed_table()
TABLE, LABELS = rows()
SMALL = TabularMLPClassifier(**{**PLAIN, "max_epochs": 1})


def through(one):
    """(the estimator of its own file, types to trust)."""
    data = skops.io.dumps(one)
    unknown = skops.io.get_untrusted_types(data=data)
    return skops.io.loads(data, trusted=unknown), unknown


def the_same(one, rows=X, known=()):
    """It predicts the same bits again, and sklimb's types alone are new to skops.

    `known` are types of scikit-learn's that skops asks about in any case.
    """
    again, unknown = through(one)
    others = {name for name in unknown if not name.startswith("sklimb.")}
    assert len(others) < len(unknown) and others <= set(known), unknown
    assert type(again) is type(one)
    np.testing.assert_array_equal(read_by(again, rows), read_by(one, rows))
    return again


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_estimator(kind):
    one, own = fitted(kind)
    again = the_same(one, own)
    assert set(vars(again)) == set(vars(one)) and repr(again) == repr(one)
    assert repr(clone(again)) == repr(one)


@pytest.mark.parametrize("cls", [TabularResNetClassifier, FTTransformerClassifier])
def test_every_classifier_of_tables(cls):
    the_same(cls(max_epochs=1, random_state=0).fit(TABLE, LABELS), TABLE)


def test_images():
    pictures, y = images()
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
    the_same(clf.fit(pictures, y), pictures)


WRAPPERS = {
    "pipeline": lambda base: make_pipeline(StandardScaler(), base),
    "sigmoid": lambda base: CalibratedClassifierCV(base, cv=2),
    "isotonic": lambda base: CalibratedClassifierCV(base, method="isotonic", cv=2),
    "threshold": lambda base: TunedThresholdClassifierCV(base, cv=2),
    "voting": lambda base: VotingClassifier(
        [("a", base), ("b", GaussianNB())], voting="soft"
    ),
    "stacking": lambda base: StackingClassifier(
        [("a", base), ("b", GaussianNB())], cv=2
    ),
    "grid": lambda base: GridSearchCV(base, {"random_state": [0, 1]}, cv=2),
    "pipeline in a grid": lambda base: GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("clf", base)]),
        {"clf__random_state": [0, 1]},
        cv=2,
    ),
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_what_stands_around_a_classifier(kind):
    """skops asks about scikit-learn's own private types around any classifier."""
    make = WRAPPERS[kind]
    _, known = through(make(LogisticRegression()).fit(X, Y))
    the_same(make(SMALL).fit(X, Y), known=known)


def test_our_search_and_a_second_stage_of_a_pipeline():
    search = PackedSearchCV(SMALL, {"d_block": [8, 16]}, cv=2).fit(X, Y)
    the_same(search, known=["sklearn.metrics._scorer._PassthroughScorer"])
    pipe = make_pipeline(StandardScaler(), SMALL)
    the_same(ClassifierRetrainer(pipe, "tau").fit(X, Y))


def test_the_encoder_among_the_columns_of_a_column_transformer():
    numbers = list(TABLE.select_dtypes("number"))
    others = [name for name in TABLE if name not in numbers]
    columns = make_column_transformer(
        (TabularEncoder(), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), others),
    )
    the_same(make_pipeline(columns, LogisticRegression()).fit(TABLE, LABELS), TABLE)
    framed = TabularEncoder().set_output(transform="pandas").fit(TABLE)
    again = the_same(framed, TABLE).transform(TABLE)
    assert list(again.columns) == list(framed.transform(TABLE).columns)


def test_nothing_is_lost_of_the_parameters():
    """A file of numbers holds no frozen pretrainer; skops does."""
    pretrainer = SelfSupervisedPretrainer(SMALL, max_epochs=1, random_state=0).fit(X)
    clf = clone(SMALL).set_params(
        pretrained=FrozenEstimator(pretrainer),
        loss=FocalLoss(1.5),
        class_weight={0: 1.0, 1: 3.0},
    )
    again = the_same(clf.fit(X, Y))
    assert again.loss == FocalLoss(1.5) and again.class_weight == {0: 1.0, 1: 3.0}
    p = clone(clf).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(clone(again).fit(X, Y).predict_proba(X), p)


def test_what_is_not_fitted_and_what_is_requested():
    with config_context(enable_metadata_routing=True):
        clf = clone(SMALL).set_fit_request(sample_weight=True)
        again, unknown = through(clf)
        assert unknown == ["sklimb.tabular_mlp.TabularMLPClassifier"]
        assert repr(again) == repr(clf)
        wanted = clf.get_metadata_routing().fit.requests
        assert again.get_metadata_routing().fit.requests == wanted


def test_nothing_is_loaded_that_is_not_trusted():
    data = skops.io.dumps(clone(SMALL).fit(X, Y))
    with pytest.raises(TypeError, match="Untrusted types"):
        skops.io.loads(data)


def test_a_changed_state_is_refused():
    clf = clone(SMALL).fit(X, Y)
    state = clf.__getstate__()
    content = bytearray(state["content"])
    content[-5] ^= 4
    with pytest.raises(ValueError, match="does not agree with its checksum"):
        clone(SMALL).__setstate__({**state, "content": bytes(content)})
    with pytest.raises(ValueError, match="no safetensors content"):
        clone(SMALL).__setstate__({**state, "content": b"x"})
    second = fitted("crt")[0].__getstate__()
    with pytest.raises(ValueError, match="is no estimator_ of a"):
        ClassifierRetrainer(SMALL).__setstate__(
            {**second, "parts": {"estimator_": StandardScaler()}}
        )


class Own:
    """A loss whose posterior is code."""

    def __call__(self, logits, target):
        return -(target * logits.log_softmax(-1)).sum(-1)

    def log_probability(self, logits):
        return logits.double().log_softmax(-1)

    def __repr__(self):
        return "Own()"


def test_a_loss_of_ones_own_is_refused_by_name():
    clf = make_pipeline(StandardScaler(), clone(SMALL).set_params(loss=Own()))
    with pytest.raises(ValueError, match=r"loss=Own\(\) has a log_probability"):
        skops.io.dumps(clf.fit(X, Y))


def test_a_device_that_is_not_there_is_not_needed():
    state = clone(SMALL).fit(X, Y).__getstate__()
    state["params"] = {**state["params"], "device": "cuda:7"}
    again = clone(SMALL)
    again.__setstate__(state)
    assert again.device == "cuda:7" and again.device_ == "cpu"
    assert again.predict_proba(X).shape == (len(X), 2)


def test_posteriors_are_refused_when_they_are_written():
    """Not when they are read, which may be when they are needed."""
    posterior = LaplaceClassifier(SMALL).fit(X, Y)
    with pytest.raises(TypeError, match="A fitted LaplaceClassifier cannot be held by"):
        skops.io.dumps(make_pipeline(StandardScaler(), posterior))
    again = pickle.loads(pickle.dumps(posterior))
    np.testing.assert_array_equal(again.predict_proba(X), posterior.predict_proba(X))
    assert repr(through(LaplaceClassifier(SMALL))[0]) == repr(LaplaceClassifier(SMALL))
