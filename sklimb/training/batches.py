"""Row numbers -> device batches: one dict of tensors a step, always the same keys."""

import torch
from torch.utils.data import Dataset

from sklimb._random import stream_generator

# Rows whose inputs and dropout masks are gathered at once. A fixed number, because a
# generator's draws depend on the sizes that it is asked for.
_CHUNK_ROWS = 2048


class Rows(Dataset):
    """Encoded rows on the device; what skorch sees as a data set.

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


class Batches:
    """The batches of one epoch after another, each member its own rows.

    A batch holds X (K, b, columns), y (K, b), weight (K, b), which sums to about 1,
    target (K, b, classes) and masks, a list of (K, b, width) or None.
    """

    def __init__(
        self,
        rows,
        order,
        batch_size,
        seeds,
        targets,
        dropout,
        mask_widths,
        first_epoch=0,
    ):
        self.rows, self.order, self.batch_size = rows, order, batch_size
        self.seeds, self.targets = seeds, targets
        self.dropout = dropout  # one rate a member
        self.mask_widths = mask_widths if any(rate > 0 for rate in dropout) else []
        self.epoch = first_epoch

    def __len__(self):
        return -(-self.order.n_rows // self.batch_size)

    def __iter__(self):
        epoch, device = self.epoch, self.rows.X.device
        order = torch.stack(
            [self.order(stream_generator(s, "shuffle", epoch)) for s in self.seeds]
        )
        noise = [stream_generator(s, "noise", epoch, device=device) for s in self.seeds]
        size = self.batch_size
        chunk = max(1, _CHUNK_ROWS // size) * size
        for begin in range(0, order.shape[1], chunk):
            index = order[:, begin : begin + chunk].to(device)
            yield from self._chunk(index, noise)
        self.epoch += 1

    def _chunk(self, index, noise):
        n_members, n = index.shape
        size = self.batch_size
        flat = index.flatten()
        X = self.rows.X.index_select(0, flat).view(n_members, n, -1)
        y = self.rows.y.index_select(0, flat).view(n_members, n)
        weight = self.rows.weight.index_select(0, flat).view(n_members, n)
        full = n - n % size
        weight[:, :full] /= size
        weight[:, full:] /= max(n - full, 1)
        if len(self.targets) == 1:
            target = self.targets[0][y]
        else:
            member = torch.arange(n_members, device=y.device).unsqueeze(1)
            target = self.targets[member, y]
        masks = [
            self._masks(n, width, noise, X).split(size, 1) for width in self.mask_widths
        ]
        parts = [t.split(size, 1) for t in (X, y, weight, target)]
        for i, (x, c, w, t) in enumerate(zip(*parts, strict=True)):
            drop = [m[i] for m in masks] if masks else None
            yield {"X": x, "y": c, "weight": w, "target": t, "masks": drop}

    def _masks(self, n, width, noise, like):
        out = torch.empty((len(noise), n, width), dtype=like.dtype, device=like.device)
        for k, generator in enumerate(noise):
            keep = 1.0 - self.dropout[k]
            if keep == 1.0:  # dropout that is off draws nothing
                out[k] = 1.0
            else:
                out[k].bernoulli_(keep, generator=generator).div_(keep)
        return out


def padded_blocks(X, size):
    """Blocks of exactly `size` rows, the last one padded with zeros.

    Products of one row and of many rows differ in float32; with one shape they do not,
    so a prediction does not depend on its neighbours.
    """
    for begin in range(0, len(X), size):
        block = X[begin : begin + size]
        n = len(block)
        if n < size:
            block = torch.cat([block, block.new_zeros(size - n, block.shape[1])])
        yield begin, n, block.unsqueeze(0)
