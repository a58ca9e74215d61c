"""The training loop: skorch's net with packed batches and one host read per epoch."""

import copy
import time
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping

from sklimb._threads import in_threads
from sklimb.training.batches import Rows
from sklimb.training.callbacks import StopTraining
from sklimb.training.device import block_rows, padded_blocks, to_device
from sklimb.training.given_callbacks import BestSoFar, hide_members, reads_labels
from sklimb.training.optimizers import DROP_EVERY
from sklimb.training.steps import clip_gradients

# Most rows of a validation block, members times rows: what stays in the caches.
_PANEL_ROWS = 1024
# Blocks that a thread takes at once: 16 take some 30 ms.
_BLOCKS_PER_PART = 16
_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class _Net(ClassifierMixin, NeuralNet):
    """The one skorch net. `module` is the packed model, `criterion` the Objective.

    Skorch and callbacks get averages over members; the hooks of a training batch get
    the rows of the first member. Per-member values are in the history under names that
    end in `_members`.
    """

    def prepare(self, batches, step, monitor, average=None, clip_norm=None):
        """Set the batches, step and monitor of a fit; called after `initialize`."""
        self.batches_, self.step_, self.monitor_ = batches, step, monitor
        self.average_, self.clip_norm_ = average, clip_norm
        self.parameters_ = [p for p in self.module_.parameters() if p.requires_grad]
        if self.criterion_.term is not None:
            self.parameters_ += list(self.criterion_.term.parameters())
        # Which members are still here, and the module as it was with all of them.
        self.members_ = np.arange(len(self.parameters_[0]))
        self.n_all_, self.whole_ = len(self.members_), None
        given = [cb for _, cb in self.callbacks_]
        self.hooks_ = {
            name: [
                cb
                for cb in given
                if getattr(type(cb), name, None) is not getattr(Callback, name)
            ]
            for name in _BATCH_HOOKS
        }
        self.has_batch_hooks_ = any(self.hooks_.values())
        self.updates_ = [cb for cb in given if hasattr(cb, "after_update")]
        self.interrupted_ = False
        return self

    def show(self, callbacks, labels):
        """Let the user's callbacks see what skorch's own loop would show them.

        Called after `prepare`. A fit without such callbacks records and shows nothing.

        Parameters
        ----------
        callbacks : list
        labels : array of shape (n_classes,)
        """
        if not callbacks:
            return
        hide_members([cb for _, cb in self.callbacks_])
        better = self.monitor_ is not None and self.monitor_.greater_is_better
        self.labels_, self.best_so_far_ = labels, BestSoFar(better)

    @contextmanager
    def _shown_to(self, callback):
        """Within it `classes_` and `predict` are what a callback is to see."""
        self.shown_ = self.labels_ if reads_labels(callback) else None
        try:
            yield
        finally:
            self.shown_ = None

    def _seen_by(self, callback, batch):
        """(X, y) as a callback is to see it."""
        X, y = batch
        if self.labels_ is None or not reads_labels(callback):
            return batch
        return X, self.labels_[y.cpu().numpy()]

    @torch.no_grad()
    def compact_(self, positions):
        """Keep only the members at `positions` of those that are here."""
        if self.whole_ is None:
            # In a list, because skorch would register a module as its own.
            self.whole_ = [copy.deepcopy(self.module_)]
        parts = [self.module_, self.criterion_, self.optimizer_, self.batches_]
        parts += [self.step_] + [cb for _, cb in self.callbacks_]
        if self.monitor_ is not None:
            parts.append(self.monitor_.panel)
        for part in parts:
            if hasattr(part, "take_"):
                part.take_(positions)
        self.members_ = self.members_[positions]

    @torch.no_grad()
    def expand_(self):
        """Room for all members again; their weights are set by KeepBest."""
        if self.whole_ is None:
            return
        pairs = zip(self.module_.modules(), self.whole_[0].modules(), strict=True)
        for here, whole in pairs:
            for name, p in whole.named_parameters(recurse=False):
                getattr(here, name).data = p.data
            for name, buffer in whole.named_buffers(recurse=False):
                setattr(here, name, buffer)
        self.module_.n_members = self.n_all_
        self.whole_, self.members_ = None, np.arange(self.n_all_)

    def release(self):
        """Drop the training rows and tools: a fitted net keeps only what predicts.

        From here on no method writes to it, so any number of threads may predict.
        """
        self.module, self.criterion = type(self.module_), type(self.criterion_)
        self.train_split, self.callbacks, self.callbacks_ = None, None, []
        for name in ("batches_", "step_", "average_", "hooks_", "updates_", "whole_"):
            setattr(self, name, None)
        self.evaluated_ = self.labels_ = self.best_so_far_ = self.going_on_ = None
        for p in self.module_.parameters():
            p.grad = None
        self.criterion_.term = self.criterion_.compiled = None
        self.parameters_, self.monitor_, self.optimizer_ = None, None, None
        self._set_training(False)
        return self

    # What shares the rows of each step with other processes, see processes.py.
    processes_ = None
    # Of the user's callbacks: labels, what they are shown of these, best epochs so far.
    labels_ = shown_ = best_so_far_ = None
    # What keeps the state of training, from which a later fit goes on.
    going_on_ = None

    @property
    def _default_callbacks(self):
        return []

    @property
    def classes_(self):
        return np.arange(self.n_classes) if self.shown_ is None else self.shown_

    def parameters(self):
        """The trained parameters, each with a leading member axis."""
        return self.parameters_

    def notify(self, method_name, **cb_kwargs):
        getattr(self, method_name)(self, **cb_kwargs)
        stopped = None
        for _, callback in self.callbacks_:
            try:
                with self._shown_to(callback):
                    getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt as stop:
                # skorch's own early stopping raises KeyboardInterrupt, like Ctrl-C. Its
                # epoch has ended: KeepBest, which comes later, keeps the weights.
                if not isinstance(callback, EarlyStopping):
                    raise
                stopped = stop
        if stopped is not None:
            raise StopTraining from stopped

    def fit_loop(self, X, y=None, epochs=None, **kwargs):
        try:
            return super().fit_loop(X, y, epochs, **kwargs)
        except StopTraining:
            raise
        except KeyboardInterrupt:
            self.interrupted_ = True
            raise

    def get_dataset(self, X, y=None):
        if isinstance(X, Rows):
            return X
        X = torch.as_tensor(np.asarray(X), dtype=self._dtype(), device=self.device)
        y = torch.zeros(len(X), dtype=torch.long) if y is None else torch.as_tensor(y)
        return Rows(X, y.to(self.device), torch.ones(len(X), device=self.device))

    def _dtype(self):
        return next(self.module_.parameters()).dtype

    def get_iterator(self, dataset, training=False):
        if training:
            return self.batches_
        size = self._block_rows()
        return list(zip(dataset.X.split(size), dataset.y.split(size), strict=True))

    def _block_rows(self, row_work=None):
        """Rows per block, by the work per row (None: that of the network)."""
        module = self.module_
        row_work = module.row_work if row_work is None else row_work
        rows = block_rows(torch.device(self.device).type, row_work)
        return min(rows, module.block_rows or rows)

    def train_step_single(self, batch, **fit_params):
        """Fill the gradients of one batch; {"loss": detached loss of each member}."""
        for p in self.parameters_:
            p.grad = None
        if self.criterion_.compiled is not None:
            self.criterion_.compiled.start_step()
        loss = self.step_(self.criterion_, batch)
        if self.clip_norm_ is not None:
            clip_gradients(self.parameters_, self.clip_norm_)
        return {"loss": loss}

    def train_step(self, batch, **fit_params):
        step = self.train_step_single(batch, **fit_params)
        if self.hooks_["on_grad_computed"]:
            named = list(self.module_.named_parameters())
            for callback in self.hooks_["on_grad_computed"]:
                callback.on_grad_computed(self, named, batch=batch, training=True)
        self.optimizer_.active = batch["active"]
        self.optimizer_.step()
        for callback in self.updates_:
            callback.after_update(self)
        return step

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One epoch of training, or of validation; validation reads the device once."""
        if not training:
            self._end_epoch(self._evaluate(iterator))
            return
        self._set_training(True)
        self.epoch_start_ = time.perf_counter()
        if self.average_ is not None and len(self.history) > 1:
            self.average_.swap(self)
        take_step = self._step_with_hooks if self.has_batch_hooks_ else step_fn
        # One buffer: a list of losses would sit between the blocks that each step
        # frees, and the heap would grow by 100 MB per epoch.
        n_members = len(self.parameters_[0])
        total = torch.zeros(n_members, dtype=torch.float64, device=self.device)
        going_on = self.going_on_
        done = 0 if going_on is None else going_on.begin(self, total)
        # Not `iterator`, which skorch made once: `Deferred` may have replaced them.
        for i, batch in enumerate(self.batches_, 1):
            if i <= done:  # made, so that what is random later is as it was
                continue
            total += take_step(batch)["loss"]
            if i % DROP_EVERY == 0:
                self.optimizer_.drop_tiny()
            if going_on is not None:
                going_on.after_step(self, i, total)
        self.optimizer_.drop_tiny()
        steps = to_device(torch.tensor(self.batches_.n_steps), self.device)
        self.epoch_losses_ = total / steps

    def _step_with_hooks(self, batch):
        """A step for callbacks that read batches: (X, y) of the first member."""
        seen = (batch["X"][0], batch["y"][0])
        self.history.new_batch()
        for callback in self.hooks_["on_batch_begin"]:
            shown = self._seen_by(callback, seen)
            callback.on_batch_begin(self, batch=shown, training=True)
        step = self.train_step(batch)
        loss = step["loss"]
        self.history.record_batch("train_loss", loss.mean().item())
        self.history.record_batch("train_batch_size", len(seen[0]))
        for callback in self.hooks_["on_batch_end"]:
            y_pred = self.evaluation_step(seen)
            with self._shown_to(callback):
                callback.on_batch_end(
                    self,
                    batch=self._seen_by(callback, seen),
                    training=True,
                    loss=loss.mean(),
                    y_pred=y_pred,
                )
        return step

    @torch.no_grad()
    def _evaluate(self, iterator):
        """Monitor's value of each member on the validation rows, on the device."""
        if self.average_ is not None:
            self.average_.swap(self)
        if iterator is None or self.monitor_ is None:
            return None
        for batch in iterator if self.hooks_["on_batch_end"] else ():
            step = self.validation_step(batch)
            self.history.new_batch()
            self.history.record_batch("valid_loss", step["loss"].item())
            self.history.record_batch("valid_batch_size", len(batch[1]))
            for callback in self.hooks_["on_batch_end"]:
                shown = self._seen_by(callback, batch)
                with self._shown_to(callback):
                    callback.on_batch_end(self, batch=shown, training=False, **step)
        panel = self.monitor_.panel
        size = max(64, _PANEL_ROWS // len(self.members_))
        size = min(size, self._block_rows(0))
        self._set_training(False)
        parts = [self._log_probability(x)[:, :n] for _, n, x in panel.blocks(size)]
        self.evaluated_ = torch.cat(parts, 1)
        return self.monitor_(self.evaluated_)

    def _end_epoch(self, score):
        """All results of an epoch that the host needs, in one transfer."""
        finite = torch.stack(
            [p.flatten(1).isfinite().all(1) for p in self.parameters_]
        ).all(0)
        read = [self.epoch_losses_, finite.double()]
        if self.processes_ is not None and score is not None:
            score = torch.as_tensor(score, device=self.epoch_losses_.device)
        if isinstance(score, torch.Tensor):
            read.append(score.double())
        if self.processes_ is not None:
            self.processes_.agree_(*read)
        read = torch.stack(read).cpu().numpy()
        self.finite_ = read[1] > 0
        record = self.history.record
        record("train_loss_members", self._of_all(read[0]))
        record("train_loss", float(read[0].mean()))
        if score is not None:
            score = read[2] if isinstance(score, torch.Tensor) else score
            record("valid_score_members", self._of_all(score))
            record("valid_score", float(np.mean(score)))
            if self.monitor_.name == "loss":
                record("valid_loss", float(np.mean(score)))
        record("dur", time.perf_counter() - self.epoch_start_)
        if self.best_so_far_ is not None:
            n_valid = 0 if score is None else len(self.monitor_.panel.sets[0])
            n_train = self.batches_.batch_size
            self.best_so_far_.record(self.history, n_train, n_valid)

    def _of_all(self, values):
        """One value per member, NaN for those that have left."""
        out = np.full(self.n_all_, np.nan)
        out[self.members_] = values
        return out.tolist()

    def finite_members(self):
        """Which of the members that are here have only finite weights."""
        return self.finite_

    def validation_step(self, batch, **fit_params):
        y_pred = self.evaluation_step(batch)
        y = batch[1].to(y_pred.device)
        loss = -y_pred.clamp_min(1e-300).log().gather(1, y.unsqueeze(1)).mean()
        return {"loss": loss, "y_pred": y_pred}

    @torch.no_grad()
    def evaluation_step(self, batch, training=False):
        """Probabilities (rows, classes) of (X, y), averaged over members."""
        return self.blocks_log_probability(batch[0]).exp().mean(0)

    @torch.no_grad()
    def _blocks(self, X, function):
        """`function` of every padded block, cut to the rows that are real."""
        # A released net predicts in many threads and is not changed.
        if self.module_.training:
            with self._predicting():
                return self._blocks(X, function)
        device, size = torch.device(self.device), self._block_rows()

        def blocks_of(part):
            found = [
                function(block.to(device))[:, :n]
                for _, n, block in padded_blocks(part.unsqueeze(0), size)
            ]
            return found[0] if len(found) == 1 else torch.cat(found, 1)

        short = device.type == "cpu" and getattr(self.module_, "short_products", False)
        if not short or len(X) <= size * _BLOCKS_PER_PART:
            return blocks_of(X)
        return torch.cat(in_threads(blocks_of, X.split(size * _BLOCKS_PER_PART)), 1)

    @contextmanager
    def _predicting(self):
        """For callbacks that use predictions in the middle of an epoch."""
        self._set_training(False)
        try:
            yield
        finally:
            self._set_training(True)

    def blocks_log_probability(self, X):
        """log P of each member, (K, rows, classes), float64."""
        return self._blocks(X, self._log_probability)

    def blocks_logits(self, X):
        """Outputs of each member's network, (K, rows, classes)."""
        return self._blocks(X, self.module_)

    def _log_probability(self, block):
        return self.criterion_.log_probability(self.module_(block))

    def blocks_embed(self, X):
        """Penultimate features of each member, (K, rows, d_block)."""
        return self._blocks(X, self.module_.embed)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]
