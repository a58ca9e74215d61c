"""MLflow, ray and accelerate with the real libraries, which are in no test environment.

`make interop` runs this file in a virtual environment of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import ray
from helpers.in_processes import FITS, all_found
from joblib import parallel_config
from mlflow.models import infer_signature
from ray.util.joblib import register_ray
from sklearn.datasets import make_classification
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import MlflowLogger

from sklimb import TabularMLPClassifier
from sklimb.model_selection import PackedSearchCV

X, Y = make_classification(300, 6, n_informative=4, weights=[0.8], random_state=0)
SMALL = TabularMLPClassifier(d_block=16, max_epochs=3, n_members=1, random_state=0)
OURS = ["sklimb.tabular_mlp.TabularMLPClassifier"]


@pytest.fixture
def store(tmp_path):
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.create_experiment("of the tests", artifact_location=tmp_path.as_uri())
    mlflow.set_experiment("of the tests")


@pytest.mark.parametrize("piped", [False, True])
def test_log_model_in_its_default_format(piped, store):
    model = make_pipeline(StandardScaler(), SMALL) if piped else SMALL
    model.fit(X, Y)
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(X, model.predict(X)),
            skops_trusted_types=OURS,
        )
    flavour = mlflow.models.get_model_info(logged.model_uri).flavors["sklearn"]
    assert flavour["serialization_format"] == "skops"
    again = mlflow.sklearn.load_model(logged.model_uri)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    served = mlflow.pyfunc.load_model(logged.model_uri)
    np.testing.assert_array_equal(served.predict(X), model.predict(X))


def test_epochs_are_logged(store):
    with mlflow.start_run() as run:
        clf = SMALL.set_params(callbacks=[MlflowLogger(terminate_after_train=False)])
        clf.fit(X, Y)
    series = mlflow.MlflowClient().get_metric_history(run.info.run_id, "valid_loss")
    assert [m.value for m in series] == [row["valid_loss"] for row in clf.history_]


def test_a_search_on_ray():
    search = PackedSearchCV(
        SMALL.set_params(callbacks=None), {"lr": [1e-3, 1e-2]}, cv=2
    )
    alone = search.fit(X, Y).cv_results_["mean_test_score"]
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        register_ray()
        with parallel_config("ray", n_jobs=2):
            found = search.fit(X, Y).cv_results_["mean_test_score"]
    finally:
        ray.shutdown()
    np.testing.assert_array_equal(found, alone)


def dying(folder):
    """ROC AUC that notes each call; the first one of a rate that finds a mark dies."""

    # Inside, so that it is sent by value: workers do not find this file.
    def scored(estimator, X, y):
        with open(folder / "scored", "a") as file:
            file.write(f"{estimator.lr}\n")
        mark = folder / "die"
        if estimator.lr == 1e-2 and mark.exists():
            mark.unlink()
            os._exit(1)
        return roc_auc_score(y, estimator.predict_proba(X)[:, 1])

    return scored


def test_a_ray_worker_that_dies_loses_nothing(tmp_path):
    clf = TabularMLPClassifier(**{**SMALL.get_params(), "callbacks": None})
    search = PackedSearchCV(
        clf, {"lr": [1e-3, 3e-3, 1e-2]}, cv=2, scoring=dying(tmp_path), max_members=1
    )
    alone = search.fit(X, Y).cv_results_["mean_test_score"]
    (tmp_path / "scored").unlink()
    (tmp_path / "die").touch()
    search.set_params(checkpoint=tmp_path / "packs")
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        register_ray()
        with parallel_config("ray", n_jobs=2):
            with pytest.raises(Exception, match=r"died|actor"):
                search.fit(X, Y)
            finished = len(list((tmp_path / "packs").glob("pack-*")))
            before = (tmp_path / "scored").read_text().split()
            found = search.fit(X, Y).cv_results_["mean_test_score"]
    finally:
        ray.shutdown()
    np.testing.assert_array_equal(found, alone)
    # What had been finished was not trained again; that of the dead worker was.
    after = (tmp_path / "scored").read_text().split()
    assert finished >= 4 and len(after) - len(before) == 6 - finished


def test_accelerate_opens_the_process_group(tmp_path):
    """As `accelerate launch` does on GPUs: by torchrun, whose variables it reads."""
    script = Path(__file__).parents[1] / "helpers" / "in_processes.py"
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launcher += ["--master-addr", "127.0.0.1", "--master-port", "29611"]
    environment = {"ACCELERATE_USE_CPU": "true", "GLOO_SOCKET_IFNAME": "lo"}
    subprocess.run(
        [sys.executable, *launcher, script, tmp_path / "found"],
        env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    found, expected = np.load(tmp_path / "found.1.npz"), all_found()
    assert found["size"] == 2
    for name in FITS:  # float64, sums in another order
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-6)
