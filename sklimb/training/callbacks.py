"""Callbacks after updates and epochs: averaging, schedules, stopping, progress.

skorch callbacks; those that define `after_update` are also called after every step.
"""

import math
import time
import warnings

import numpy as np
import torch
from skorch.callbacks import Callback

from sklimb._progress import finish, progress_bar
from sklimb.training.device import to_device


class StopTraining(KeyboardInterrupt):
    """Ends the fit loop; a KeyboardInterrupt because skorch catches that."""


# The cosine of many rows in few epochs: not in `lr_schedule`, "auto" stands for it.
BY_STEP = "cosine by step"


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

    def take_(self, members):
        """Keep only the rates of the given members."""
        self.base_ = [
            lr[members] if isinstance(lr, torch.Tensor) else lr for lr in self.base_
        ]

    def on_epoch_begin(self, net, **kwargs):
        if self.schedule == "constant" and not self.warmup_epochs:
            return  # skorch's LRScheduler may set the rate
        self._set(net, self.factor(len(net.history) - 1))

    def _set(self, net, factor):
        for group, lr in zip(net.optimizer_.param_groups, self.base_, strict=True):
            group["lr"] = lr * factor


class RateByStep(LearningRate):
    """`LearningRate` whose factor changes with each step, as few epochs need."""

    def on_epoch_begin(self, net, **kwargs):
        self.step_, self.epoch_ = 0, len(net.history) - 1
        self._set(net, self.factor(self.epoch_))

    def after_update(self, net):
        """Set the rate of the next step."""
        self.go_on(net, self.step_ + 1)

    def go_on(self, net, n_steps):
        """Set the rate after so many steps of the epoch."""
        self.step_ = n_steps
        self._set(net, self.factor(self.epoch_ + n_steps / len(net.batches_)))


class Deferred(Callback):
    """Other draws or weights from an epoch on (deferred re-weighting, re-sampling).

    Cao et al., 2019. Weights that were kept before are dropped: they were trained with
    other class shares.

    Parameters
    ----------
    batches : Batches
    log_shift : tensor or None
        `log_shift` of the objective from then on.
    first : int
        0-based epoch.
    keep : KeepBest
    """

    def __init__(self, batches, log_shift, first, keep):
        self.batches, self.log_shift, self.first = batches, log_shift, first
        self.keep, self.late = keep, False
        keep.first_epoch = first + 1

    def take_(self, members):
        """Keep only what belongs to the given members."""
        if self.late:
            return
        self.batches.take_(members)
        if self.log_shift is not None and self.log_shift.ndim == 3:
            self.log_shift = self.log_shift[members]

    def on_epoch_begin(self, net, **kwargs):
        if self.late or len(net.history) - 1 < self.first:
            return
        self.late = True
        self.batches.epoch = net.batches_.epoch
        net.batches_, net.criterion_.log_shift = self.batches, self.log_shift


class WeightAverage(Callback):
    """Exponential moving average of the weights, used for validation and prediction.

    Early on the decay is (1 + t) / (10 + t), so that the first weights count little.
    Buffers such as BatchNorm's running statistics are averaged as the weights are;
    whole numbers, such as its count of batches, are those of the last update.
    """

    def __init__(self, decay):
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        buffers = [
            t
            for t in net.module_.member_tensors()
            if not isinstance(t, torch.nn.Parameter) and t.is_floating_point()
        ]
        # Updates change these tensors in place, and so do members that leave.
        self.averaged_ = [*net.parameters(), *buffers]
        self.average_ = [t.detach().clone() for t in self.averaged_]
        self.n_updates_ = np.zeros(len(self.average_[0]))

    def take_(self, members):
        """Keep only the averages of the given members."""
        self.average_ = [a[members] for a in self.average_]
        self.n_updates_ = self.n_updates_[members]

    @torch.no_grad()
    def after_update(self, net):
        updated = np.ones(len(self.n_updates_), dtype=bool)
        if net.optimizer_.active is not None:
            updated = np.array(net.optimizer_.active)
        self.n_updates_ += updated
        t = self.n_updates_
        step = np.where(updated, 1 - np.minimum(self.decay, (1 + t) / (10 + t)), 0.0)
        if (step == step[0]).all():
            torch._foreach_lerp_(self.average_, self.averaged_, float(step[0]))
            return
        for average, t in zip(self.average_, self.averaged_, strict=True):
            own = to_device(torch.tensor(step, dtype=t.dtype), t.device)
            average.lerp_(t, own.view(-1, *[1] * (t.ndim - 1)))

    @torch.no_grad()
    def swap(self, net):
        """Exchange the network's weights and buffers and their average."""
        kept = [t.detach().clone() for t in self.averaged_]
        torch._foreach_copy_(self.averaged_, self.average_)
        torch._foreach_copy_(self.average_, kept)


