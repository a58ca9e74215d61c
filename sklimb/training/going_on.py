"""The state of a training, kept while it runs, from which a later one goes on.

All random numbers come from streams of seed and epoch, and the batches of an epoch that
was begun are made again without a step: a training that goes on gives the bits of one
that was never stopped. Members that are done stay in the pack, unlike otherwise.
"""

import time

import torch
from skorch.callbacks import Callback

from sklimb.training.callbacks import KeepBest, RateByStep

# Of KeepBest.
_ARRAYS = ("best_epoch_", "best_score_", "failed_epoch_", "last_epoch_", "done_")


class GoingOn(Callback):
    """Keeps the state every few seconds, and goes on from that of an earlier training.

    Comes after KeepBest, so that an epoch that has ended is kept with its weights.

    Parameters
    ----------
    checkpoint : object
        `state`, (tensors, header) or None, and `keep(state)`.
    seconds : float
        Between two states.
    """

    def __init__(self, checkpoint, seconds):
        self.checkpoint, self.seconds = checkpoint, seconds

    def on_train_begin(self, net, **kwargs):
        self.best_ = next(cb for _, cb in net.callbacks_ if isinstance(cb, KeepBest))
        self.best_.leaving = 1.0
        if hasattr(net.step_, "state_dict"):
            raise ValueError(
                "checkpoint cannot be combined with a step that has a state of its "
                "own. Set step=None or checkpoint=None."
            )
        net.going_on_, self.n_steps_, self.total_ = self, 0, None
        if self.checkpoint.state is not None:
            self._restore(net, *self.checkpoint.state)
        self.kept_ = time.monotonic()

    def on_epoch_end(self, net, **kwargs):
        self._keep(net, len(net.history), 0, None)

    def begin(self, net, total):
        """Steps of this epoch that were made before, whose losses are put in total."""
        n_steps, self.n_steps_ = self.n_steps_, 0
        if n_steps:
            total.copy_(self.total_)
            for callback in net.updates_:
                if isinstance(callback, RateByStep):
                    callback.go_on(net, n_steps)
        return n_steps

    def after_step(self, net, n_steps, total):
        """Keep the state, if the last one is old."""
        if time.monotonic() - self.kept_ >= self.seconds:
            self._keep(net, len(net.history) - 1, n_steps, total)

    def _keep(self, net, n_epochs, n_steps, total):
        tensors = _tensors(net, self.best_)
        tensors |= {
            f"moment.{i}.{name}": value
            for i, p in enumerate(net.parameters_)
            for name, value in net.optimizer_.state[p].items()
        }
        if total is not None:
            tensors["total"] = total
        # A copy of each: a file holds no tensor twice.
        tensors = {k: t.detach().cpu().contiguous().clone() for k, t in tensors.items()}
        for name in _ARRAYS:
            tensors[name] = torch.from_numpy(getattr(self.best_, name).copy())
        rows = [
            {k: v for k, v in row.items() if k != "batches"}
            for row in net.history.to_list()[:n_epochs]
        ]
        self.checkpoint.keep((tensors, {"history": rows, "n_steps": n_steps}))
        self.kept_ = time.monotonic()

    @torch.no_grad()
    def _restore(self, net, tensors, header):
        for name, tensor in _tensors(net, self.best_).items():
            tensor.copy_(tensors[name])
        for i, p in enumerate(net.parameters_):
            prefix = f"moment.{i}."
            net.optimizer_.state[p] = {
                name.removeprefix(prefix): _like(p, value)
                for name, value in tensors.items()
                if name.startswith(prefix)
            }
        for name in _ARRAYS:
            getattr(self.best_, name)[:] = tensors[name].numpy()
        rows = header["history"]
        net.history.extend({**row, "batches": []} for row in rows)
        self.best_.n_epochs_ = net.batches_.epoch = len(rows)
        net.max_epochs = max(0, net.max_epochs - len(rows))
        self.n_steps_, self.total_ = header["n_steps"], tensors.get("total")


def _tensors(net, best):
    own = {f"network.{k}": t for k, t in net.module_.state_dict().items()}
    return own | {f"best.{i}": t for i, t in enumerate(best.weights_)}


def _like(p, tensor):
    """A moment in the memory layout of its parameter, which fused steps need."""
    if tensor.shape != p.shape:
        return tensor.to(p.device)
    return torch.empty_like(p, dtype=tensor.dtype).copy_(tensor)
