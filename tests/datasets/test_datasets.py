"""Tables and downloads against the published figures."""

import doctest
import gzip
import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import _covtype
from sklearn.datasets._base import RemoteFileMetadata

from sklimb import datasets
from sklimb.datasets import TABLES, _fetch, _tables

# rows, features, rows of the positive class: the figures of the publishers.
BINARY = {
    "loan": (9_578, 13, 1_533),
    "fraud": (17_831, 29, 492),
    "adult": (48_842, 14, 11_687),
    "taiwan": (30_000, 23, 6_636),
    "bank": (45_211, 15, 5_289),
    "german": (1_000, 20, 300),
    "thyroid": (3_772, 29, 231),
    "phoneme": (5_404, 5, 1_586),
    "abalone_19": (4_177, 8, 32),
    "abalone_7": (4_177, 8, 391),
    "yeast_me2": (1_484, 8, 51),
    "ecoli_imU": (336, 7, 35),
    "wine": (4_898, 11, 183),
}
MULTICLASS = {
    "otto": (93, [1929, 16122, 8004, 2691, 2739, 14135, 2839, 8464, 4955]),
    "covertype": (54, [33894, 45328, 5721, 439, 1519, 2779, 3282]),
}
LEAKS = {
    "loan": ["not.fully.paid"],
    "fraud": ["Class", "population_weight"],
    "adult": ["income", "split"],
    "taiwan": ["default.payment.next.month", "ID"],
    "bank": ["y", "duration"],
    "german": ["class"],
    "thyroid": ["Class"],
    "phoneme": ["class"],
    "abalone_19": ["abalone_19", "abalone_7", "Rings"],
    "abalone_7": ["abalone_19", "abalone_7", "Rings"],
    "yeast_me2": ["yeast_me2", "localization"],
    "ecoli_imU": ["imU", "site", "Sequence_Name"],
    "wine": ["quality", "colour"],
    "otto": ["target", "id"],
    "covertype": ["Cover_Type"],
}
MISSING = {"adult": 6_465, "thyroid": 6_064}
CATEGORIES = {
    "loan": 1,
    "adult": 8,
    "bank": 9,
    "german": 13,
    "thyroid": 22,
    "abalone_19": 1,
    "abalone_7": 1,
}


def test_every_task_is_tested():
    assert set(TABLES) == {*BINARY, *MULTICLASS} == set(LEAKS)


@pytest.mark.parametrize("name", BINARY)
def test_binary_tables_have_the_published_counts(name):
    bunch = datasets.load_table(name)
    n_rows, n_features, n_positive = BINARY[name]
    assert bunch.X.shape == (n_rows, n_features)
    assert bunch.y.dtype == np.int64 and bunch.y.shape == (n_rows,)
    assert np.bincount(bunch.y).tolist() == [n_rows - n_positive, n_positive]


@pytest.mark.parametrize("name", MULTICLASS)
def test_multiclass_tables_keep_their_labels(name):
    bunch = datasets.load_table(name)
    n_features, class_counts = MULTICLASS[name]
    labels, counts = np.unique(bunch.y, return_counts=True)
    assert bunch.X.shape == (sum(class_counts), n_features)
    assert counts.tolist() == class_counts
    numbers = range(1, len(class_counts) + 1)
    named = [f"Class_{i}" for i in numbers] if name == "otto" else list(numbers)
    assert labels.tolist() == named


@pytest.mark.parametrize("name", TABLES)
def test_features(name):
    bunch = datasets.load_table(name)
    assert not set(LEAKS[name]) & set(bunch.X)
    assert bunch.X.index.equals(pd.RangeIndex(len(bunch.y)))
    assert bunch.X.isna().sum().sum() == MISSING.get(name, 0)
    kinds = [
        "category" if isinstance(dtype, pd.CategoricalDtype) else dtype.kind
        for dtype in bunch.X.dtypes
    ]
    assert set(kinds) <= {"category", "i", "f"}
    assert kinds.count("category") == CATEGORIES.get(name, 0)
    assert bunch.task is TABLES[name] and bunch.task.source in bunch.DESCR


