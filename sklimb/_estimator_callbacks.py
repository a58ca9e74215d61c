"""scikit-learn's own callbacks (`set_callbacks`), called by the loop."""

import numpy as np
from skorch.callbacks import Callback

from sklimb.training.callbacks import StopTraining


class EstimatorCallbacks(Callback):
    """Calls what `set_callbacks` (scikit-learn >= 1.9) put on the estimator."""

    def __init__(self, estimator, context, seen):
        self.estimator, self.context, self.seen = estimator, context, seen

    def on_train_begin(self, net, **kwargs):
        # Fitted attributes that callbacks may read.
        self.estimator.net_, self.estimator.dtype_ = net, str(net._dtype())[6:]
        self.estimator.device_ = str(net.device)
        n_members = net.module_.n_members
        self.estimator.member_weights_ = np.full(n_members, 1 / n_members)
        self.estimator.decision_factors_ = np.ones(len(self.estimator.classes_))
        self.context.max_subtasks = net.max_epochs  # known once rows are
        self.context.call_on_fit_task_begin(estimator=self.estimator, **self.seen)

    def on_epoch_begin(self, net, **kwargs):
        self.epoch_ = self.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(estimator=self.estimator, **self.seen)

    def on_epoch_end(self, net, **kwargs):
        stop = self.epoch_.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=self._fitted,
            **self.seen,
        )
        if stop:
            raise StopTraining

    def on_train_end(self, net, **kwargs):
        self.context.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=self._fitted,
            **self.seen,
        )

    def _fitted(self):
        return {k: v for k, v in vars(self.estimator).items() if k.endswith("_")}
