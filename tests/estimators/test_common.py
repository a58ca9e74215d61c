"""scikit-learn's own estimator checks: none fails, none is expected to fail."""

import pytest
from helpers.one_network import OutOfTheBox
from helpers.strategies import META, NETWORKS, SMALL, STRATEGIES
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

from sklimb import TabularMLPClassifier


# The tables of these checks are tiny, and "smote" and m2m say so each time.
@pytest.mark.filterwarnings("ignore:sampler='smote':UserWarning")
@pytest.mark.filterwarnings("ignore:m2m translated no row:UserWarning")
@parametrize_with_checks(
    [TabularMLPClassifier(**SMALL, **s) for s in STRATEGIES]
    + [OutOfTheBox(**SMALL)]
    + NETWORKS
    + META
)
def test_estimator_checks(estimator, check):
    name = check.func.__name__
    if getattr(estimator, "row_weighting", None) and "weight_equivalence" in name:
        # A class has one row, which cannot both judge and train. test_reweighting.py
        # asks the same of a table with more rows.
        with pytest.raises(ValueError, match="class 0 has 1 different training rows"):
            check(estimator)
        return
    check(estimator)


@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_checks_that_scikit_learn_runs_apart(check):
    for estimator in (TabularMLPClassifier(**SMALL), *NETWORKS):
        check(type(estimator).__name__, estimator)
