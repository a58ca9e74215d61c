"""`transform_output` of scikit-learn changes what transformers return, and no fit."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from imblearn.over_sampling import SMOTE, SMOTENC
from imblearn.under_sampling import RandomUnderSampler
from sklearn import config_context
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions
from sklimb.preprocessing import TabularEncoder
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier
from sklimb.training.samplers import _NUMBERS_ONLY, SAMPLERS, Named
from sklimb.two_stage import ClassifierRetrainer

OUTPUTS = {"pandas": pd.DataFrame, "polars": pl.DataFrame}
DATA = make_transactions(300, fraud_rate=0.2, random_state=0)
MIXED, Y = DATA.X, np.asarray(DATA.y)
NUMBERS = MIXED.select_dtypes("number").fillna(0.0)
SMALL = {"max_epochs": 1, "d_block": 8, "random_state": 0, "early_stopping": False}


def of_numbers(sampler):
    """Whether a sampler, or its name, refuses tables with categories."""
    made = SAMPLERS.make(sampler)
    name = made.name if isinstance(made, Named) else type(made).__name__
    return name in _NUMBERS_ONLY


FLAGS = [TabularEncoder().fit(MIXED).n_numeric_]
GIVEN = [SMOTE(), RandomUnderSampler(), SMOTENC(FLAGS)]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("sampler", [*SAMPLERS, *GIVEN], ids=str)
def test_samplers(sampler, output):
    X = NUMBERS if of_numbers(sampler) else MIXED
    plain = TabularMLPClassifier(sampler=sampler, **SMALL).fit(X, Y).predict_proba(X)
    with config_context(transform_output=output):
        clf = TabularMLPClassifier(sampler=sampler, **SMALL).fit(X, Y)
        np.testing.assert_array_equal(clf.predict_proba(X), plain)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("encoding", ["ordinal", "onehot"])
def test_the_encoder_returns_what_is_asked_for(encoding, output):
    encoder = TabularEncoder(category_encoding=encoding)
    plain = encoder.fit_transform(MIXED)
    with config_context(transform_output=output):
        for out in (encoder.fit_transform(MIXED), encoder.transform(MIXED)):
            assert isinstance(out, OUTPUTS[output])
            np.testing.assert_array_equal(out.to_numpy(), plain)
            assert list(out.columns) == encoder.get_feature_names_out().tolist()


@pytest.mark.parametrize("output", OUTPUTS)
def test_meta_estimators(output):
    base = TabularMLPClassifier(**SMALL, sampler="smote")
    pretrainer = SelfSupervisedPretrainer(
        TabularMLPClassifier(**SMALL), max_epochs=1, random_state=0
    )

    def fits():
        both = base.fit(MIXED, Y)
        yield ClassifierRetrainer(FrozenEstimator(both), "crt", random_state=0)
        pipe = make_pipeline(StandardScaler(), TabularMLPClassifier(**SMALL))
        yield ClassifierRetrainer(pipe, "crt", random_state=0)
        yield PseudoLabelClassifier(base)
        yield TabularMLPClassifier(**SMALL, pretrained=pretrainer)

    def probabilities():
        for clf in fits():
            X = NUMBERS if hasattr(getattr(clf, "estimator", None), "steps") else MIXED
            rest = {"X_unlabeled": X} if isinstance(clf, PseudoLabelClassifier) else {}
            yield clf.fit(X, Y, **rest).predict_proba(X)

    plain = list(probabilities())
    features = pretrainer.fit(MIXED).transform(MIXED)
    with config_context(transform_output=output):
        for p, expected in zip(probabilities(), plain, strict=True):
            np.testing.assert_array_equal(p, expected)
        found = pretrainer.fit(MIXED).transform(MIXED)
        assert isinstance(found, OUTPUTS[output])
        np.testing.assert_array_equal(found.to_numpy(), features)
