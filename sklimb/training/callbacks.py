"""What happens AFTER an update or an epoch: averaging, schedules, stopping, progress.

skorch callbacks; those that define `after_update` are also called after every step.
"""

import math
import warnings

import numpy as np
import torch
from skorch.callbacks import Callback
from tqdm.auto import tqdm


class StopTraining(KeyboardInterrupt):
    """Ends the fit loop; a KeyboardInterrupt because that is what skorch listens to."""


class LearningRate(Callback):
    """Warm-up, then constant or cosine, as a factor of each group's own rate."""

    def __init__(self, schedule, warmup_epochs, max_epochs):
        self.schedule, self.warmup_epochs = schedule, warmup_epochs
        self.max_epochs = max_epochs

    def factor(self, epoch):
        """Factor in 0-based `epoch`."""
        if epoch < self.warmup_epochs:
            return (epoch + 1) / (self.warmup_epochs + 1)
        if self.schedule == "constant":
            return 1.0
        span = max(self.max_epochs - self.warmup_epochs, 1)
        return 0.5 * (1 + math.cos(math.pi * (epoch - self.warmup_epochs) / span))

    def on_train_begin(self, net, **kwargs):
        self.base_ = [group["lr"] for group in net.optimizer_.param_groups]

    def on_epoch_begin(self, net, **kwargs):
        if self.schedule == "constant" and not self.warmup_epochs:
            return  # skorch's LRScheduler may be at work
        factor = self.factor(len(net.history) - 1)
        for group, lr in zip(net.optimizer_.param_groups, self.base_, strict=True):
            group["lr"] = lr * factor


class WeightAverage(Callback):
    """Exponential moving average of the weights, used for validation and prediction.

    Early on the decay is (1 + t) / (10 + t), so that the start is forgotten.
    """

    def __init__(self, decay):
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        self.average_ = [p.detach().clone() for p in net.parameters()]
        self.n_updates_ = 0

    @torch.no_grad()
    def after_update(self, net):
        self.n_updates_ += 1
        t = self.n_updates_
        decay = min(self.decay, (1 + t) / (10 + t))
        torch._foreach_lerp_(self.average_, net.parameters(), 1 - decay)

    @torch.no_grad()
    def swap(self, net):
        """Exchange the network's weights and their average."""
        parameters = net.parameters()
        kept = [p.detach().clone() for p in parameters]
        torch._foreach_copy_(parameters, self.average_)
        torch._foreach_copy_(self.average_, kept)


class KeepBest(Callback):
    """Each member's best weights so far, and the end when no member gets better.

    Without a validation score the weights of the last finite epoch are kept. A member
    whose loss or weights become NaN or infinite stops and keeps what it had.

    Parameters
    ----------
    patience : int or None
        Epochs without a better score after which a member is done; None never stops.
    greater_is_better : bool
        Sign of the score.
    """

    def __init__(self, patience, greater_is_better=False):
        self.patience, self.greater_is_better = patience, greater_is_better

    def on_train_begin(self, net, **kwargs):
        parameters = net.parameters()
        n_members = len(parameters[0])
        self.weights_ = [p.detach().clone() for p in parameters]
        self.best_epoch_ = np.zeros(n_members, dtype=int)
        self.best_score_ = np.full(n_members, np.nan)
        self.failed_epoch_ = np.zeros(n_members, dtype=int)
        self.done_ = np.zeros(n_members, dtype=bool)

    @torch.no_grad()
    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        epoch = len(net.history)
        parameters = net.parameters()
        finite = np.isfinite(row["train_loss_members"]) & net.finite_members()
        self.failed_epoch_[~finite & ~self.done_] = epoch
        self.done_ |= ~finite
        better = ~self.done_
        scores = row.get("valid_score_members") if self.patience else None
        if scores is not None:
            scores = np.asarray(scores)
            sign = 1 if self.greater_is_better else -1
            best = np.where(
                np.isnan(self.best_score_), -np.inf, sign * self.best_score_
            )
            better &= sign * scores > best
            self.best_score_[better] = scores[better]
        self.best_epoch_[better] = epoch
        if better.all():
            torch._foreach_copy_(self.weights_, parameters)
        elif better.any():
            for k in np.flatnonzero(better):
                for kept, p in zip(self.weights_, parameters, strict=True):
                    kept[k].copy_(p[k])
        if scores is not None:
            self.done_ |= epoch - self.best_epoch_ >= self.patience
        if self.done_.all():
            raise StopTraining

    @torch.no_grad()
    def restore(self, net):
        """Put the kept weights into the network; say what went wrong, if anything did.

        Before the end of the first epoch the weights stay as they are.

        Raises
        ------
        ValueError
            A member's loss was not finite in its first epoch: nothing was learned, and
            the weights are those before training.
        """
        failed = self.failed_epoch_ > 0
        if not failed.any() and not self.best_epoch_.any():
            return
        torch._foreach_copy_(net.parameters(), self.weights_)
        for k in np.flatnonzero(failed):
            what = f"The loss became NaN or infinite in epoch {self.failed_epoch_[k]}"
            if len(failed) > 1:
                what += f" of member {k}"
            do = "Lower lr, or set clip_norm=1.0"
            if self.best_epoch_[k] == 0:
                raise ValueError(f"{what}, before anything was learned. {do}.")
            warnings.warn(
                f"{what}: training stopped and the weights of epoch "
                f"{self.best_epoch_[k]} are kept. {do}.",
                RuntimeWarning,
                stacklevel=2,
            )


class Progress(Callback):
    """One tqdm bar over the epochs: loss, validation score, time left."""

    def on_train_begin(self, net, **kwargs):
        self.bar_ = tqdm(total=net.max_epochs, desc="epochs", unit="epoch")

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        shown = {"loss": f"{row['train_loss']:.4g}"}
        if "valid_score" in row:
            shown["valid"] = f"{row['valid_score']:.4g}"
        self.bar_.set_postfix(shown, refresh=False)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        self.bar_.close()
        del self.bar_


class EstimatorCallbacks(Callback):
    """Calls what `set_callbacks` (scikit-learn >= 1.9) put on the estimator."""

    def __init__(self, estimator, context, seen):
        self.estimator, self.context, self.seen = estimator, context, seen

    def on_train_begin(self, net, **kwargs):
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