@pytest.mark.parametrize("name", sorted({*TABLES} - {"fraud", "adult"}))
def test_most_tables_have_no_weights_groups_or_split(name):
    bunch = datasets.load_table(name)
    assert bunch.sample_weight is bunch.groups is bunch.split is bunch.time is None


def test_fraud_weights_restore_the_prevalence_of_the_full_file():
    bunch = datasets.load_table("fraud")
    assert bunch.sample_weight.sum() == pytest.approx(284_807, abs=1)
    assert (bunch.sample_weight[bunch.y == 1] == 1).all()


def test_fraud_groups_are_the_identical_rows():
    bunch = datasets.load_table("fraud")
    distinct = bunch.X.drop_duplicates()
    assert len(np.unique(bunch.groups)) == len(distinct) < len(bunch.X)
    assert len(np.unique(bunch.groups[distinct.index])) == len(distinct)


def test_adult_has_the_official_split():
    split = datasets.load_table("adult").split
    assert dict(zip(*np.unique(split, return_counts=True), strict=True)) == {
        "test": 16_281,
        "train": 32_561,
    }


def test_wine_is_white():
    # Red wines reach 15.9 g/l of fixed acidity, white ones 14.2.
    assert datasets.load_table("wine").X["fixed acidity"].max() == 14.2


def test_unknown_name():
    with pytest.raises(ValueError, match=r"name must be one of \[.*\], got 'iris'\."):
        datasets.load_table("iris")


def test_missing_file_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="has no such file") as info:
        datasets.load_table("adult", data_home=tmp_path)
    assert "fetch_adult" in str(info.value) and str(tmp_path) in str(info.value)
    monkeypatch.delenv("SKLIMB_DATA")
    with pytest.raises(FileNotFoundError, match="SKLIMB_DATA is not set"):
        datasets.load_table("german")


def test_data_home_goes_before_the_environment(tmp_path):
    pd.DataFrame({"V1": [1.0, 2.0], "class": [1, 0]}).to_parquet(
        tmp_path / "phoneme.parquet"
    )
    bunch = datasets.load_table("phoneme", data_home=tmp_path)
    assert bunch.y.tolist() == [1, 0] and list(bunch.X) == ["V1"]


def test_wrong_columns(tmp_path):
    pd.DataFrame({"V1": [1.0], "label": [1]}).to_parquet(tmp_path / "phoneme.parquet")
    with pytest.raises(ValueError, match=r"must have the columns \['class'\], got"):
        datasets.load_table("phoneme", data_home=tmp_path)


def test_without_pyarrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install sklimb\[data\]"):
        datasets.load_table("german")


@pytest.mark.parametrize("module", [_tables, _fetch])
def test_docstring_examples(module):
    results = doctest.testmod(module)
    assert results.attempted > 0 and results.failed == 0


# Downloads: a web server on this machine stands for OpenML and for the UCI archive.


@pytest.fixture
def web():
    """Serve what is put into `web.pages`, path -> bytes."""
    pages = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path in pages else 404)
            self.end_headers()
            self.wfile.write(pages.get(self.path, b""))

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        yield SimpleNamespace(pages=pages, host=host)
        server.shutdown()


