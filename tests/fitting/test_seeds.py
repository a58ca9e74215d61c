"""Which seeds make a fit again: those of members, and those of sampler objects."""

import numpy as np
import pytest
from helpers.packs import PLAIN, fixed_table
from imblearn.combine import SMOTEENN
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import EditedNearestNeighbours, RandomUnderSampler
from sklearn.base import clone
from sklearn.model_selection import ShuffleSplit, train_test_split

from sklimb import TabularMLPClassifier
from sklimb.training.samplers import _seed

X, Y = fixed_table()
TRAIN, HELD, Y_TRAIN, Y_HELD = train_test_split(X, Y, stratify=Y, random_state=0)


def make(**params):
    return TabularMLPClassifier(**{**PLAIN, "dtype": "float64", **params})


def proba(**params):
    return make(**params).fit(X, Y).predict_proba(X)


# Members.


def largest_difference(clf, **given):
    """Between each member of a fit and the single fit with its seed."""
    rows = given.pop("rows", (X, Y))
    p = clone(clf).fit(*rows, **given)
    differences = []
    for k, seed in enumerate(p.member_seeds_):
        one = clone(clf).set_params(n_members=1, random_state=int(seed))
        one.fit(*rows, **given)
        gap = one.predict_proba(X) - p.predict_proba_members(X)[k]
        differences.append(np.abs(gap).max())
    return np.array(differences)


@pytest.mark.parametrize(
    ("params", "given"),
    [
        ({}, {}),
        (
            {"early_stopping": True},
            {"rows": (TRAIN, Y_TRAIN), "X_val": HELD, "y_val": Y_HELD},
        ),
        (
            {
                "early_stopping": True,
                "validation_split": ShuffleSplit(1, random_state=0),
            },
            {},
        ),
        ({"sampler": SMOTE(random_state=5)}, {}),
        ({"metabalance_sampler": RandomOverSampler(random_state=5)}, {}),
    ],
    ids=["none held out", "X_val", "validation_split", "sampler", "metabalance"],
)
def test_member_seeds_make_each_member_again(params, given):
    # Products of one member and of several round otherwise.
    assert largest_difference(make(n_members=3, **params), **given).max() < 1e-8


@pytest.mark.parametrize("params", [{"early_stopping": True}, {"sampler": "smote"}])
def test_without_the_same_rows_only_member_0_is_made_again(params):
    """As `member_seeds_` says."""
    differences = largest_difference(make(n_members=3, **params))
    assert differences[0] < 1e-8
    assert (differences[1:] > 1e-4).all()


# Sampler objects.


@pytest.mark.parametrize(
    "made",
    [
        lambda seed: {"sampler": SMOTE(random_state=seed)},
        lambda seed: {"sampler": SMOTEENN(smote=SMOTE(random_state=seed))},
        lambda seed: {
            "sampler": make_pipeline(
                RandomUnderSampler(sampling_strategy=0.5, random_state=seed),
                EditedNearestNeighbours(),
            )
        },
        lambda seed: {
            "metabalance_sampler": RandomOverSampler(random_state=seed),
            "metabalance_steps": 5,
        },
        lambda seed: {
            "metabalance_sampler": (RandomUnderSampler(random_state=seed), "natural"),
            "metabalance_steps": 5,
        },
    ],
    ids=["SMOTE", "SMOTEENN", "Pipeline", "query", "support"],
)
def test_a_seed_of_the_user_is_kept(made):
    a, again, b = proba(**made(1)), proba(**made(1)), proba(**made(2))
    assert np.array_equal(a, again)
    assert np.abs(a - b).max() > 1e-4
    # Without a seed it follows that of the fit.
    assert np.array_equal(proba(**made(None)), proba(**made(None)))


def test_seeds_are_set_where_there_are_none():
    sampler = SMOTEENN(random_state=3, smote=SMOTE())
    _seed(sampler, 0)
    assert sampler.random_state == 3 and isinstance(sampler.smote.random_state, int)
    generator = np.random.RandomState(7)
    sampler = make_pipeline(SMOTE(random_state=generator), RandomUnderSampler())
    _seed(sampler, 0)
    assert sampler[0].random_state is generator
    assert isinstance(sampler[1].random_state, int)


def test_a_random_state_of_the_user_is_not_drawn_from():
    generator = np.random.RandomState(7)
    before = generator.get_state()[1].copy()
    a, b = (proba(sampler=SMOTE(random_state=generator)) for _ in range(2))
    assert np.array_equal(a, b)
    assert np.array_equal(generator.get_state()[1], before)
