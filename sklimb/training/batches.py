"""Batches on the device: one dict of tensors per step, always with the same keys.

Members may train on different rows. What they share is made once: encoded rows on the
device, the order of an epoch, dropout masks.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from sklimb._random import stream_generator
from sklimb.training.block_order import Taken
from sklimb.training.device import as_numbers, to_device
from sklimb.training.dropout_masks import draw_mask
from sklimb.training.views.columns import mask_seed

# Rows whose inputs and dropout masks are gathered at once. A fixed number, because a
# generator's draws depend on their sizes.
_CHUNK_ROWS = 1024
# Most numbers per chunk and draw: of large images, fewer rows are gathered.
_CHUNK_NUMBERS = 2**26


class Rows(Dataset):
    """Encoded rows on the device, as a data set for skorch.

    Parameters
    ----------
    X : tensor of shape (rows, columns)
    y : integer tensor of shape (rows,)
    weight : tensor of shape (rows,)
        Loss weights, divided by their mean under the sampler's draw.
    """

    def __init__(self, X, y, weight):
        self.X, self.y, self.weight = X, y, weight

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i], self.y[i]


@dataclass(frozen=True)
class Draw:
    """An order of rows: all members of one Draw get the same batches.

    Attributes
    ----------
    begin : int
        Where these rows begin in the pack's X.
    order : callable
        generator -> row numbers of one epoch.
    seed : int
    pool_begin : int
        Where the rows of `pool` begin in the pack's X.
    pool : Pool or None
        The rows that views are made from.
    """

    begin: int
    order: object
    seed: int
    pool_begin: int = 0
    pool: object = None

    @property
    def n_rows(self):
        return self.order.n_rows


class Batches:
    """The batches of one epoch after another.

    A batch holds X (K, b, columns), y (K, b), weight (K, b), which sums to about 1,
    target (K, b, classes), masks, a list of (K, b, width) or None, active: which
    members have rows in this step, None if all, and other: None, or, where a loss needs
    one class, targets of the rows that are mixed in and their shares (K, b). A short
    last batch is padded with rows of weight 0 if another member's is longer. With
    `views`, "views" holds X (K, 2 b, columns), both views one after the other (or one
    view, K, b), masks of their own, and real (K, b), which rows are no padding, None if
    all.

    Parameters
    ----------
    X, y : tensors
        All rows of all draws, one after the other; X on the host if the device has no
        room for it.
    weight : tensor of shape (sum of rows,)
        Loss weights, one run of rows for each that occurs.
    draws : list of Draw
    members : list of (draw, begin of the weights, dropout rate)
        The first is a position in `draws`.
    targets : tensor of shape (1 or K, classes, classes)
        Soft target of each class.
    batch_size : int
    mask_widths : list of int or "seeds"
        Widths of the dropout masks; with "seeds" a batch holds one integer per member
        instead, from which the network makes its masks.
    first_epoch : int
    skip_single : bool
        Leave out a row that would be alone in the last batch (another one each epoch):
        BatchNorm cannot train on it.
    mixer : Mixer or None
        How rows are mixed.
    mix_later : bool
        Leave it to the caller: batches hold "mixing", the arguments of `mixed`.
    augment : callable or None
        (rows, generator) -> rows, before they are mixed.
    views : Views or None
        How views are made, from the rows before they are augmented and mixed.
    """

    def __init__(
        self,
        X,
        y,
        weight,
        draws,
        members,
        targets,
        batch_size,
        mask_widths,
        first_epoch=0,
        skip_single=False,
        mixer=None,
        augment=None,
        views=None,
        mix_later=False,
    ):
        self.skip_single, self.mixer = skip_single, mixer
        self.mix_later = mix_later
        self.augment, self.views = augment, views
        self.X, self.y, self.weight, self.draws = X, y, weight, draws
        self.draw_of, self.weight_begin, self.dropout = (
            list(column) for column in zip(*members, strict=True)
        )
        self.targets, self.batch_size, self.epoch = targets, batch_size, first_epoch
        self.all_widths = mask_widths
        self._arrange()

    def take_(self, members):
        """Keep only the given members; draws and masks that none of them uses go."""
        for name in ("draw_of", "weight_begin", "dropout"):
            values = getattr(self, name)
            setattr(self, name, [values[k] for k in members])
        if len(self.targets) > 1:
            self.targets = self.targets[members]
        used = sorted(set(self.draw_of))
        self.draws = [self.draws[d] for d in used]
        self.draw_of = [used.index(d) for d in self.draw_of]
        self._arrange()

    def _arrange(self):
        """Which member takes which draw, weights and masks."""
        device = self.y.device
        self.n_members, n_draws = len(self.draw_of), len(self.draws)
        index = torch.tensor(self.draw_of, device=device)
        begin = torch.tensor(self.weight_begin, device=device)
        self._weight_shift = begin.unsqueeze(1)
        # None: member k takes draw k.
        self._draw_index = None
        if self.draw_of != list(range(n_draws)):
            self._draw_index = index
        # Members with the same seed, rows and rate drop the same units, as alone.
        streams, self._stream_of = [], []
        for d, rate in zip(self.draw_of, self.dropout, strict=True):
            key = (self.draws[d].seed, self.draws[d].n_rows, float(rate))
            if key not in streams:
                streams.append(key)
            self._stream_of.append(streams.index(key))
        self._streams = streams
        self.seeded = self.all_widths == "seeds"
        dropped = not self.seeded and any(rate > 0 for *_, rate in streams)
        self.mask_widths = self.all_widths if dropped else []
        self._stream_index = None
        if self._stream_of != list(range(len(streams))):
            self._stream_index = torch.tensor(self._stream_of, device=device)
        self._n_rows = np.array([self._drawn(draw.n_rows) for draw in self.draws])
        self._steps = [-(-n // self.batch_size) for n in self._n_rows.tolist()]
        begins = [draw.begin for draw in self.draws]
        self._host_begins = torch.tensor(begins).unsqueeze(1)
        self._begins = self._host_begins.to(device)
        rows = [int(self._n_rows[d]) for d in self.draw_of]
        self._rows_of = torch.tensor(rows, device=device).unsqueeze(1)

    def _drawn(self, n_rows):
        """Rows per epoch."""
        alone = n_rows > 1 and n_rows % self.batch_size == 1
        return n_rows - 1 if self.skip_single and alone else n_rows

    def __len__(self):
        return max(self._steps)

    @property
    def n_steps(self):
        """Steps per epoch of each member."""
        return [self._steps[d] for d in self.draw_of]

    @property
    def n_rows(self):
        """Rows per epoch of each member."""
        return [int(self._n_rows[d]) for d in self.draw_of]

    def __iter__(self):
        epoch, device = self.epoch, self.y.device
        end = int(self._n_rows.max())
        noise = self._noise(epoch, device)
        viewing = None
        if self.views is not None:
            generators = self.views.start(self.draws, epoch, device)
            viewing = generators, self._noise(epoch, device, mask_seed)
        mixing = None
        if self.mixer is not None:
            mixing = self.mixer.start(self.draws, epoch)
        augmenting = None
        if self.augment is not None:
            generators = [
                stream_generator(draw.seed, "augment", epoch)  # on the CPU, see Augment
                for draw in self.draws
            ]
            augmenting = self.augment, generators
        rows = min(_CHUNK_ROWS, _CHUNK_NUMBERS // max(1, self.X.shape[1]))
        chunk = int(max(1, rows // self.batch_size) * self.batch_size)
        spans = self._spans(epoch, chunk, end)
        for begin, rows in zip(range(0, end, chunk), spans, strict=True):
            yield from self._chunk(*rows, begin, noise, mixing, augmenting, viewing)
        self.epoch += 1

    def _spans(self, epoch, chunk, end):
        """Row numbers of one chunk after another, on the device and on the host."""
        orders = [
            Taken(draw.order, stream_generator(draw.seed, "shuffle", epoch), n_rows)
            for draw, n_rows in zip(self.draws, self._n_rows.tolist(), strict=True)
        ]
        in_blocks = any(hasattr(draw.order, "blocks") for draw in self.draws)
        # One transfer per epoch; the host does not wait until the epoch's end.
        step = chunk if in_blocks else end
        for begin in range(0, end, step):
            n = min(step, end - begin)
            order = torch.zeros(len(orders), n, dtype=torch.long)
            for i, taken in enumerate(orders):
                rows = taken.take(n)
                order[i, : len(rows)] = rows
            on_device = to_device(order, self.y.device)
            yield from zip(
                on_device.split(chunk, 1), order.split(chunk, 1), strict=True
            )

    def _noise(self, epoch, device, seed_of=int):
        """Generators of the dropout masks of an epoch, one per stream."""
        return [
            stream_generator(seed_of(seed), "noise", epoch, device=device)
            for seed, _, _ in self._streams
        ]

    def _chunk(self, index, host_index, begin, noise, mixing, augmenting, viewing):
        """Batches of the next rows, from `begin` on in each draw's order."""
        n_draws, n = index.shape
        size, left = self.batch_size, (self._n_rows - begin).clip(0)
        flat = (index + self._begins).flatten()
        if self.X.device == flat.device:
            X = self.X.index_select(0, flat)
        else:  # a table that is larger than the device
            rows = (host_index + self._host_begins).flatten()
            X = to_device(self.X.index_select(0, rows), flat.device)
        X = X.view(n_draws, n, -1)
        y = self.y.index_select(0, flat).long().view(n_draws, n)
        if self._draw_index is not None:
            index = index.index_select(0, self._draw_index)
            y = y.index_select(0, self._draw_index)
        weight = self.weight[index + self._weight_shift]
        weight, active = self._share(weight, begin, left, n)
        if len(self.targets) == 1:
            target = self.targets[0][y]
        else:
            member = torch.arange(self.n_members, device=y.device).unsqueeze(1)
            target = self.targets[member, y]
        views = None
        if viewing is not None:
            views = self._views(X, *viewing, begin, left)
        if augmenting is not None:
            X = self._augmented(X, left, augmenting)
        other, later = None, None
        if mixing is not None:
            X = as_numbers(X, weight.dtype)
            drawn = self._draw_mixing(X, left, mixing)
            if self.mix_later:
                later = [self._of_members(t, self._draw_index) for t in drawn]
            else:
                partner, share, keep = drawn
                X = self.mixer.mix(X, partner, share, keep)
                partner = self._of_members(partner, self._draw_index)
                share = self._of_members(share, self._draw_index)
                target, weight, other = self.mixer.mix_labels(
                    target, weight, partner, share
                )
        masks = [
            self._masks(n, width, noise, left, X).split(size, 1)
            for width in self.mask_widths
        ]
        seeds = self._seeds(-(-n // size), noise) if self.seeded else None
        parts = [t.split(size, 1) for t in (X, y, weight, target)]
        for i, (x, c, w, t) in enumerate(zip(*parts, strict=True)):
            drop = [self._of_members(m[i], self._stream_index) for m in masks]
            batch = {
                "X": self._of_members(x, self._draw_index),
                "y": c,
                "weight": w,
                "target": t,
                "masks": (drop or None) if seeds is None else seeds[i],
                "active": active[i],
                "other": other and tuple(o.split(size, 1)[i] for o in other),
            }
            if later is not None:
                partner, share, keep = (part.split(size, 1)[i] for part in later)
                batch["mixing"] = partner - i * size, share, keep
            if views is not None:
                batch["views"] = views[i]
            yield batch

    def _views(self, X, generators, noise, begin, left):
        """The views of every batch of these rows, as the batches' "views"."""
        n, size = X.shape[1], self.batch_size
        pair = self.views.make(X, self.draws, generators, left, self.X, size)
        pair = [self._of_members(x, self._draw_index).split(size, 1) for x in pair]
        masks = [
            [self._masks(n, width, noise, left, X).split(size, 1) for _ in pair]
            for width in self.mask_widths
        ]
        n_batches = -(-n // size)
        seeds = self._seeds(n_batches, noise) if self.seeded else None
        real = [None] * n_batches
        if (left < n).any():
            position = torch.arange(begin, begin + n, device=X.device)
            real = (position < self._rows_of).split(size, 1)
        views = []
        for i in range(n_batches):
            drop = [
                self._of_members(torch.cat([m[i] for m in own], 1), self._stream_index)
                for own in masks
            ]
            rows = torch.cat([x[i] for x in pair], 1)
            drop = (drop or None) if seeds is None else seeds[i]
            views.append({"X": rows, "masks": drop, "real": real[i]})
        return views

    @staticmethod
    def _of_members(values, index):
        return values if index is None else values.index_select(0, index)

    def _augmented(self, X, left, augmenting):
        """Rows of each draw, changed by its own generator; padding stays."""
        augment, generators = augmenting
        rows = []
        for x, n, generator in zip(X, left, generators, strict=True):
            own = augment(x[:n], generator)
            if len(own) < len(x):
                own = torch.cat([own, own.new_zeros(len(x) - len(own), x.shape[1])])
            rows.append(own)
        return torch.stack(rows) if len(rows) > 1 else rows[0].unsqueeze(0)

    def _draw_mixing(self, X, left, mixing):
        """Partners, shares and kept columns of the rows of each draw."""
        drawn = self.mixer.draw(mixing, left, X.shape[1], self.batch_size, X.shape[2])
        partner, share, keep = (
            to_device(torch.from_numpy(part), X.device) for part in drawn
        )
        return partner, share.to(X.dtype), keep

    def mixed(self, batch):
        """A batch after the mixing that was left to the caller."""
        partner, share, keep = batch.pop("mixing")
        X = self.mixer.mix(batch["X"], partner, share, keep)
        labels = batch["target"], batch["weight"]
        target, weight, other = self.mixer.mix_labels(*labels, partner, share)
        return {**batch, "X": X, "target": target, "weight": weight, "other": other}

    def _share(self, weight, begin, left, n):
        """Weights over the rows of their batch, 0 for padding; members with rows."""
        size = self.batch_size
        active = [None] * -(-n // size)
        if (left >= n).all():  # no padding in this chunk
            full = n - n % size
            weight[:, :full] /= size
            weight[:, full:] /= max(n - full, 1)
            return weight, active
        position = torch.arange(begin, begin + n, device=weight.device)
        rest = self._rows_of - position // size * size
        weight = weight / rest.clamp(1, size).to(weight.dtype)
        weight = weight.masked_fill(position >= self._rows_of, 0.0)
        for i in range(len(active)):
            if (left <= i * size).any():
                active[i] = [bool(left[d] > i * size) for d in self.draw_of]
        return weight, active

    def _seeds(self, n_batches, noise):
        """One seed per batch and member, (batches, K)."""
        draws = [
            torch.randint(2**62, (n_batches,), generator=g, device=g.device)
            for g in noise
        ]
        return self._of_members(torch.stack(draws), self._stream_index).T.contiguous()

    def _masks(self, n, width, noise, left, like):
        shape = (len(noise), n, width)
        out = torch.zeros(shape, dtype=like.dtype, device=like.device)
        last = {d: i for i, d in enumerate(self.draw_of)}
        rows_left = {self.draws[d].n_rows: left[d] for d in last}
        for s, generator in enumerate(noise):
            _, n_rows, rate = self._streams[s]
            own = out[s, : min(n, int(rows_left[n_rows]))]
            if rate == 0.0:  # no dropout, nothing is drawn
                own.fill_(1.0)
            elif len(own):
                draw_mask(own, 1.0 - rate, generator)
        return out
