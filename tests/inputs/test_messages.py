"""Messages hold one short value of the user's data at most, however long it is."""

import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.packs import PLAIN
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import PredefinedSplit

from sklimb import ImageResNetClassifier, TabularEncoder, TabularMLPClassifier
from sklimb._messages import listed, short, told
from sklimb.exceptions import InputWarning
from sklimb.metrics import get_scorer, group_recall, recall_at_precision
from sklimb.selfsup import SelfSupervisedPretrainer

LONG = "x" * 5000
N = 90
NAMES = [f"{i}{LONG}" for i in range(30)]
FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 30)), columns=NAMES)
CLASSES = np.array([f"{i:02d}{LONG}" for i in range(45)])
Y = np.tile(CLASSES, 2)
BINARY = np.tile(CLASSES[:2], N // 2)
SMALL = {**PLAIN, "max_epochs": 1}


class Odd:
    """A value whose repr is long."""

    def __repr__(self):
        return LONG


def fit(X=FRAME, y=BINARY, *args, **params):
    names = ("groups", "X_val", "y_val", "X_unlabeled")
    given = {name: params.pop(name) for name in names if name in params}
    return TabularMLPClassifier(**{**SMALL, **params}).fit(X, y, *args, **given)


def changed(value, dtype=object):
    X = FRAME.astype({NAMES[3]: dtype})
    X.iloc[5, 3] = value
    return X


def raises(*_):
    raise RuntimeError(LONG)


def second_call(**params):
    return TabularMLPClassifier(**{**SMALL, **params}).partial_fit(FRAME, Y)


OTHER = FRAME.rename(columns=lambda name: f"o{name}")
ERRORS = {
    "text among numbers": lambda: fit(changed(LONG), categorical_features=None),
    "text when served": lambda: fit().predict(changed(LONG)),
    "an object": lambda: fit(changed(Odd())),
    "a list": lambda: fit(changed([*range(10**4)])),
    "complex": lambda: fit(changed(complex(1, 10**300))),
    "infinity": lambda: fit(changed(np.inf)),
    "date": lambda: fit(changed(pd.Timestamp(0))),
    "names twice": lambda: fit(pd.concat([FRAME, FRAME], axis=1)),
    "dict": lambda: fit(FRAME.to_dict("list")),
    "records": lambda: fit(FRAME.to_dict("records")),
    "records when served": lambda: fit().predict(FRAME.to_dict("records")),
    "structured": lambda: fit(FRAME.to_records()),
    "one column": lambda: fit(FRAME[NAMES[0]].to_numpy()),
    "a list of numbers": lambda: fit([*range(900)]),
    "a text": lambda: fit(LONG),
    "no such column": lambda: fit(categorical_features=[LONG]),
    "no names": lambda: fit(FRAME.to_numpy(), categorical_features=NAMES),
    "no such index": lambda: fit(categorical_features=[*range(10**4)]),
    "odd categories": lambda: fit(categorical_features=[[1] * 10**4]),
    "mixed labels": lambda: fit(y=np.array([LONG, 10**4000] * 45, dtype=object)),
    "odd labels": lambda: fit(y=np.array([Odd(), 1] * 45, dtype=object)),
    "one class": lambda: fit(y=[LONG] * N),
    "unknown label": lambda: fit(y=Y, X_val=FRAME, y_val=[LONG + "y"] * N),
    "other classes": lambda: second_call().partial_fit(FRAME, Y, classes=Y[:9]),
    "a new label": lambda: second_call().partial_fit(FRAME, [LONG] * N),
    "class_weight of none": lambda: fit(class_weight={LONG: 1.0}),
    "class_weight": lambda: fit(class_weight={BINARY[0]: LONG}),
    "target_prior": lambda: fit(target_prior=[0.5] * 5000),
    "target_prior's sum": lambda: fit(y=Y, target_prior=[0.5] * 45),
    "sam_scale": lambda: fit(sam_scale=[1.0] * 5000, sam_asymmetric_rho=0.1),
    "loss": lambda: fit(loss=raises),
    "callbacks": lambda: fit(callbacks=[Odd()]),
    "net_params": lambda: fit(net_params={LONG: 1}),
    "portfolio": lambda: fit(portfolio=[{LONG: 1}, {LONG: 2}]),
    "validation_split": lambda: fit(
        validation_split=[([0], [10**9])], early_stopping=True
    ),
    "lost class": lambda: fit(
        validation_split=PredefinedSplit(np.where(BINARY == BINARY[0], 0, -1)),
        early_stopping=True,
    ),
    "columns of X_unlabeled": lambda: fit(X_unlabeled=OTHER, joint_ssl="vicreg"),
    "their order": lambda: fit(X_unlabeled=FRAME[NAMES[::-1]], joint_ssl="vicreg"),
    "columns of pretrained": lambda: fit(
        pretrained=FrozenEstimator(
            SelfSupervisedPretrainer(TabularMLPClassifier(**SMALL), max_epochs=1).fit(
                OTHER
            )
        )
    ),
    "target": lambda: fit(y=Y).explain(FRAME[:1], target=LONG),
    "baseline": lambda: fit().explain(FRAME[:1], baseline=FRAME),
    "pos_label": lambda: recall_at_precision(
        Y, np.linspace(0, 1, N), pos_label=LONG, min_precision=0.5
    ),
    "group": lambda: group_recall(Y, Y, y_train=[*Y] * 100, group="few"),
    "scorer": lambda: get_scorer(LONG),
    "images": lambda: ImageResNetClassifier(backbone="resnet8").fit([*range(900)], Y),
}


# They are what the messages are of.
@pytest.mark.filterwarnings("ignore::sklimb.exceptions.InputWarning")
@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
@pytest.mark.filterwarnings("ignore:batch_size")
@pytest.mark.parametrize("case", ERRORS)
def test_messages_are_short(case):
    with pytest.raises((ValueError, TypeError)) as error:
        ERRORS[case]()
    text = str(error.value)
    assert len(text) < 600 and "x" * 161 not in text, text[:2000]


@pytest.mark.filterwarnings("ignore::sklimb.exceptions.InputWarning")
def test_the_message_of_save_is_short(tmp_path):
    clf = fit(changed(Odd()), categorical_features=[NAMES[3]])
    with pytest.raises(ValueError, match="can be saved") as error:
        clf.save(tmp_path / "clf.safetensors")
    assert len(str(error.value)) < 600


def test_warnings_are_short():
    X = pd.DataFrame(
        {f"{i}{LONG}": [f"{LONG}{i}{j}" for j in range(N)] for i in range(30)}
    )
    empty = FRAME * np.nan
    served = X.map(lambda text: f"new{text}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        TabularEncoder().fit(pd.concat([X, empty.add_prefix("empty")], axis=1))
        TabularEncoder().fit(X).transform(served)
    texts = [str(w.message) for w in caught if w.category is InputWarning]
    assert len(texts) == 4
    for text in texts:
        assert len(text) < 600 and "x" * 60 not in text and " more" in text


def test_shortened_values():
    assert short("it's") == '"it\'s"' and short(1.5) == "1.5"
    assert short("a" * 30 + "b" * 90 + "c" * 30) == f"'{'a' * 24}...{'c' * 11}'"
    assert len(short(Odd())) == 40 and short("a\n b") == r"'a\n b'"
    assert "\n" not in short(np.eye(9))
    assert listed([1, 2]) == "[1, 2]" and listed([]) == "[]"
    assert listed([*range(9)]) == "[0, 1, 2, 3, 4, ... 4 more]"
    assert told(ValueError("a\n  b")) == "a b" and len(told(LONG)) == 160


def test_numbers_of_numpy_are_told_as_numbers():
    assert short(np.int64(1)) == "1" and short(np.str_("a")) == "'a'"
    assert listed(np.array([1.5, 2.5])) == "[1.5, 2.5]"
