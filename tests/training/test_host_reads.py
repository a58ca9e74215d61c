"""What would make the host wait for a GPU within an epoch, seen on a CPU.

A read of a value (`item`, `bool`, `float`) and what has as many rows as there are hits
(`nonzero`). Copies to the device are seen on a device alone: test_gpu.py.
"""

from collections import Counter

import pytest
import torch
from helpers.packs import PLAIN, fit_pack, fixed_table
from torch.utils._python_dispatch import TorchDispatchMode

from sklimb import TabularMLPClassifier
from sklimb.training.net import _Net

X, Y = fixed_table()
READS = ("aten::_local_scalar_dense", "aten::is_nonzero", "aten::nonzero")


class Watch(TorchDispatchMode):
    """Counts the operations in READS, and all."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name
        self.counts[name if name in READS else "other"] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture
def reads(monkeypatch):
    """The reads of all training epochs."""
    run, watch = _Net.run_single_epoch, Watch()

    def watched(net, iterator, training, *args, **kwargs):
        if not training:
            return run(net, iterator, training, *args, **kwargs)
        with watch:
            return run(net, iterator, training, *args, **kwargs)

    monkeypatch.setattr(_Net, "run_single_epoch", watched)
    yield watch.counts
    assert watch.counts["other"] > 100


def test_a_read_is_counted():
    with Watch() as watch:
        assert torch.ones(2).sum().item() == 2
        torch.ones(2).nonzero()
    assert sum(watch.counts[name] for name in READS) == 2


@pytest.mark.parametrize(
    "params",
    [
        {"dropout": 0.2},
        {"sam_asymmetric_rho": 0.05},
        {"optimizer": "sgd", "lr_schedule": "cosine", "clip_norm": 1.0},
        {"sampler": "balanced", "ema_decay": 0.9},
        {"mix": "mixup"},
        {"joint_ssl": "vicreg"},
        {"row_weighting": "meta_weight_net"},
        {"metabalance_sampler": ("natural", "over"), "metabalance_steps": 4},
    ],
    ids=str,
)
def test_an_epoch_reads_nothing(params, reads):
    # Two members: a single one may read where reading is free, on a CPU.
    TabularMLPClassifier(**{**PLAIN, "max_epochs": 2, "n_members": 2, **params}).fit(
        X, Y
    )
    assert [name for name in READS if reads[name]] == []


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_members_that_step_apart_read_nothing(optimizer, reads):
    settings = [{"lr": 1e-3}, {"lr": 1e-2}]
    fit_pack(settings, optimizer=optimizer, lr_schedule="cosine", max_epochs=2)
    assert [name for name in READS if reads[name]] == []
