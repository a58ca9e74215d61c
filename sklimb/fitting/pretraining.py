"""The self-supervised loop that trains a network before it is given labels.

Members are trained side by side, each with its own views, shuffles, masks and stopping.
The last layer, which is named "head", is not trained. Running statistics are those of
the views, because clean rows do not pass through the network.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from sklimb._random import stream_seed
from sklimb.fitting.pretraining_state import from_state, to_state
from sklimb.inputs.on_disk import take_rows
from sklimb.training.batches import Batches, Draw
from sklimb.training.device import fits
from sklimb.training.moco import make_pretraining_term
from sklimb.training.optimizers import DROP_EVERY, PackedAdamW
from sklimb.training.samplers import UniformOrder, WeightedOrder
from sklimb.training.terms import JointTerm, n_views
from sklimb.training.views.columns import Pool


@dataclass(frozen=True)
class Schedule:
    """Settings of pre-training.

    Attributes
    ----------
    term : VICReg, SimCLR, SCARF, Rotation, MoCo or alike
    max_epochs, batch_size : int
    lr, weight_decay : float
    validation_fraction : float
    n_iter_no_change : int
    """

    term: object
    max_epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    validation_fraction: float
    n_iter_no_change: int


@dataclass
class Pretraining:
    """Results of pre-training.

    Attributes
    ----------
    term : JointTerm
        The projectors, for a later call that continues.
    best_epoch, best_score : arrays of shape (K,)
        Epoch whose weights each member keeps, and its loss on the held-out rows.
    history : list of dict
        "train_loss" and "valid_loss" of each epoch, one value per member.
    interrupted : bool
    """

    term: JointTerm
    best_epoch: np.ndarray
    best_score: np.ndarray
    history: list = field(default_factory=list)
    interrupted: bool = False


def held_out_rows(n_rows, fraction):
    """Mask of the held-out rows, which lie at equal distances.

    Rows are in the order of their hashes, which is independent of their values, so no
    random number is needed, and all members hold out the same. One row alone is none.
    """
    every = max(round(1 / fraction), 2)
    held = np.arange(n_rows) % every == every - 1
    return held if held.sum() > 1 else np.zeros(n_rows, dtype=bool)


def pretrain(
    module,
    schedule,
    pool,
    views,
    members,
    device,
    dtype,
    term=None,
    first_epoch=0,
    checkpoint=None,
):
    """Train `module` in place on the rows of a pool; members keep their best weights.

    Parameters
    ----------
    module : packed module
    schedule : Schedule
    pool : Pool
        Training rows, in canonical order.
    views : Views or ImageViews
        Makes the views that the term compares.
    members : list of dict
        "seed" and, if the network takes masks, "dropout" of each member.
    device, dtype : torch's
    term : JointTerm or None
        Projectors to continue with.
    first_epoch : int
        0, or where the last call ended.
    checkpoint : object or None
        Its `state`, of `to_state` or None, is where this call goes on; its
        `keep(state)` is called after each epoch.

    Returns
    -------
    Pretraining

    Raises
    ------
    ValueError
        A member's loss was not finite in its first epoch.
    """
    module.to(device, dtype)
    seeds = [stream_seed(m["seed"], "pretraining") for m in members]
    train, held = _batches(
        module, schedule, pool, views, members, seeds, device, dtype, first_epoch
    )
    if term is None:
        n_train = train.draws[0].n_rows
        term = make_pretraining_term(
            schedule.term, module, _width(module, pool), seeds, n_train
        )
    term.to(device, dtype)
    backbone = [p for name, p in module.named_parameters() if not is_head(name)]
    parameters = [*backbone, *(p for p in term.parameters() if p.requires_grad)]
    optimizer = PackedAdamW(parameters, schedule.lr, schedule.weight_decay)
    kept = [*module.member_tensors(), *term.parameters()]
    best = [t.detach().clone() for t in kept]
    done = np.zeros(len(members), dtype=bool)
    result = Pretraining(
        term, np.full(len(members), first_epoch), np.full(len(members), np.inf)
    )
    parts = {"module": module, "term": term}
    progress = parts, optimizer, parameters, best, done, result
    if checkpoint is not None and checkpoint.state is not None:
        from_state(checkpoint.state, *progress)
    train.epoch = first_epoch + len(result.history)
    with torch.inference_mode(False), torch.enable_grad():
        try:
            for epoch in range(train.epoch + 1, first_epoch + schedule.max_epochs + 1):
                if done.all():
                    break
                row = {"train_loss": _epoch(module, term, train, optimizer)}
                score = row["train_loss"]
                if held is not None:
                    held.epoch = 0  # the same views each time
                    row["valid_loss"] = score = _score(module, term, held)
                done |= ~np.isfinite(score) | ~np.isfinite(row["train_loss"])
                # Without held-out rows the last weights are the best.
                better = ~done & ((score < result.best_score) | (held is None))
                result.best_score[better], result.best_epoch[better] = (
                    score[better],
                    epoch,
                )
                _copy(best, kept, np.flatnonzero(better))
                result.history.append(row)
                if held is not None:
                    done |= epoch - result.best_epoch >= schedule.n_iter_no_change
                if checkpoint is not None:
                    checkpoint.keep(to_state(*progress))
        except KeyboardInterrupt:
            result.interrupted = True
    lost = result.history and np.isinf(result.best_score).any()
    if lost or not all(bool(weight.isfinite().all()) for weight in best):
        raise ValueError(
            "The self-supervised loss or its weights became NaN or infinite before "
            "anything was learned. Lower the pretrainer's lr or weight_decay."
        )
    with torch.no_grad():
        torch._foreach_copy_([t.detach() for t in kept], best)
    for p in parameters:
        p.grad = None
    return result


def _batches(module, schedule, pool, views, members, seeds, device, dtype, first_epoch):
    """Batches of the training rows, and of the held-out rows or None."""
    mask = held_out_rows(len(pool.X), schedule.validation_fraction)
    parts = [np.flatnonzero(~mask), np.flatnonzero(mask)]
    rows = take_rows(pool.X, np.concatenate(parts))
    home = device if fits(rows.nbytes, device) else torch.device("cpu")
    X = torch.from_numpy(rows).to(home)
    if X.is_floating_point():
        X = X.to(dtype)
    n_train = len(parts[0])
    donors = Pool(rows[:n_train], pool.weight[parts[0]])
    out = []
    # BatchNorm cannot train on one view of one row.
    alone = n_views(schedule.term) == 1 and module.needs_two_rows
    for begin, rows in zip((0, n_train), parts, strict=True):
        if not len(rows):
            return out[0], None
        weight = pool.weight[rows]
        order = UniformOrder(len(rows))
        if begin == 0 and (weight != weight[0]).any():
            order = WeightedOrder(weight)
        draws = [Draw(begin, order, seed, 0, donors) for seed in seeds]
        widths = module.mask_widths() if begin == 0 else []
        rates = [m.get("dropout", 0.0) for m in members]
        out.append(
            Batches(
                X,
                torch.zeros(len(X), dtype=torch.long, device=device),
                torch.ones(len(X), dtype=dtype, device=device),
                draws,
                [(d, 0, rate) for d, rate in enumerate(rates)],
                torch.ones(1, 1, 1, dtype=dtype, device=device),
                min(schedule.batch_size, len(rows)),
                widths,
                first_epoch=first_epoch if begin == 0 else 0,
                skip_single=alone and begin == 0,
                views=views,
            )
        )
    return out


def _width(module, pool):
    """Width of the network's features."""
    like = next(module.parameters())
    module.eval()
    with torch.no_grad():
        return module.embed(like.new_zeros(1, 2, pool.X.shape[1])).shape[-1]


