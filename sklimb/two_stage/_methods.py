"""Methods that make a new last layer on fixed features, one function per method."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from sklimb._random import stream_generator
from sklimb.training.optimizers import load_torch_optim
from sklimb.two_stage._first_stage import draws
from sklimb.two_stage._heads import (
    LinearHead,
    NearestMean,
    best_tau,
    class_means,
    label_aware_eps,
    tau_normalised,
)
from sklimb.two_stage._oltr import MEMORY_LR, ModulatedHead

# Second stages of the papers; "lws" as in the authors' configuration.
EPOCHS = {"lws": 5}
DEFAULT_EPOCHS = 10
# Streams of one member.
OF_HEAD, OF_DRAWS, OF_STATISTICS = range(3)


@dataclass
class SecondStage:
    """Inputs of a method: parameters, features, rows and the first stage's layer.

    Attributes
    ----------
    p : ClassifierRetrainer
        Its parameters.
    h : tensor (K, rows, d)
        Features of the training rows.
    rows : StageRows
    chosen : tuple (features, y, weight)
        Rows by which tau or a temperature is chosen.
    weight, bias : tensors (K, d, classes) and (K, 1, classes)
        Last layer of the first stage.
    seeds : list of int
        One per member.
    history : list
        Mean losses of each epoch, (K,).
    tau : array of shape (K,) or None
        The tau that was chosen.
    """

    p: object
    h: torch.Tensor
    rows: object
    chosen: tuple
    weight: torch.Tensor
    bias: torch.Tensor
    seeds: list
    history: list
    tau: np.ndarray | None = None

    @property
    def y(self):
        """Training labels on the device of the features."""
        return torch.from_numpy(self.rows.train.y).to(self.h.device)

    @property
    def row_weight(self):
        """Row weights on the device of the features."""
        return torch.from_numpy(self.rows.train.weight).to(self.h.device)

    def generators(self):
        """New generators for initial weights, one per member."""
        return [stream_generator(seed, "retrain", OF_HEAD) for seed in self.seeds]


def n_epochs(p):
    """Epochs that "auto" stands for."""
    return EPOCHS.get(p.method, DEFAULT_EPOCHS) if p.n_epochs == "auto" else p.n_epochs


def batch_size(p, n_rows):
    """Rows per step; "auto": 50 steps per epoch for small tables, else 128 rows."""
    if p.batch_size == "auto":
        return min(max(n_rows // 50, 8), 128)
    return int(min(p.batch_size, n_rows))


def retrain_classifier(task):
    """cRT: a new linear layer."""
    head = LinearHead.drawn(task.weight, task.generators())
    return train_head(head, task, [([head.weight, head.bias], 1.0)])


def normalise(task):
    """tau-normalisation: weights divided by |w|^tau, no bias."""
    if task.p.tau == "auto":
        h, y, weight = task.chosen
        tau = best_tau(h, task.weight, y, weight)
    else:
        tau = torch.full((len(task.weight),), float(task.p.tau), dtype=torch.float64)
    task.tau = tau.numpy()
    head = LinearHead(tau_normalised(task.weight, tau), torch.zeros_like(task.bias))
    return head.requires_grad_(False)


def scale(task):
    """LWS: one trained factor per class for the logits."""
    head = LinearHead(task.weight, task.bias)
    return train_head(head, task, [([head.scale], 1.0)])


def nearest_mean(task):
    """NCM: the nearest class mean."""
    return NearestMean.of(task.h, task.y, task.row_weight)


def smooth(task):
    """MiSLAS, stage 2: label-aware smoothing, slow layer, fast factors per class."""
    p = task.p
    eps = label_aware_eps(
        task.rows.counts, p.smoothing_head, p.smoothing_tail, p.smoothing_shape
    )
    # Smoothing includes the true class, as in the authors' code.
    targets = np.diag(1 - eps) + eps[:, None] / len(eps)
    head = LinearHead(task.weight, task.bias)
    groups = [([head.weight, head.bias], p.lr_factor), ([head.scale], 1.0)]
    return train_head(head, task, groups, targets)


def remember(task):
    """OLTR: memory, selector and cosines on frozen features."""
    centroids = class_means(task.h, task.y, task.row_weight)
    head = ModulatedHead(task.weight, task.bias, centroids, task.generators())
    load_torch_optim()
    # Always plain gradient steps: AdamW would cancel the small weight of this loss.
    memory = torch.optim.SGD([head.centroids], MEMORY_LR, momentum=0.9)
    others = [p for p in head.parameters() if p is not head.centroids]
    return train_head(head, task, [(others, 1.0)], more=[memory])


def with_drift(p, backbone, stage, seeds):
    """A copy of the backbone with running statistics of the drawn rows."""
    device, order = backbone.net.device, stage.plan.order
    size = batch_size(p, order.n_rows)
    epochs = draws(order, seeds, OF_STATISTICS, n_epochs(p), size)
    batches = (rows.to(device) for epoch in epochs for rows in epoch)
    return backbone.shifted(stage.train.X.to(device), batches)


METHODS = {
    "crt": retrain_classifier,
    "tau": normalise,
    "lws": scale,
    "ncm": nearest_mean,
    "mislas": smooth,
    "oltr": remember,
}
# Methods whose logits are no log probabilities under any prior.
NO_PROBABILITIES = ("tau", "ncm")
# Methods that choose tau or a temperature on held-out rows. With two classes LWS can
# move the prior only by shrinking the logits: on loans its log loss is 0.429 without a
# temperature and 0.413 with one; methods that train a layer gain nothing.
CHOOSING = (*NO_PROBABILITIES, "lws")


def make_optimizer(p, groups):
    """An optimiser of (parameters, factor of lr) groups; members share lr."""
    load_torch_optim()
    groups = [{"params": params, "lr": p.lr * factor} for params, factor in groups]
    if p.optimizer == "sgd":
        return torch.optim.SGD(
            groups, momentum=0.9, nesterov=True, weight_decay=p.weight_decay
        )
    return torch.optim.AdamW(groups, weight_decay=p.weight_decay)


def train_head(head, task, groups, targets=None, more=()):
    """Train the parameters of `groups` on draws, with a cosine schedule by epochs.

    Parameters
    ----------
    head : nn.Module
        With `cost(features, y, soft targets)`, (K, rows).
    task : SecondStage
    groups : list of (parameters, factor of lr)
    targets : array of shape (classes, classes), optional
        Soft target of each class.
    more : list of optimisers of the other trained parameters

    Returns
    -------
    head

    Raises
    ------
    ValueError
        The last weights are not finite.
    """
    h, y, p = task.h, task.y, task.p
    targets = np.eye(task.bias.shape[-1]) if targets is None else targets
    targets = torch.from_numpy(targets).to(h)
    weight = torch.from_numpy(task.rows.plan.weight).to(h)
    trained = [q for params, _ in groups for q in params]
    trained += [q for o in more for group in o.param_groups for q in group["params"]]
    head.requires_grad_(False)
    for q in trained:
        q.requires_grad_(True)
    optimizers = [make_optimizer(p, groups), *more]
    first = [group["lr"] for o in optimizers for group in o.param_groups]
    members = torch.arange(len(h), device=h.device)[:, None]
    total_epochs = n_epochs(p)
    order = task.rows.plan.order
    size = batch_size(p, order.n_rows)
    epochs = draws(order, task.seeds, OF_DRAWS, total_epochs, size)
    for epoch, batches in enumerate(epochs):
        factor = (1 + math.cos(math.pi * epoch / total_epochs)) / 2
        all_groups = [group for o in optimizers for group in o.param_groups]
        for group, lr in zip(all_groups, first, strict=True):
            group["lr"] = lr * factor
        total = torch.zeros(len(h), dtype=torch.float64, device=h.device)
        for rows in batches:
            rows = rows.to(h.device)
            labels = y[rows]
            cost = head.cost(h[members, rows], labels, targets[labels])
            loss = (cost * weight[rows]).mean(1)
            head.zero_grad(set_to_none=True)
            loss.sum().backward()
            for optimizer in optimizers:
                optimizer.step()
            total += loss.detach()
        task.history.append((total / len(batches)).cpu().numpy())
    head.requires_grad_(False)
    head.zero_grad(set_to_none=True)
    if not all(bool(q.isfinite().all()) for q in trained):
        raise ValueError(
            f"the second stage ({p.method!r}) did not stay finite. Lower lr, which is "
            f"{p.lr!r}."
        )
    return head
