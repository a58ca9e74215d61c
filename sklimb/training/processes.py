"""One network trained by several processes, each with its share of a step's rows.

Each process holds all rows and draws the same batches from the same seeds. It passes
its own rows of a batch through the network; a sum over processes then completes each
gradient before the step looks at it. Since a batch's weights already hold
1 / (rows * w_bar), the sum of the shares' losses is the loss of the batch, whatever the
weights, and SAM climbs along the gradient of the whole batch.
"""

from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.distributed as dist
from torch import nn

from sklimb.nn.seeded_dropout import SeededDropout
from sklimb.training.steps import PlainStep, SAMStep

_ASKED = ContextVar("data_parallel", default=False)


def data_parallel():
    """Within it, all processes of a launch train one network together.

    Run the same script in each process, by `accelerate launch` or torchrun, and fit
    with the same rows and the same integer `random_state`: each process passes its
    share of every batch, and all end with the same classifier. Of a process group of
    torch.distributed that is initialised already, that group is used; otherwise
    accelerate (extra `distributed`) opens one and chooses each process's device. With
    one process nothing changes.

    `batch_size` is that of all processes together, so the result does not depend on
    their number, but for the order in which floats are added up.

    Returns
    -------
    context : context manager
        Within it `fit` is shared out.

    Raises
    ------
    ImportError
        There is no process group, and accelerate is not installed.
    ValueError
        In `fit`, before training: several networks (`n_members`, `portfolio`,
        `validation_folds`, a packed search), or a parameter that looks at rows across
        the batch or at the clock; no integer `random_state`; other rows or weights
        than in another process.

    Notes
    -----
    Weights, samplers, mixing, augmentation, SAM and clipping are those of the whole
    batch. So is BatchNorm: its mean and variance are taken over the rows of all
    processes, in two more sums per layer and pass, as SyncBatchNorm does. Each process
    holds and encodes all rows and validates by itself: memory and validation do not
    get smaller. Save from one process alone.

    References
    ----------
    Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017,
    section 3, on weights and momentum.

    Examples
    --------
    One process, as torchrun would start several of:

    >>> import torch.distributed as dist
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.distributed import data_parallel
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> clf = TabularMLPClassifier(n_members=1, validation_folds=None, random_state=0)
    >>> with data_parallel():
    ...     clf = clf.set_params(max_epochs=2).fit([[0.0], [1.0]] * 50, [0, 1] * 50)
    >>> dist.destroy_process_group()
    """
    if not _is_open():
        _open()
    return _asked()


@contextmanager
def _asked():
    before = _ASKED.set(True)
    try:
        yield
    finally:
        _ASKED.reset(before)


def _is_open():
    return dist.is_available() and dist.is_initialized()


def _open():
    try:
        from accelerate import PartialState  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            "data_parallel() needs a process group: install accelerate (pip install "
            "'sklimb[distributed]'), or call torch.distributed.init_process_group "
            "first."
        ) from error
    PartialState()  # by the variables that the launcher has set


@contextmanager
def shared_steps(net, rows, parameters):
    """Within it the net's steps are shared, if `data_parallel` asks for it.

    Parameters
    ----------
    net : _Net
        Prepared for a fit.
    rows : Rows
    parameters : object
        The constructor parameters, as attributes.
    """
    if not _ASKED.get() or not _is_open() or dist.get_world_size() == 1:
        yield
        return
    _check(net, parameters)
    _check_equal(net, rows)
    processes, objective = Processes(), net.criterion_
    hooks = [
        p.register_post_accumulate_grad_hook(processes.add_gradient)
        for p in net.parameters_
    ]
    norms = [(m, type(m)) for m in net.module_.modules() if type(m) in _SHARED_NORMS]
    for norm, kind in norms:
        norm.processes = processes
        norm.__class__ = _SHARED_NORMS[kind]
    objective.processes = net.processes_ = processes
    try:
        yield
    finally:
        objective.processes = net.processes_ = None
        for norm, kind in norms:
            norm.__class__ = kind
            del norm.processes
        for hook in hooks:
            hook.remove()


