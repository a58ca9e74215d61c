"""MLflow and ray with the real libraries, which do not belong to the test environment.

`make interop` runs this file in a virtual environment of its own.
"""

import mlflow
import numpy as np
import pytest
import ray
from joblib import parallel_config
from mlflow.models import infer_signature
from ray.util.joblib import register_ray
from sklearn.datasets import make_classification
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