@pytest.fixture
def publish(web, monkeypatch, tmp_path):
    """Publish a frame on a local OpenML, and leave SKLIMB_DATA an empty folder."""

    def redirected(request):
        request.full_url = web.host + urlsplit(request.full_url).path
        return urlopen(request)

    def feature(name, dtype, target, row_id):
        return {
            "name": name,
            "data_type": "nominal" if dtype == "category" else "numeric",
            "is_target": str(name == target).lower(),
            "is_ignore": "false",
            "is_row_identifier": str(name == row_id).lower(),
        }

    def publish(data_id, frame, target, row_id=None):
        monkeypatch.setenv("SKLIMB_DATA", str(tmp_path))
        monkeypatch.setattr("sklearn.datasets._openml.urlopen", redirected)
        rows = frame.to_csv(index=False, header=False, na_rep="?")
        arff = f"@relation published\n@data\n{rows}".encode()
        about = {
            "status": "active",
            "format": "ARFF",
            "url": "https://www.openml.org/data/v1/download/1",
            "md5_checksum": hashlib.md5(arff).hexdigest(),
            "description": "",
        }
        features = [feature(*item, target, row_id) for item in frame.dtypes.items()]
        for path, content in [
            (data_id, {"data_set_description": about}),
            (f"features/{data_id}", {"data_features": {"feature": features}}),
            (f"qualities/{data_id}", {}),
        ]:
            web.pages[f"/api/v1/json/data/{path}"] = json.dumps(content).encode()
        web.pages["/data/v1/download/1"] = arff

    return publish


def creditcard_frame():
    """Zeros with the published row count, class counts and Amount of all frauds."""
    columns = ["Time", *_tables.CREDITCARD_FEATURES, "Class"]
    frame = pd.DataFrame(0, index=range(284_807), columns=columns)
    frame["Time"] = np.arange(284_807)
    frame["Amount"] = np.where(frame["Time"] == 0, 60_127.97, 0.0)
    frame["Class"] = (frame["Time"] < 492).astype(int)
    return frame


def test_creditcard_from_openml(publish, tmp_path):
    frame = creditcard_frame()
    # The ARFF file of OpenML quotes the labels.
    frame["Class"] = pd.Categorical.from_codes(frame["Class"], ["'0'", "'1'"])
    publish(1597, frame, "Class", row_id="Time")
    bunch = datasets.fetch_creditcard(data_home=tmp_path)
    assert list(bunch.X) == list(_tables.CREDITCARD_FEATURES)
    assert bunch.y.sum() == 492 and bunch.time is None
    assert len(np.unique(bunch.groups)) == 2


def test_creditcard_from_the_local_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLIMB_DATA", str(tmp_path))
    frame = creditcard_frame()
    frame.to_parquet(tmp_path / "creditcard.parquet")
    bunch = datasets.fetch_creditcard()
    assert bunch.X.shape == (284_807, 29) and bunch.sample_weight is None
    np.testing.assert_array_equal(bunch.time, np.arange(284_807))

    frame.assign(Amount=1.0).to_parquet(tmp_path / "creditcard.parquet")
    with pytest.raises(ValueError, match=r"Amount of all frauds .* 60127\.97, got 492"):
        datasets.fetch_creditcard()
    frame.iloc[:1000].to_csv(tmp_path / "creditcard.csv", index=False)
    with pytest.raises(ValueError, match=r"number of rows .* 284807, got 1000\. "):
        datasets.fetch_creditcard()


def test_adult_from_openml_is_the_local_table(publish, tmp_path):
    local = datasets.load_table("adult")
    income = pd.Categorical.from_codes(local.y, ["<=50K", ">50K"])
    # OpenML has the rows in another order: the hash must not mind.
    publish(1590, local.X.assign(**{"class": income}).iloc[::-1], "class")
    fetched = datasets.fetch_adult(data_home=tmp_path)
    assert fetched.split is None
    np.testing.assert_array_equal(fetched.y[::-1], local.y)
    pd.testing.assert_frame_equal(
        fetched.X.astype(object).iloc[::-1].reset_index(drop=True),
        local.X.astype(object),
        check_dtype=False,
    )


