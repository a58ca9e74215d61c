"""to_onnx: the whole estimator from raw columns, equal to predict_proba and predict."""

import json
import sys
from decimal import Decimal

import numpy as np
import onnx
import pandas as pd
import pytest
from helpers.graphs import CLOSE, check_graph, feed, session_of
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline

from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularEncoder,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.datasets import make_transactions
from sklimb.export import to_onnx
from sklimb.graph.categories import default_type, number_table, text_table
from sklimb.inputs.column_encodings import CategoricalColumn
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier
from sklimb.two_stage import ClassifierRetrainer

DATA = make_transactions(400, fraud_rate=0.15, random_state=0)
SMALL = {"max_epochs": 2, "random_state": 0}
TINY = {**SMALL, "d_block": 16}
IMAGES = np.random.default_rng(0).integers(0, 256, (48, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(48) % 3


def table(n=200, seed=0):
    """Every kind of column, with missing values where a kind can have them."""
    rng = np.random.default_rng(seed)
    some = rng.random(n) < 0.2
    X = pd.DataFrame(
        {
            "amount": np.where(some, np.nan, rng.lognormal(3, 2, n)),
            "age": rng.integers(18, 90, n),
            "is_new": rng.random(n) < 0.3,
            "constant": 7.0,
            "empty": np.nan,
            "job": rng.choice(["cook", "clerk", "Ärztin", ""], n),
            "branch": pd.Categorical(rng.integers(1, 9, n)),
            "zip": pd.Categorical(np.where(some, np.nan, rng.integers(1, 9, n) * 1.0)),
            "band": pd.cut(rng.normal(size=n), [-9, -1, 0, 1, 9]),
            "nothing": pd.Categorical([None] * n, categories=["a"]),
            "label": rng.normal(size=n),
        }
    )
    X.loc[some, "job"] = None
    y = np.where(rng.random(n) < 0.7, "paid", "late")
    return X, np.where(X["age"] > 70, "lost", y)


@pytest.fixture(scope="module")
def mlp():
    return TabularMLPClassifier(**TINY).fit(DATA.X, DATA.y)


@pytest.mark.filterwarnings("ignore:X has columns without a value")
def test_every_kind_of_column(tmp_path):
    X, y = table()
    clf = TabularMLPClassifier(decision="balanced", **TINY).fit(X, y)
    path = tmp_path / "graph.onnx"
    labels, p = check_graph(clf, X, path)
    assert set(labels) <= {"paid", "late", "lost"} and np.ptp(p) > 0.05
    session = session_of(path)
    inputs = {given.name: given.type for given in session.get_inputs()}
    assert inputs["age"] == inputs["is_new"] == inputs["zip"] == "tensor(double)"
    assert inputs["branch"] == "tensor(int64)"
    assert inputs["job"] == inputs["band"] == "tensor(string)"
    assert "label_" in inputs  # an output has the name
    # What training has not seen, and numbers far outside.
    other, _ = table(300, seed=1)
    other["job"] = other["job"].where(other["age"] < 60, "pilot")
    other["branch"] = other["branch"].astype(int) + 4
    other["amount"] = other["amount"] * np.where(other["age"] < 40, 1e6, -1.0)
    other["constant"] = other["age"] * 1.0
    check_graph(clf, other, path)


def test_missing_texts_are_missing(tmp_path):
    X, y = table()
    X = X[["age", "job"]].replace({"job": {"": "None"}})  # a category
    clf = TabularMLPClassifier(**TINY).fit(X, y)
    assert clf.encoder_.categories_[0][-1] is None
    to_onnx(clf, tmp_path / "graph.onnx")
    session = session_of(tmp_path / "graph.onnx")

    def of(text, frame_value):
        row = {"age": np.array([40.0]), "job": np.array([text], dtype=object)}
        frame = pd.DataFrame({"age": [40], "job": pd.array([frame_value], "str")})
        return session.run(None, row)[1][0], clf.predict_proba(frame)[0]

    for text in ("", "nan", "<NA>"):
        found, wanted = of(text, None)
        np.testing.assert_allclose(found, wanted, atol=CLOSE)
    found, wanted = of("None", "None")  # which training knows as a text
    np.testing.assert_allclose(found, wanted, atol=CLOSE)
    assert abs(wanted - of("", None)[1]).max() > 10 * CLOSE


@pytest.mark.parametrize("transform", ["standard", "robust", None])
def test_other_transforms(tmp_path, transform):
    X, y = table()
    X = X[["amount", "age", "label"]] / [100, 100, 1]
    clf = TabularMLPClassifier(numeric_transform=transform, **TINY).fit(X, y)
    check_graph(clf, X, tmp_path / "graph.onnx")


def test_numbers_of_any_size(tmp_path):
    rng = np.random.default_rng(0)
    size = 10.0 ** np.array([300, -300, 200, 0])
    X = pd.DataFrame(rng.normal(size=(200, 4)) * size)
    X[3] = 1e9 + X[3] * 1e-5
    y = (X[0] > 0).astype(int)
    X.iloc[::9] = np.nan
    clf = TabularMLPClassifier(**{**TINY, "max_epochs": 5}).fit(X, y)
    assert not all(column.is_plain for column in clf.encoder_._columns)
    _, p = check_graph(clf, X, tmp_path / "graph.onnx")
    assert np.ptp(p) > 0.05


@pytest.mark.parametrize(
    "clf",
    [
        TabularMLPClassifier(
            **TINY, temperature_scaling=True, sampler="balanced", n_members=3
        ),
        TabularMLPClassifier(**TINY, loss="ldam", num_embeddings="ple", decision=0.2),
        TabularMLPClassifier(**TINY, dtype="float64", portfolio=[{"lr": 1e-2}, {}]),
        TabularResNetClassifier(**TINY, n_members=2, decision="f1"),
        FTTransformerClassifier(**TINY, n_blocks=2, attention_n_heads=2),
    ],
    ids=["members", "cosines", "float64", "resnet", "ft-transformer"],
)
def test_classifiers(tmp_path, clf):
    clf.fit(DATA.X, DATA.y)
    path = tmp_path / "graph.onnx"
    _, p = check_graph(clf, DATA.X, path)
    assert p.dtype == clf.dtype_
    for n in (1, 2, 7):  # any number of rows
        session = session_of(path)
        _, part = session.run(None, feed(session, DATA.X[:n]))
        np.testing.assert_allclose(part, p[:n], rtol=0, atol=CLOSE)


@pytest.mark.parametrize("kind", ["bytes", "grey bytes", "floats"])
def test_images(tmp_path, kind):
    X = IMAGES[..., 0] if kind == "grey bytes" else IMAGES
    X = X * 2.5 - 30 if kind == "floats" else X
    clf = ImageResNetClassifier(backbone="resnet8", test_time_flips=True, **SMALL)
    clf.fit(X, LABELS)
    check_graph(clf, X, tmp_path / "graph.onnx")
    (given,) = session_of(tmp_path / "graph.onnx").get_inputs()
    assert given.shape == ["rows", *X.shape[1:]]
    assert given.type == ("tensor(double)" if kind == "floats" else "tensor(uint8)")


@pytest.mark.parametrize("method", ["crt", "oltr"])
def test_second_stages(tmp_path, mlp, method):
    clf = ClassifierRetrainer(FrozenEstimator(mlp), method=method, n_epochs=1)
    clf.fit(DATA.X, DATA.y)
    _, p = check_graph(clf, DATA.X, tmp_path / "graph.onnx")
    assert abs(p - mlp.predict_proba(DATA.X)).max() > 100 * CLOSE


@pytest.mark.parametrize(
    ("response", "positive"),
    [("auto", 0), ("auto", 1), ("decision_function", 0)],
)
def test_threshold_wrappers(tmp_path, mlp, response, positive):
    p = mlp.predict_proba(DATA.X)[:, positive]
    value = np.quantile(p, 0.7)
    if response == "decision_function":
        value = np.log(value / (1 - value))
    wrapped = FixedThresholdClassifier(
        FrozenEstimator(mlp),
        threshold=value,
        pos_label=positive,
        response_method=response,
    ).fit(DATA.X, DATA.y)
    to_onnx(wrapped, tmp_path / "graph.onnx")
    session = session_of(tmp_path / "graph.onnx")
    labels, _ = session.run(None, feed(session, DATA.X))
    clear = abs(p - np.quantile(p, 0.7)) > CLOSE
    assert 0.65 < (labels != positive).mean() < 0.75
    assert (labels == wrapped.predict(DATA.X))[clear].all() and clear.mean() > 0.9


def test_tuned_thresholds_searches_and_pseudo_labels(tmp_path):
    tuned = TunedThresholdClassifierCV(TabularMLPClassifier(**TINY), cv=2)
    check_graph(tuned.fit(DATA.X, DATA.y), DATA.X, tmp_path / "tuned.onnx")
    pseudo = PseudoLabelClassifier(TabularMLPClassifier(**TINY))
    search = GridSearchCV(pseudo, {"estimator__lr": [0.01]}, cv=2)
    search.fit(DATA.X, DATA.y, X_unlabeled=DATA.X[:50])
    check_graph(search, DATA.X, tmp_path / "search.onnx")


def test_pipelines_of_our_steps(tmp_path):
    encoder = TabularEncoder(category_encoding="onehot", numeric_transform="standard")
    pipeline = make_pipeline(encoder, "passthrough", TabularMLPClassifier(**TINY))
    check_graph(pipeline.fit(DATA.X, DATA.y), DATA.X, tmp_path / "graph.onnx")


def test_features_of_a_pretrainer(tmp_path):
    pretrainer = SelfSupervisedPretrainer(TabularMLPClassifier(**TINY), max_epochs=1)
    pipeline = make_pipeline(pretrainer, TabularMLPClassifier(**TINY))
    check_graph(pipeline.fit(DATA.X, DATA.y), DATA.X, tmp_path / "graph.onnx")


def test_a_pipeline_inside_a_second_stage(tmp_path):
    encoder = TabularEncoder()
    classifier = TabularMLPClassifier(**TINY, categorical_features=[6, 7])
    clf = ClassifierRetrainer(make_pipeline(encoder, classifier), method="tau")
    check_graph(clf.fit(DATA.X, DATA.y), DATA.X, tmp_path / "graph.onnx")


def test_what_is_not_ours_is_named_before_anything(tmp_path, mlp):
    X = DATA.X.select_dtypes("number").fillna(0)
    pipeline = make_pipeline(PCA(2), TabularMLPClassifier(**TINY)).fit(X, DATA.y)
    path = tmp_path / "graph.onnx"
    with pytest.raises(TypeError, match="step 'pca' of the Pipeline is a PCA"):
        to_onnx(pipeline, path)
    with pytest.raises(TypeError, match="the estimator is a LogisticRegression"):
        to_onnx(LogisticRegression(max_iter=9999).fit(X, DATA.y), path)
    with pytest.raises(TypeError, match="ends in a classifier, and 'TabularEncoder'"):
        to_onnx(TabularEncoder().fit(X), path)
    with pytest.raises(NotFittedError):
        to_onnx(TabularMLPClassifier(), path)
    with pytest.raises(NotFittedError):
        to_onnx(GridSearchCV(TabularMLPClassifier(), {}), path)
    assert not path.exists()


def test_a_missing_extra_is_one_sentence(monkeypatch, tmp_path, mlp):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r'needs onnxscript.*"sklimb\[onnx\]"'):
        mlp.to_onnx(tmp_path / "graph.onnx")


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path, mlp, monkeypatch):
    path = tmp_path / "graph.onnx"
    path.write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        mlp.to_onnx(tmp_path / "nowhere" / "graph.onnx")
    monkeypatch.setattr(onnx.checker, "check_model", lambda proto: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        mlp.to_onnx(path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["graph.onnx"]


def test_column_types(tmp_path, mlp):
    types = {"amount": "float32", "n_last_24h": "int64", "abroad": "bool"}
    to_onnx(mlp, tmp_path / "graph.onnx", column_types=types)
    session = session_of(tmp_path / "graph.onnx")
    given = {i.name: i.type for i in session.get_inputs()}
    assert given["amount"] == "tensor(float)" and given["abroad"] == "tensor(bool)"
    _, p = session.run(None, feed(session, DATA.X))
    wanted = mlp.predict_proba(DATA.X.astype({"amount": "float32"}))
    np.testing.assert_allclose(p, wanted, rtol=0, atol=CLOSE)
    for types, message in [
        ({"colour": "int64"}, "'colour', which is not a column"),
        ({"amount": "string"}, r"column_types\['amount'\] must be one of"),
    ]:
        with pytest.raises(ValueError, match=message):
            to_onnx(mlp, tmp_path / "other.onnx", column_types=types)
    assert not (tmp_path / "other.onnx").exists()


def test_columns_without_names(tmp_path):
    X = np.random.default_rng(0).normal(size=(100, 3))
    X[:, 2] = np.arange(100) % 4
    y = X[:, 0] > 0
    clf = TabularMLPClassifier(**TINY, categorical_features=[2]).fit(X, y)
    labels, _ = check_graph(clf, X, tmp_path / "graph.onnx")
    assert labels.dtype == bool
    inputs = session_of(tmp_path / "graph.onnx").get_inputs()
    assert [given.name for given in inputs] == ["x0", "x1", "x2"]


def test_tables_of_categories():
    """Decimals, infinity and integers beyond float64 among the categories."""
    values = [Decimal("0.5"), 2**62 + 1, 7, 10**400, "8", "x", np.inf]
    column = CategoricalColumn(values, np.zeros(0, np.uint64), 0.0)
    assert default_type(column) == "string"
    assert number_table(column, whole=True) == {2**62 + 1: 2, 7: 3, 8: 5}
    floats = number_table(column, whole=False)
    assert floats[0.5] == 1 and floats[7.0] == 3 and floats[8.0] == 5
    texts = text_table(column)
    assert texts["0.5"] == 1 and texts["7.0"] == 3 and texts["x"] == 6
    assert texts[""] == texts["None"] == 0


def test_metadata(tmp_path, mlp):
    mlp.to_onnx(tmp_path / "graph.onnx")
    about = session_of(tmp_path / "graph.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == [0, 1]
    columns = json.loads(about["columns"])
    assert [column["name"] for column in columns] == list(DATA.X.columns)
    assert about["estimator"] == "TabularMLPClassifier"
    assert set(json.loads(about["versions"])) == {"sklimb", "torch"}
    # Nothing of this machine is in the file.
    assert b"site-packages" not in (tmp_path / "graph.onnx").read_bytes()
    onnx.checker.check_model(str(tmp_path / "graph.onnx"), full_check=True)
