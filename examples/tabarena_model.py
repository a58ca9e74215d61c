"""sklimb as a model of AutoGluon, and so of TabArena.

What it shows: `SklimbModel` implements AutoGluon's `AbstractModel`. It trains on the
rows that it is given, stops early on the validation rows that it is given, ends within
the time limit, and uses as many threads and GPUs as it may. Without validation rows it
takes folds.

`make demo` runs nothing of it: sklimb does not need AutoGluon. Where it is installed
(`pip install autogluon.tabular`):

    from autogluon.tabular import TabularPredictor
    from tabarena_model import SklimbModel

    predictor = TabularPredictor(label="target").fit(
        train_data, hyperparameters={SklimbModel: {}}, time_limit=600
    )

In TabArena give `SklimbModel` where a benchmark asks for a model class; its
hyperparameters are the parameters of `TabularMLPClassifier`.
"""

from contextlib import contextmanager
from time import perf_counter

import torch
from autogluon.core.models import AbstractModel

from sklimb import TabularMLPClassifier

# The share of the time limit that training may take: the rest is for reading the rows
# before, and for the output bias and the last epoch after it.
SHARE = 0.9


class SklimbModel(AbstractModel):
    """`TabularMLPClassifier` behind AutoGluon's interface."""

    ag_key = "SKLIMB"
    ag_name = "Sklimb"
    seed_name = "random_state"

    def _fit(
        self,
        X,
        y,
        X_val=None,
        y_val=None,
        time_limit=None,
        num_cpus=1,
        num_gpus=0,
        sample_weight=None,
        sample_weight_val=None,
        **kwargs,
    ):
        begin = perf_counter()
        X = self.preprocess(X, is_train=True)
        params = {**self._get_model_params()}
        params["device"] = "cuda" if num_gpus else "cpu"
        rows = {}
        if X_val is None:
            params.setdefault("validation_folds", "auto")
        else:
            rows = {
                "X_val": self.preprocess(X_val),
                "y_val": y_val,
                "sample_weight_val": sample_weight_val,
            }
        if time_limit is not None:
            left = SHARE * time_limit - (perf_counter() - begin)
            params["max_seconds"] = max(left, 1e-3)
        clf = TabularMLPClassifier(**params)
        with threads(num_cpus):
            self.model = clf.fit(X, y, sample_weight=sample_weight, **rows)

    def _set_default_params(self):
        for name, value in {"n_members": "auto", "random_state": 0}.items():
            self._set_default_param_value(name, value)

    @classmethod
    def supported_problem_types(cls):
        return ["binary", "multiclass"]

    def _get_default_auxiliary_params(self):
        # Text and dates are no columns that the network can learn from.
        types = {"valid_raw_types": ["bool", "int", "float", "category"]}
        return {**super()._get_default_auxiliary_params(), **types}


@contextmanager
def threads(n):
    """Let torch use `n` threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    if isinstance(n, int) and n > 0:  # "auto" leaves it to torch
        torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