def test_adult_with_one_other_cell(publish, tmp_path):
    local = datasets.load_table("adult")
    X = local.X.assign(**{"class": pd.Categorical(local.y)})
    X["class"] = X["class"].cat.rename_categories(["<=50K", ">50K"])
    X.loc[7, "age"] += 1
    publish(1590, X, "class")
    with pytest.raises(ValueError, match="The sha256 of 'adult' must be '54149bf0"):
        datasets.fetch_adult(data_home=tmp_path)


def test_otto_from_openml_is_checked(publish, tmp_path):
    publish(45548, datasets.load_table("otto").X.head(9).assign(target=1), "target")
    with pytest.raises(ValueError, match="rows of 'otto' must be 61878, got 9"):
        datasets.fetch_otto(data_home=tmp_path)


def test_unreachable_openml_says_what_to_do(publish, tmp_path, monkeypatch):
    def no_route(request):
        raise URLError("no route to host")

    publish(1, pd.DataFrame({"x": [1]}), "x")
    monkeypatch.setattr("sklearn.datasets._openml.urlopen", no_route)
    monkeypatch.setattr("sklearn.datasets._openml.time.sleep", lambda delay: None)
    with pytest.warns(UserWarning, match="A network error"):
        with pytest.raises(OSError, match=r"put otto_train\.parquet into the folder"):
            datasets.fetch_otto(data_home=tmp_path)


def test_covertype_download_is_checked(web, monkeypatch, tmp_path):
    content = gzip.compress(b"\n".join([b",".join([b"1"] * 55)] * 3))
    web.pages["/covtype.data.gz"] = content
    monkeypatch.setattr(
        "sklearn.datasets._covtype.ARCHIVE",
        RemoteFileMetadata(
            "covtype.data.gz",
            f"{web.host}/covtype.data.gz",
            hashlib.sha256(content).hexdigest(),
        ),
    )
    with pytest.raises(ValueError, match="rows of 'covertype' must be 581012, got 3"):
        datasets.fetch_covertype(data_home=tmp_path)


def test_covertype_has_the_columns_of_the_local_table(monkeypatch):
    def fetch_covtype(data_home, as_frame):
        counts = [211_840, 283_301, 35_754, 2_747, 9_493, 17_367, 20_510]
        frame = pd.DataFrame(
            np.zeros((581_012, 54), dtype=np.int8), columns=_covtype.FEATURE_NAMES
        )
        return SimpleNamespace(
            frame=frame.assign(Cover_Type=np.repeat(np.arange(1, 8), counts))
        )

    monkeypatch.setattr(_fetch, "fetch_covtype", fetch_covtype)
    bunch = datasets.fetch_covertype()
    assert list(bunch.X) == list(datasets.load_table("covertype").X)
    assert bunch.X.shape == (581_012, 54) and np.unique(bunch.y).size == 7


def test_local_copies_are_the_published_data():
    for name, fetch in [
        ("adult", datasets.fetch_adult),
        ("otto", datasets.fetch_otto),
        ("loan", datasets.fetch_loans),
    ]:
        pd.testing.assert_frame_equal(fetch().X, datasets.load_table(name).X)


def test_csv_files_of_kaggle(tmp_path):
    loans = datasets.load_table("loan")
    table = loans.X.assign(**{"not.fully.paid": loans.y})
    table.to_csv(tmp_path / "loan_data.csv", index=False)
    bunch = datasets.fetch_loans(tmp_path / "loan_data.csv")
    pd.testing.assert_frame_equal(
        bunch.X, loans.X, check_dtype=False, check_categorical=False
    )
    assert bunch.X["purpose"].dtype == "category"

    table.loc[3, "fico"] += 1
    table.to_csv(tmp_path / "loan_data.csv", index=False)
    with pytest.raises(ValueError, match="The sha256 of 'loan' must be '65de6037"):
        datasets.fetch_loans(tmp_path / "loan_data.csv")
    with pytest.raises(ValueError, match=r"must have the columns \['target', 'id'\]"):
        datasets.fetch_otto(tmp_path / "loan_data.csv")
