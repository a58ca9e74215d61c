"""The rows of one or many jobs on the device: each table once, whoever trains on it."""

import numpy as np
import torch

from sklimb.nn.join import Layout
from sklimb.training.batches import Batches, Draw, Panel, Rows
from sklimb.training.scales import one_if_equal, smoothing_table


def make_batches(jobs, layouts, module, dtype, device):
    """Batches of all members, and the rows of the first job for skorch.

    Tables, labels and weights are told apart by identity: jobs that share an array
    share its copy on the device.
    """
    common = Layout.common(layouts)
    tables, weights, draws, members = _Parts(), _Parts(), [], []
    for job, layout in zip(jobs, layouts, strict=True):
        plan = job.plan
        begin = tables.add(plan.X, (plan.X, plan.y, layout))
        weight_begin = weights.add(plan.weight, plan.weight)
        for m in job.members:
            order = plan.order
            known = [
                i
                for i, d in enumerate(draws)
                if (d.begin, d.seed) == (begin, m["seed"]) and d.order == order
            ]
            if not known:
                draws.append(Draw(begin, order, m["seed"]))
                known = [len(draws) - 1]
            members.append((known[0], weight_begin, m.get("dropout", 0.0)))
    X = [_columns(X, layout, common, dtype, device) for X, _, layout in tables.values]
    y = [_tensor(y, device) for _, y, _ in tables.values]
    weight = [_tensor(w, device, dtype) for w in weights.values]
    batches = Batches(
        _one(X),
        _one(y),
        _one(weight),
        draws,
        members,
        soft_targets(jobs, dtype, device),
        max(job.batch_size for job in jobs),
        module.mask_widths(),
        first_epoch=jobs[0].epochs_before,
        skip_single=getattr(module, "needs_two_rows", False),
    )
    return batches, Rows(X[0], y[0], weight[0])


def make_panel(jobs, layouts, dtype, device):
    """Validation rows of all members, or None."""
    if jobs[0].validation is None:
        return None
    common = Layout.common(layouts)
    sets, keys, set_of = [], [], []
    for job, layout in zip(jobs, layouts, strict=True):
        X, y, weight = job.validation
        key = (id(X), weight.tobytes())
        if key not in keys:
            keys.append(key)
            rows = _columns(X, layout, common, dtype, device)
            weight = _tensor(weight / weight.mean(), device, dtype)
            sets.append(Rows(rows, _tensor(y, device), weight))
        set_of += [keys.index(key)] * len(job.members)
    return Panel(sets, set_of)


def soft_targets(jobs, dtype, device):
    """Soft target of each class, (1 or K, classes, classes)."""
    tables = []
    for job in jobs:
        p = job.estimator
        tables += [
            smoothing_table(
                m["smoothing_eps"], p.smoothing_scale, p.smoothing_max, p.class_prior_
            )
            for m in job.members
        ]
    return torch.tensor(one_if_equal(tables), dtype=dtype, device=device)


class _Parts:
    """Arrays one after the other, each once."""

    def __init__(self):
        self.values, self._begins, self._n_rows = [], {}, 0

    def add(self, array, value):
        """Where `array` begins; `value` is kept for it."""
        if id(array) not in self._begins:
            self._begins[id(array)] = self._n_rows
            self._n_rows += len(array)
            self.values.append(value)
        return self._begins[id(array)]


def _columns(X, layout, common, dtype, device):
    """Encoded rows in the common layout; columns that a table lacks are zeros."""
    own = _tensor(X, device, dtype)
    if layout == common or own.shape[1] == common.n_columns:
        return own
    out = own.new_zeros(len(own), common.n_columns)
    out[:, layout.columns_in(common).to(device)] = own
    return out


def _tensor(array, device, dtype=None):
    array = np.ascontiguousarray(array)
    array = array if array.flags.writeable else array.copy()
    return torch.from_numpy(array).to(device=device, dtype=dtype)


def _one(parts):
    return parts[0] if len(parts) == 1 else torch.cat(parts)
