"""scikit-learn's meta-estimators on mixed frames, and importances for its selectors.

Bagging and AdaBoost hand arrays of objects over, and take no frame with category types:
there X is `X.astype(object)`, and columns of categories are named by position. Chains,
sequential and recursive selection want numbers: there a TabularEncoder stands first.
"""

import numpy as np
import pytest
from helpers.packs import PLAIN, fixed_table
from helpers.record import images
from sklearn.base import clone
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectFromModel, SequentialFeatureSelector
from sklearn.metrics import roc_auc_score
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline

from sklimb import ImageResNetClassifier, TabularEncoder, TabularMLPClassifier
from sklimb.datasets import make_transactions
from sklimb.importances import column_importances

pytestmark = pytest.mark.interop
DATA = make_transactions(600, fraud_rate=0.3, random_state=0)
X, Y = DATA.X, np.asarray(DATA.y)
TEXT = [i for i, kind in enumerate(X.dtypes) if kind == "category"]
SMALL = TabularMLPClassifier(
    d_block=16,
    lr=0.01,
    max_epochs=8,
    n_members=1,
    early_stopping=False,
    random_state=0,
)
ONEHOT = TabularEncoder(category_encoding="onehot")


@pytest.mark.parametrize("kind", [BaggingClassifier, AdaBoostClassifier])
def test_bagging_and_boosting_of_arrays_of_objects(kind):
    whole = X.dropna(axis=1) if kind is AdaBoostClassifier else X  # it refuses NaN
    text = [i for i, dtype in enumerate(whole.dtypes) if dtype == "category"]
    assert 0 < len(text) < whole.shape[1]
    own = clone(SMALL).set_params(categorical_features=text)
    model = kind(own, n_estimators=2, random_state=0).fit(whole.astype(object), Y)
    for inner in model.estimators_:
        assert inner.encoder_.categorical_columns_.tolist() == text
    p = model.predict_proba(whole.astype(object))[:, 1]
    assert roc_auc_score(Y, p) > 0.7


def test_a_chain_of_labels_behind_the_encoder():
    """Its further columns stand behind those of X, so that positions stay."""
    both = np.column_stack([Y, 1 - Y])
    encoder = TabularEncoder().fit(X)
    first = encoder.n_numeric_ + encoder.n_indicators_
    codes = list(range(first, first + len(TEXT)))
    own = clone(SMALL).set_params(categorical_features=codes, numeric_transform=None)
    model = make_pipeline(TabularEncoder(), ClassifierChain(own)).fit(X, both)
    for inner in model[-1].estimators_:
        assert inner.encoder_.categorical_columns_.tolist() == codes
    called = model.predict(X)
    assert (called[:, 0] != called[:, 1]).mean() > 0.7
    assert roc_auc_score(Y, model.predict_proba(X)[:, 0]) > 0.7


def test_selection_step_by_step():
    quick = clone(SMALL).set_params(max_epochs=1)
    chosen = SequentialFeatureSelector(quick, n_features_to_select=1, cv=2)
    few = X.iloc[:200, [0, 1, TEXT[0]]]
    kept = make_pipeline(TabularEncoder(), chosen).fit(few, Y[:200])
    assert kept[-1].get_support().sum() == 1
    kept = RFE(SMALL, n_features_to_select=4, importance_getter=column_importances)
    kept = make_pipeline(ONEHOT, kept).fit(X, Y)
    assert kept[-1].get_support().sum() == 4
    assert roc_auc_score(Y, kept.predict_proba(X)[:, 1]) > 0.6


def test_selection_of_columns_of_a_frame():
    kept = SelectFromModel(
        SMALL, importance_getter=column_importances, max_features=4, threshold=-np.inf
    ).fit(X, Y)
    assert kept.get_support().sum() == 4
    names = X.columns[kept.get_support()]
    p = clone(SMALL).fit(X[names], Y).predict_proba(X[names])[:, 1]
    assert roc_auc_score(Y, p) > 0.7


@pytest.mark.parametrize("transform", ["quantile", "standard", "robust", None])
def test_importances_are_those_of_the_columns_that_matter(transform):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(800, 4))
    y = (2 * table[:, 1] + table[:, 3] > rng.normal(size=800)).astype(int)
    table[::3, 2] = np.nan
    table[:, 0] = 7.0
    own = {**PLAIN, "numeric_transform": transform, "max_epochs": 20, "n_members": 2}
    found = column_importances(TabularMLPClassifier(**own).fit(table, y))
    assert found[0] == 0 and found[1] > found[3] > 3 * found[2] > 0
    assert found[1] / found[3] == pytest.approx(2, rel=0.35)  # of 800 noisy rows


def test_importances_refused():
    with pytest.raises(NotFittedError):
        column_importances(SMALL)
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
    with pytest.raises(ValueError, match="needs a classifier of tables"):
        column_importances(clf.fit(*images()))
    three = clone(SMALL).fit(fixed_table()[0], np.arange(400) % 3)
    assert column_importances(three).shape == (6,)