class KeepBest(Callback):
    """Each member's best weights so far, and the end when no member improves.

    Without a validation score the weights of the last finite epoch are kept. A member
    whose loss, score or weights become NaN or infinite stops and keeps what it had.
    Members that are done leave the pack. `n_epochs_` counts the epochs that ended: of
    one that is interrupted nothing is kept.

    Parameters
    ----------
    patience : int or None
        Epochs without a better score after which a member is done; None never stops.
    greater_is_better : bool
        Sign of the score.
    drop : callable or None
        (epoch, best scores, which are done) -> which other members end here too.
    compared : BestScores or None
        Scores that `drop` gets instead of the best ones by the monitor.
    leaving : float
        Share of the members here that must be done for them to leave.
    """

    def __init__(
        self,
        patience,
        greater_is_better=False,
        drop=None,
        compared=None,
        leaving=1 / 16,
    ):
        self.patience, self.greater_is_better = patience, greater_is_better
        self.drop, self.compared, self.first_epoch = drop, compared, 1
        self.leaving = leaving

    def on_train_begin(self, net, **kwargs):
        self.weights_ = [t.detach().clone() for t in net.module_.member_tensors()]
        n_members = len(self.weights_[0])
        self.best_epoch_ = np.zeros(n_members, dtype=int)
        self.best_score_ = np.full(n_members, np.nan)
        self.failed_epoch_ = np.zeros(n_members, dtype=int)
        self.last_epoch_ = np.zeros(n_members, dtype=int)
        self.done_ = np.zeros(n_members, dtype=bool)
        self.n_epochs_ = 0

    @torch.no_grad()
    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        epoch = len(net.history)
        finite = np.ones(len(self.done_), dtype=bool)
        losses = np.array(row["train_loss_members"])[net.members_]
        finite[net.members_] = np.isfinite(losses) & net.finite_members()
        scores = row.get("valid_score_members")
        if scores is not None:
            scores = np.asarray(scores)
            finite[net.members_] &= ~np.isnan(scores[net.members_])
        better = ~self.done_ & finite
        if not self.patience:
            scores = None
        if epoch <= self.first_epoch:  # no score yet that counts
            self.best_score_[:] = np.nan
        if scores is not None:
            sign = 1 if self.greater_is_better else -1
            best = np.where(
                np.isnan(self.best_score_), -np.inf, sign * self.best_score_
            )
            better &= sign * scores > best
        # Ctrl-C may come at any line: what is told of the weights follows them.
        self._copy(net, better)
        if scores is not None:
            self.best_score_[better] = scores[better]
        self.best_epoch_[better] = epoch
        self.n_epochs_ = epoch
        self.last_epoch_[~self.done_] = epoch
        self.failed_epoch_[~finite & ~self.done_] = epoch
        self.done_ |= ~finite
        if scores is not None and epoch >= self.first_epoch:
            self.done_ |= epoch - self.best_epoch_ >= self.patience
        if self.drop is not None:
            best = self.best_score_
            if self.compared is not None:
                here = better[net.members_]
                self.compared.keep(net.members_[here], net.evaluated_[here])
                best = self.compared
            self.done_ |= self.drop(epoch, best, self.done_)
        if self.done_.all():
            raise StopTraining
        here = np.flatnonzero(~self.done_[net.members_])
        # To leave costs a copy of the weights, to stay a member's part of each epoch.
        n_gone = len(net.members_) - len(here)
        if n_gone > int(self.leaving * len(net.members_)):
            net.compact_(here)

    def _copy(self, net, better):
        tensors = net.module_.member_tensors()
        if better.all():  # then no member has left
            torch._foreach_copy_(self.weights_, tensors)
            return
        here = np.flatnonzero(better[net.members_])
        if not len(here):
            return
        index = torch.as_tensor(here, device=tensors[0].device)
        whole = torch.as_tensor(net.members_[here], device=tensors[0].device)
        for kept, tensor in zip(self.weights_, tensors, strict=True):
            kept[whole] = tensor[index]

    @torch.no_grad()
    def restore(self, net):
        """Put the kept weights of all members into the network.

        Before the end of the first epoch the weights stay as they are.
        """
        net.expand_()
        if self.best_epoch_.any():
            torch._foreach_copy_(net.module_.member_tensors(), self.weights_)

    def check(self, members):
        """Raise or warn if the loss of any of the given members was not finite.

        Raises
        ------
        ValueError
            A member's loss was not finite in its first epoch: nothing was learned, and
            the weights are those before training.
        """
        failed = [k for k in members if self.failed_epoch_[k]]
        if not failed:
            return
        lost = [k for k in failed if self.best_epoch_[k] == 0]
        k = (lost or failed)[0]
        what = f"The loss became NaN or infinite in epoch {self.failed_epoch_[k]}"
        if len(members) > 1:
            what += f" of member {k - members[0]}"
        do = "Lower lr, or set clip_norm=1.0"
        if lost:
            raise ValueError(f"{what}, before anything was learned. {do}.")
        if len(failed) > 1:
            what += f" (and of {len(failed) - 1} others)"
        warnings.warn(
            f"{what}: training stopped and the weights of epoch "
            f"{self.best_epoch_[k]} are kept. {do}.",
            RuntimeWarning,
            stacklevel=2,
        )


class Clock(Callback):
    """The end of training after the epoch in which its time is up.

    Comes after KeepBest, so that the epoch counts.

    Parameters
    ----------
    until : float
        As `time.perf_counter` tells it.
    """

    def __init__(self, until):
        self.until = until

    def on_epoch_end(self, net, **kwargs):
        if time.perf_counter() >= self.until:
            raise StopTraining


class EpochBar(Callback):
    """One tqdm bar over the epochs: loss, validation score, time left."""

    def on_train_begin(self, net, **kwargs):
        self.bar_ = progress_bar(total=net.max_epochs, desc="epochs", unit="epoch")

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        shown = {"loss": f"{row['train_loss']:.4g}"}
        if "valid_score" in row:
            shown["valid"] = f"{row['valid_score']:.4g}"
        self.bar_.set_postfix(shown, refresh=False)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        if net.interrupted_:
            self.bar_.close()
        else:  # early stopping is no failure
            finish(self.bar_)
        del self.bar_