def _epoch(module, term, batches, optimizer):
    """Mean loss of each member over one epoch of steps."""
    module.train()
    total, n_steps = 0.0, len(batches)
    for i, batch in enumerate(batches, 1):
        optimizer.zero_grad()
        views = batch["views"]
        loss = term.judge(module, views, views["masks"])
        loss.sum().backward()
        optimizer.step()
        if i % DROP_EVERY == 0 or i == n_steps:
            optimizer.drop_tiny()
        total = total + loss.detach().double()
    return (total / n_steps).cpu().numpy()


@torch.no_grad()
def _score(module, term, batches):
    """Mean loss of each member over held-out rows, without dropout."""
    module.eval()
    total, n_rows = 0.0, 0
    for batch in batches:
        views, n = batch["views"], batch["X"].shape[1]
        loss = term.judge(module, views, None)
        total, n_rows = total + loss.double() * n, n_rows + n
    return (total / n_rows).cpu().numpy()


@torch.no_grad()
def _copy(to, tensors, members):
    if not len(members):
        return
    index = torch.as_tensor(members, device=tensors[0].device)
    for kept, tensor in zip(to, tensors, strict=True):
        kept[index] = tensor[index]


def is_head(name):
    """Whether a tensor belongs to the last layer, by its name in the module."""
    return "head" in name.split(".")


@torch.no_grad()
def copy_backbone(source, target):
    """Copy the one member of `source` to all members of `target`, except the head.

    Statistics of normalisation and bins are copied too.

    Raises
    ------
    ValueError
        The networks differ in names or shapes.
    """
    own, given = target.state_dict(), source.state_dict()
    for name, tensor in own.items():
        # Where each member's categories begin depends on the number of members.
        if is_head(name) or name == "categories.start":
            continue
        if name not in given or given[name].shape[1:] != tensor.shape[1:]:
            there = tuple(given[name].shape[1:]) if name in given else "missing"
            raise ValueError(
                f"pretrained must hold a network like the classifier's, but {name} is "
                f"{there} there and {tuple(tensor.shape[1:])} here. Give both the same "
                "parameters."
            )
        tensor.copy_(given[name].expand_as(tensor))
