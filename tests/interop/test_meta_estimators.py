"""scikit-learn's meta-estimators on mixed frames, and importances for selection.

Some hand arrays of objects over instead of the frame: then columns of categories are
named by position, `categorical_features=[2, 5]`.
"""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.feature_selection import SelectFromModel, SequentialFeatureSelector
from sklearn.multioutput import ClassifierChain

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions
from sklimb.explanation import explained_importance

pytestmark = pytest.mark.interop
DATA = make_transactions(600, fraud_rate=0.3, random_state=0)
X, Y = DATA.X, np.asarray(DATA.y)
TEXT = [i for i, name in enumerate(X) if X[name].dtype.kind not in "fiub"]
SMALL = TabularMLPClassifier(
    d_block=16, max_epochs=3, n_members=1, early_stopping=False, random_state=0
)
BY_POSITION = clone(SMALL).set_params(categorical_features=TEXT)


def auc(model):
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(Y, model.predict_proba(X)[:, 1])


def test_there_are_categories():
    assert 0 < len(TEXT) < X.shape[1]


def test_bagging():
    model = BaggingClassifier(BY_POSITION, n_estimators=2, random_state=0).fit(X, Y)
    assert auc(model) > 0.7
    inner = model.estimators_[0].encoder_
    assert inner.categorical_columns_.tolist() == TEXT


def test_ada_boost():
    model = AdaBoostClassifier(BY_POSITION, n_estimators=2, random_state=0).fit(X, Y)
    assert auc(model) > 0.7


def test_a_chain_of_labels():
    """The chain appends earlier labels as columns behind those of X."""
    both = np.column_stack([Y, 1 - Y])
    model = ClassifierChain(BY_POSITION, random_state=0).fit(X.to_numpy(), both)
    assert model.predict_proba(X.to_numpy()).shape == (len(X), 2)
    assert (model.predict(X.to_numpy())[:, 1] == both[:, 1]).mean() > 0.7


def test_sequential_selection_takes_columns_of_the_frame():
    few = X.iloc[:200, :4]
    chosen = SequentialFeatureSelector(
        clone(SMALL).set_params(max_epochs=1), n_features_to_select=1, cv=2
    )
    with pytest.raises(ValueError, match=r"categorical_features|text|read as"):
        chosen.fit(X.iloc[:200, TEXT[:2] + [0]], Y[:200])
    numbers = few.select_dtypes("number")
    chosen.fit(numbers, Y[:200])
    assert chosen.get_support().sum() == 1


def test_importances_for_selection():
    n = 4
    model = SelectFromModel(
        SMALL, importance_getter=explained_importance(X), max_features=n, threshold=-1
    ).fit(X, Y)
    assert model.get_support().sum() == n
    kept = X.columns[model.get_support()]
    p = clone(SMALL).fit(X[kept], Y)
    assert p.predict_proba(X[kept]).shape == (len(X), 2)
