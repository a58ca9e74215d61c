"""Rows of one or many jobs on the device, with one copy of each table."""

import numpy as np
import torch

from sklimb._random import stream_seed
from sklimb.inputs.on_disk import joined_rows
from sklimb.nn.join import Layout
from sklimb.training.balanced_rows import Apart, JudgedBatches, balanced_batch
from sklimb.training.batches import Batches, Draw, Rows
from sklimb.training.device import as_numbers, fits
from sklimb.training.episodes import Episodes
from sklimb.training.losses import needs_one_class
from sklimb.training.mixing import Mixer
from sklimb.training.monitor import Panel
from sklimb.training.scales import one_if_equal, smoothing_table
from sklimb.training.terms import make_term


def make_batches(jobs, layouts, module, dtype, device):
    """Batches of all members, those from `drw_start` on or None, and rows for skorch.

    Tables, labels and weights are compared by identity: jobs that share an array
    share its copy on the device.
    """
    rows = _PackRows(jobs, layouts, dtype, device)
    make = _BatchMaker(jobs, rows, module)
    first = [job.plan for job in jobs]
    shown = Rows(rows.first_table, rows.first_y, rows.first_weight)
    p = jobs[0].recipe.parameters
    if jobs[0].plan.support is not None:
        support = [job.plan.support for job in jobs]
        sizes = p.metabalance_support_batch_size, p.metabalance_query_batch_size
        n_rows = [[plan.order.n_rows for plan in phase] for phase in (support, first)]
        pair = [
            make(phase, min(size, max(n)))
            for phase, size, n in zip((support, first), sizes, n_rows, strict=True)
        ]
        return Episodes(*pair, p.metabalance_steps), None, shown
    size = max(job.batch_size for job in jobs)
    late = [job.plan.last for job in jobs]
    after = None
    if jobs[0].plan.late is not None:
        after = make(late, size, mix_later=p.m2m is not None)
    batches = make(first, size)
    if make.apart is not None:
        batches = JudgedBatches(batches, make.judges())
    return batches, after, shown


class _PackRows:
    """Encoded rows, labels and weights of a pack on the device, each stored once."""

    def __init__(self, jobs, layouts, dtype, device):
        common = Layout.common(layouts)
        self.tables, self.weights = _Parts(), _Parts()
        phases = [
            [job.plan for job in jobs],
            [job.plan.last for job in jobs],
            [job.plan.support or job.plan for job in jobs],
        ]
        for phase in phases:
            for plan, layout in zip(phase, layouts, strict=True):
                self.tables.add(plan.X, (plan.X, plan.y, layout))
                self.weights.add(plan.weight, plan.weight)
        for job, layout in zip(jobs, layouts, strict=True):
            if job.pool is not None:
                unlabeled = np.zeros(len(job.pool.X), dtype=job.plan.y.dtype)
                self.tables.add(job.pool.X, (job.pool.X, unlabeled, layout))
        parts = self.tables.values
        n_bytes = sum(len(X) for X, *_ in parts) * common.n_columns * dtype.itemsize
        home = device if fits(n_bytes, device) else torch.device("cpu")
        X = [_columns(X, layout, common, dtype, home) for X, _, layout in parts]
        y = [_tensor(y, device) for _, y, _ in parts]
        weight = [_tensor(w, device, dtype) for w in self.weights.values]
        arrays = [array for array, *_ in parts]
        self.shared = _table(arrays, _of_one_dtype(X, dtype)), _one(y), _one(weight)
        self.targets = soft_targets(jobs, dtype, device)
        self.first_table, self.first_y, self.first_weight = X[0], y[0], weight[0]
        self.common = common

    def begin(self, array):
        """Position of a table's first row."""
        return self.tables.add(array, None)

    def weight_begin(self, array):
        """Position of the first weight of an array of weights."""
        return self.weights.add(array, None)