class Processes:
    """The processes of a fit, as the objective and the net see them.

    Attributes
    ----------
    number, rank : int
    copies : int
        In how many processes each row of the batch at hand is: 1, or all of them for a
        batch of fewer rows than processes.
    """

    def __init__(self):
        self.number, self.rank, self.copies = dist.get_world_size(), dist.get_rank(), 1

    def own(self, tensor):
        """This process's rows of (members, rows, ...)."""
        n = tensor.shape[1]
        self.copies = 1 if n >= self.number else self.number
        if self.copies > 1:
            return tensor
        begin, end = (n * (self.rank + i) // self.number for i in range(2))
        return tensor[:, begin:end]

    def own_masks(self, masks):
        """Dropout masks of this process's rows; None stays."""
        return [self.own(mask) for mask in masks] if isinstance(masks, list) else masks

    def own_rows(self, batch, weights):
        """What losses read of a batch, and weights like its own, of these rows."""
        cut = {name: self.own(batch[name]) for name in ("y", "weight", "target")}
        other = batch.get("other")
        cut["other"] = other and tuple(self.own(part) for part in other)
        return cut, [self.own(w) / self.copies for w in weights]

    @staticmethod
    def add_gradient(parameter):
        """Complete a gradient that a backward pass has filled."""
        whole = parameter.grad.contiguous()
        dist.all_reduce(whole)
        if whole is not parameter.grad:
            parameter.grad.copy_(whole)

    def agree_(self, losses, *others):
        """The sum of losses, and the first process's view of the others, in all."""
        for values in others if self.rank else ():
            values.zero_()
        for values in (losses, *others):
            dist.all_reduce(values)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over processes, and that of its gradient."""

    @staticmethod
    def forward(ctx, x):
        x = x.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, *grads):
        return _Sum.forward(ctx, grads[0])


class _Shared:
    """BatchNorm in training mode, normalising by the rows of all processes."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        number_type = torch.promote_types(x.dtype, torch.float32)
        z, dims = x.to(number_type), [0, *range(2, x.ndim)]
        column = (1, -1, *[1] * (x.ndim - 2))
        n_here = z.new_full((1,), x.numel() // x.shape[1])
        sums = _Sum.apply(torch.cat([z.sum(dims), n_here]))
        n, mean = sums[-1], sums[:-1] / sums[-1]
        z = z - mean.view(column)
        var = _Sum.apply(z.square().sum(dims)) / n
        self._keep(mean.detach(), var.detach(), n / self.processes.copies)
        z = z * (var + self.eps).rsqrt().view(column)
        if self.affine:
            z = z * self.weight.view(column) + self.bias.view(column)
        return z.to(x.dtype)

    @torch.no_grad()
    def _keep(self, mean, var, n):
        if not self.track_running_stats:
            return
        self.num_batches_tracked.add_(1)
        share = self.momentum
        if share is None:
            share = 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_((var * n / (n - 1)).to(self.running_var), share)


class _Shared1d(_Shared, nn.BatchNorm1d):
    pass


class _Shared2d(_Shared, nn.BatchNorm2d):
    pass


class _Shared3d(_Shared, nn.BatchNorm3d):
    pass


_SHARED_NORMS = {
    nn.BatchNorm1d: _Shared1d,
    nn.BatchNorm2d: _Shared2d,
    nn.BatchNorm3d: _Shared3d,
}
_ACROSS = "compares rows of a batch with each other"
_REFUSED = {
    "joint_ssl": _ACROSS,
    "m2m": _ACROSS,
    "row_weighting": "has passes of its own",
    "metabalance_sampler": "has batches of its own",
    "compile": "cannot trace sums over processes",
    "max_seconds": "may end at another epoch in each process",
    "callbacks": "would run in each process",
    "checkpoint": "would be written by each process",
}


def _check(net, p):
    """Refuse what is not the same in shares as in one process."""
    for name, reason in _REFUSED.items():
        if getattr(p, name, None):
            raise ValueError(
                f"{name} cannot be used within data_parallel(): it {reason}. Set it to "
                "its off value, or fit in one process."
            )
    if len(net.parameters_[0]) > 1:
        raise ValueError(
            "data_parallel() trains one network, and this fit has "
            f"{len(net.parameters_[0])} side by side. Set n_members=1, portfolio=None "
            "and validation_folds=None, or give each process networks of its own "
            "without data_parallel()."
        )
    if type(net.step_) not in (PlainStep, SAMStep):
        raise ValueError(
            "step cannot be used within data_parallel(): only plain steps and SAM are "
            "known to read gradients after a backward pass alone. Set step=None."
        )
    if not isinstance(p.random_state, int):
        raise ValueError(
            "data_parallel() needs an int as random_state, by which all processes draw "
            "the same rows and weights."
        )
    modules = list(net.module_.modules())
    if any(isinstance(m, SeededDropout) and m.p > 0 for m in modules):
        raise ValueError(
            "dropout cannot be used within data_parallel(): the masks of this network "
            "follow from a row's place in the batch. Set it to 0."
        )
    for module in modules:
        own = isinstance(module, nn.modules.batchnorm._NormBase)
        if own and type(module) not in _SHARED_NORMS:
            raise ValueError(
                f"{type(module).__name__} cannot be used within data_parallel(): only "
                "torch's BatchNorm is known to be the same in shares. Take another "
                "backbone."
            )


def _check_equal(net, rows):
    """Refuse other rows or initial weights than those of another process."""
    X, y = rows.X[:100].double().cpu(), rows.y.double().cpu()
    place = 1 + torch.arange(len(y)) % 97
    weights = [p.detach().double().cpu().sum() for p in net.parameters_]
    seen = [float(len(y)), (y * place).sum(), X.sum(), torch.stack(weights).sum()]
    lowest = torch.tensor([float(v) for v in seen], dtype=torch.float64)
    lowest = lowest.to(net.device)
    highest = lowest.clone()
    dist.all_reduce(lowest, dist.ReduceOp.MIN)
    dist.all_reduce(highest, dist.ReduceOp.MAX)
    if not torch.equal(lowest, highest):
        raise ValueError(
            "data_parallel() needs the same X, y and random_state in each process, "
            "which share out the rows of each step by themselves, and they differ."
        )
