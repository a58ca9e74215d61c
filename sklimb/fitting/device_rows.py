"""The rows of one or many jobs on the device: each table once, whoever trains on it."""

import numpy as np
import torch

from sklimb._random import stream_seed
from sklimb.inputs.on_disk import joined_rows
from sklimb.nn.join import Layout
from sklimb.training.balanced_rows import Apart, JudgedBatches, balanced_batch
from sklimb.training.batches import Batches, Draw, Rows
from sklimb.training.device import as_numbers, fits
from sklimb.training.episodes import Episodes
from sklimb.training.mixing import Mixer
from sklimb.training.monitor import Panel
from sklimb.training.scales import one_if_equal, smoothing_table
from sklimb.training.terms import make_term


def make_batches(jobs, layouts, module, dtype, device):
    """Batches of all members, those that take over at `drw_start`, and rows for skorch.

    Tables, labels and weights are told apart by identity: jobs that share an array
    share its copy on the device.
    """
    common = Layout.common(layouts)
    tables, weights = _Parts(), _Parts()
    first = [job.plan for job in jobs]
    late = [job.plan.last for job in jobs]
    support = [job.plan.support or job.plan for job in jobs]
    for phase in (first, late, support):
        for plan, layout in zip(phase, layouts, strict=True):
            tables.add(plan.X, (plan.X, plan.y, layout))
            weights.add(plan.weight, plan.weight)
    for job, layout in zip(jobs, layouts, strict=True):
        if job.pool is not None:
            unlabeled = np.zeros(len(job.pool.X), dtype=job.plan.y.dtype)
            tables.add(job.pool.X, (job.pool.X, unlabeled, layout))
    n_bytes = sum(len(X) for X, *_ in tables.values) * common.n_columns * dtype.itemsize
    home = device if fits(n_bytes, device) else torch.device("cpu")
    X = [_columns(X, layout, common, dtype, home) for X, _, layout in tables.values]
    y = [_tensor(y, device) for _, y, _ in tables.values]
    weight = [_tensor(w, device, dtype) for w in weights.values]
    arrays = [array for array, *_ in tables.values]
    shared = _table(arrays, _of_one_dtype(X, dtype)), _one(y), _one(weight)
    targets = soft_targets(jobs, dtype, device)
    p, mixer = jobs[0].estimator, None
    apart = None if p.row_weighting is None else Apart(p.row_weighting_rows)
    if p.mix is not None:
        n_continuous = common.n_numeric + len(common.indicators)
        mixer = Mixer(p.mix, p.mix_alpha, n_continuous, p._image_size())
    views = None
    if p.joint_ssl is not None:
        views = p._make_views(make_term(p.joint_ssl), common)

    def batches(phase, size):
        draws, members = [], []
        for job, plan in zip(jobs, phase, strict=True):
            begin, pool = tables.add(plan.X, None), ()
            if job.pool is not None:
                pool = tables.add(job.pool.X, None), job.pool
            for m in job.members:
                seed = m["seed"]
                if plan is job.plan.support:  # not the shuffles and masks of the query
                    seed = stream_seed(seed, "support")
                order = plan.order if apart is None else apart.of(plan, seed)[1]
                draw = Draw(begin, order, seed, *pool)
                if draw not in draws:
                    draws.append(draw)
                rate = m.get("dropout", 0.0)
                weight_begin = weights.add(plan.weight, None)
                members.append((draws.index(draw), weight_begin, rate))
        return Batches(
            *shared,
            draws,
            members,
            targets,
            size,
            module.mask_widths(),
            first_epoch=jobs[0].epochs_before,
            skip_single=getattr(module, "needs_two_rows", False),
            mixer=mixer,
            augment=p._make_augment(),
            views=views,
        )

    rows = Rows(X[0], y[0], weight[0])
    if jobs[0].plan.support is not None:
        sizes = p.metabalance_support_batch_size, p.metabalance_query_batch_size
        n_rows = [[plan.order.n_rows for plan in phase] for phase in (support, first)]
        pair = [
            batches(phase, min(size, max(n)))
            for phase, size, n in zip((support, first), sizes, n_rows, strict=True)
        ]
        return Episodes(*pair, p.metabalance_steps), None, rows
    size = max(job.batch_size for job in jobs)
    after = None if jobs[0].plan.late is None else batches(late, size)
    if apart is not None:
        index = [
            tables.add(job.plan.X, None) + apart.of(job.plan, m["seed"])[0]
            for job in jobs
            for m in job.members
        ]
        judges = balanced_batch(
            shared[0], shared[1], targets, torch.from_numpy(np.stack(index))
        )
        return JudgedBatches(batches(first, size), judges), after, rows
    return batches(first, size), after, rows


def make_panel(jobs, layouts, dtype, device):
    """Validation rows of all members, or None."""
    if jobs[0].validation is None:
        return None
    common = Layout.common(layouts)
    sets, keys, set_of = [], [], []
    n_rows = sum({id(X): len(X) for X, *_ in (j.validation for j in jobs)}.values())
    n_bytes = n_rows * common.n_columns * dtype.itemsize
    home = device if fits(n_bytes, device) else torch.device("cpu")
    for job, layout in zip(jobs, layouts, strict=True):
        X, y, weight = job.validation
        key = (id(X), weight.tobytes())
        if key not in keys:
            keys.append(key)
            rows = _columns(X, layout, common, dtype, home)
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
    own = _tensor(X, device, None if X.dtype == np.uint8 else dtype)
    if layout == common or own.shape[1] == common.n_columns:
        return own
    out = own.new_zeros(len(own), common.n_columns)
    out[:, layout.columns_in(common).to(device)] = own
    return out


def _tensor(array, device, dtype=None):
    array = np.ascontiguousarray(array)
    array = array if array.flags.writeable else array.copy()
    return torch.from_numpy(array).to(device=device, dtype=dtype)


def _of_one_dtype(parts, dtype):
    """Bytes beside floats become floats in [0, 1], as samplers make them."""
    if len({part.dtype for part in parts}) == 1:
        return parts
    return [as_numbers(part, dtype) for part in parts]


def _table(arrays, parts):
    """Encoded rows one part after the other; `parts` are the tensors of `arrays`."""
    on_host = parts[0].device.type == "cpu" and len({a.dtype for a in arrays}) == 1
    if on_host and any(isinstance(array, np.memmap) for array in arrays):
        return torch.from_numpy(joined_rows(arrays))
    return _one(parts)


def _one(parts):
    return parts[0] if len(parts) == 1 else torch.cat(parts)