class _BatchMaker:
    """Maker of the Batches of a phase, from one plan per job and the rows per step."""

    def __init__(self, jobs, rows, module):
        self.jobs, self.rows, self.module = jobs, rows, module
        self.recipe, common = jobs[0].recipe, rows.common
        p = self.recipe.parameters
        self.apart = None if p.row_weighting is None else Apart(p.row_weighting_rows)
        self.mixer = self.views = None
        if p.mix is not None:
            n_continuous = common.n_numeric + len(common.indicators)
            size = self.recipe.image_size
            one_class = needs_one_class(p.loss)
            self.mixer = Mixer(p.mix, p.mix_alpha, n_continuous, size, one_class)
        if p.joint_ssl is not None:
            self.views = self.recipe.make_views(make_term(p.joint_ssl), common)

    def __call__(self, phase, size, mix_later=False):
        draws, members = [], []
        for job, plan in zip(self.jobs, phase, strict=True):
            weight_begin = self.rows.weight_begin(plan.weight)
            for m in job.members:
                draw = self._draw(job, plan, m["seed"])
                if draw not in draws:
                    draws.append(draw)
                rate = m.get("dropout", 0.0)
                members.append((draws.index(draw), weight_begin, rate))
        return Batches(
            *self.rows.shared,
            draws,
            members,
            self.rows.targets,
            size,
            self.module.mask_widths(),
            first_epoch=self.jobs[0].epochs_before,
            skip_single=self.module.needs_two_rows,
            mixer=self.mixer,
            augment=self.recipe.augment,
            views=self.views,
            mix_later=mix_later,
        )

    def _draw(self, job, plan, seed):
        """The row numbers of one member's epochs."""
        pool = ()
        if job.pool is not None:
            pool = self.rows.begin(job.pool.X), job.pool
        if plan is job.plan.support:  # else support and query would share shuffles
            seed = stream_seed(seed, "support")
        order = plan.order if self.apart is None else self.apart.of(plan, seed)[1]
        return Draw(self.rows.begin(plan.X), order, seed, *pool)

    def judges(self):
        """The balanced rows that each member does not train on, as one batch."""
        index = [
            self.rows.begin(job.plan.X) + self.apart.of(job.plan, m["seed"])[0]
            for job in self.jobs
            for m in job.members
        ]
        X, y, _ = self.rows.shared
        rows = torch.from_numpy(np.stack(index))
        return balanced_batch(X, y, self.rows.targets, rows)


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
    """Soft targets of the classes, (1 or K, classes, classes)."""
    tables = []
    for job in jobs:
        p = job.recipe.parameters
        tables += [
            smoothing_table(
                m["smoothing_eps"], p.smoothing_scale, p.smoothing_max, job.prior
            )
            for m in job.members
        ]
    return torch.tensor(one_if_equal(tables), dtype=dtype, device=device)


class _Parts:
    """Arrays to be joined, each stored once."""

    def __init__(self):
        self.values, self._begins, self._n_rows = [], {}, 0

    def add(self, array, value):
        """Position of the first row of `array`; `value` is stored with it."""
        if id(array) not in self._begins:
            self._begins[id(array)] = self._n_rows
            self._n_rows += len(array)
            self.values.append(value)
        return self._begins[id(array)]


def _columns(X, layout, common, dtype, device):
    """Encoded rows in the common layout; columns absent from a table are zeros."""
    own = _tensor(X, device, None if X.dtype == np.uint8 else dtype)
    if layout == common or own.shape[1] == common.n_columns:
        return own
    out = own.new_zeros(len(own), common.n_columns)
    out[:, layout.columns_in(common).to(device)] = own
    return out


def _tensor(array, device, dtype=None):
    if array.strides == (0,):  # one value for all
        return _tensor(array[:1].copy(), device, dtype).expand(len(array))
    array = np.ascontiguousarray(array)
    array = array if array.flags.writeable else array.copy()
    return torch.from_numpy(array).to(device=device, dtype=dtype)


def _of_one_dtype(parts, dtype):
    """Parts of one dtype: bytes beside floats become floats in [0, 1]."""
    if len({part.dtype for part in parts}) == 1:
        return parts
    return [as_numbers(part, dtype) for part in parts]


def _table(arrays, parts):
    """Joined encoded rows; `parts` are the tensors of `arrays`."""
    on_host = parts[0].device.type == "cpu" and len({a.dtype for a in arrays}) == 1
    if on_host and any(isinstance(array, np.memmap) for array in arrays):
        return torch.from_numpy(joined_rows(arrays))
    return _one(parts)


def _one(parts):
    return parts[0] if len(parts) == 1 else torch.cat(parts)
