"""Batches that M2m changes, the bounds of its moves, and its shares in the history."""

import warnings

import numpy as np
import torch
from skorch.callbacks import Callback

from sklimb._random import stream_generator
from sklimb.nn.join import Layout, join
from sklimb.training.device import as_numbers, to_device
from sklimb.training.m2m import Translation, make_m2m


class TranslatedBatches:
    """Balanced batches, translated by the network as it is when they are drawn.

    Parameters
    ----------
    batches : Batches
    translation : Translation
    """

    def __init__(self, batches, translation):
        self.batches, self.translation = batches, translation

    def take_(self, members):
        """Keep only the given members."""
        self.batches.take_(members)
        self.translation.take_(members)

    def __len__(self):
        return len(self.batches)

    @property
    def n_steps(self):
        """Steps per epoch of each member."""
        return self.batches.n_steps

    @property
    def batch_size(self):
        """Rows per step."""
        return self.batches.batch_size

    @property
    def epoch(self):
        return self.batches.epoch

    @epoch.setter
    def epoch(self, epoch):
        self.batches.epoch = epoch

    def __iter__(self):
        batches = self.batches
        device, size = batches.y.device, batches.batch_size
        seeds = [batches.draws[d].seed for d in batches.draw_of]
        generators = [
            stream_generator(seed, "translation", self.epoch, device=device)
            for seed in seeds
        ]
        n_rows = np.array(batches.n_rows)
        # Shares of the rows of an epoch: tried, translated.
        self.shares = torch.zeros(2, len(seeds), dtype=torch.float64, device=device)
        for i, batch in enumerate(batches):
            x = as_numbers(batch["X"], batch["weight"].dtype)
            left = (n_rows - i * size).clip(0, x.shape[1])
            bound = to_device(torch.tensor(left), device).unsqueeze(1)
            real = torch.arange(x.shape[1], device=device) < bound
            x, *marks = self.translation(
                x, batch["y"], real, *_draws(generators, left, x)
            )
            self.shares += torch.stack(marks).sum(2)
            batch["X"] = x
            yield batches.mixed(batch) if "mixing" in batch else batch
        self.shares /= to_device(torch.tensor(n_rows), device)


def _draws(generators, left, x):
    """Uniform draws for a batch, as many per member as it has rows."""
    width = x[0, 0].numel()
    u = x.new_zeros(*x.shape[:2], 3 + width)
    for k, (generator, n) in enumerate(zip(generators, left, strict=True)):
        u[k, :n].uniform_(generator=generator)
    return u[..., :3], (u[..., 3:] - 0.5).view(x.shape)


class TranslatedShare(Callback):
    """Writes the shares of rows tried and translated in an epoch into the history."""

    def on_epoch_end(self, net, **kwargs):
        shares = getattr(net.batches_, "shares", None)
        if shares is None:
            return
        pairs = zip(("tried", "translated"), shares.cpu().numpy(), strict=True)
        for name, share in pairs:
            net.history.record(f"{name}_members", net._of_all(share))
            net.history.record(name, float(share.mean()))


def warn_if_nothing_moved(settings, history):
    """Warn if rows were tried and none was translated."""
    late = [row for row in history if "tried" in row]
    if any(row["tried"] for row in late) and not any(r["translated"] for r in late):
        warnings.warn(
            "m2m translated no row: for none that it tried did the guide's "
            f"probability of the rarer class reach gamma={settings.gamma}, so it was "
            "sampler='balanced' with drw_start. Lower gamma in M2m(gamma=...).",
            UserWarning,
            stacklevel=2,
        )


def make_translation(jobs, layouts, model, dtype, device):
    """The Translation of a pack: numbers move within the range of the training rows.

    Numbers that are constant do not move: they would only shorten the others' steps.
    Of images all pixels move between 0 and 1.
    """
    pictures = jobs[0].recipe.has_images
    common = Layout.common(layouts)
    guides = [job.guide.module.to(device, dtype) for job in jobs]
    guide = guides[0] if len(jobs) == 1 else join(guides, layouts)
    guide.eval().requires_grad_(False)
    n, counts, bounds = common.n_numeric, [], []
    for job in jobs:
        own = np.full((2, common.n_columns), np.inf) * [[-1], [1]]
        if pictures:
            own[:, :n] = [[0.0], [1.0]]
        else:
            numbers = job.plan.X[:, :n]
            own[:, :n] = numbers.min(0), numbers.max(0)
        counts += [job.counts] * len(job.members)
        bounds += [own] * len(job.members)
    low, high = (
        torch.from_numpy(bound).to(device, dtype).unsqueeze(1)
        for bound in np.stack(bounds, 1)
    )
    free = (low < high) & low.isfinite()
    flags = owners = None
    if common.indicators:
        flags = torch.arange(n, n + len(common.indicators), device=device)
        numeric = jobs[0].recipe.numeric_columns
        owners = torch.from_numpy(np.searchsorted(numeric, common.indicators))
        owners = owners.to(device)
    settings = make_m2m(jobs[0].recipe.parameters.m2m)
    return Translation(
        settings,
        guide,
        model,
        np.stack(counts),
        free,
        low,
        high,
        flags,
        owners,
        euclidean=pictures,
    )
