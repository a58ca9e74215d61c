"""Timings of training on images by our estimator, by hand and by skorch."""

import time

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import Dataset

from benchmarks.device.measure import seconds_of
from sklimb import ImageResNetClassifier
from sklimb.nn.image_network import ImageNetwork, make_backbone
from sklimb.training.augment.operations import make_augment

BATCH, CLASSES, SHAPE = 128, 10, (3, 32, 32)
AUGMENT = ["crop", "flip"]
RATES = {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
# CIFAR-10 with a long tail of ratio 100.
GPU_IMAGES, GPU_EPOCHS = 12_406, 200


def make_images(n):
    """Random bytes: what they show does not matter here."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (n, *SHAPE), dtype=np.uint8)
    return images, rng.integers(0, CLASSES, n)


def make_network(backbone):
    network = ImageNetwork(make_backbone(backbone, CLASSES), SHAPE, 0.5, 0.25)
    network.reset_parameters(torch.Generator().manual_seed(0))
    return network


class _Loop:
    """A training loop as one writes it by hand, everything on the device."""

    def __init__(self, images, y, backbone, device, augment=AUGMENT, bf16=False):
        self.X = torch.from_numpy(images).to(device)
        self.y = torch.from_numpy(y).to(device)
        self.network = make_network(backbone).to(device)
        self.optimizer = torch.optim.SGD(self.network.parameters(), **RATES, fused=True)
        self.generator = torch.Generator(device).manual_seed(0)
        self.augment = None if augment is None else make_augment(augment)
        self.device, self.bf16 = torch.device(device), bf16

    def epoch(self):
        """Seconds of an epoch."""
        begin = time.perf_counter()
        self.network.train()
        total = torch.zeros((), device=self.device)
        for rows in torch.randperm(len(self.X)).to(self.device).split(BATCH):
            x = self.X[rows].float() / 255
            if self.augment is not None:
                x = self.augment(x, self.generator)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                logits = self.network(x.flatten(1))
                loss = nn.functional.cross_entropy(logits, self.y[rows])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        total.item()
        return time.perf_counter() - begin


class _PerImage(Dataset):
    """Images that are augmented one by one, as a DataLoader's workers do."""

    def __init__(self, images, y):
        self.images, self.y = images, y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        rng = np.random.default_rng()
        image = np.pad(self.images[i], ((0, 0), (4, 4), (4, 4)))
        top, left = rng.integers(0, 9, 2)
        image = image[:, top : top + 32, left : left + 32]
        if rng.random() < 0.5:
            image = image[:, :, ::-1]
        flat = np.ascontiguousarray(image, dtype=np.float32).reshape(-1) / 255
        return flat, self.y[i]


def skorch_epoch(images, y, backbone, device):
    """Seconds of one epoch of skorch with a DataLoader."""
    net = NeuralNetClassifier(
        make_network(backbone),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        max_epochs=1,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        device=device,
        verbose=0,
        **{f"optimizer__{k}" if k != "lr" else k: v for k, v in RATES.items()},
    ).initialize()
    begin = time.perf_counter()
    net.partial_fit(_PerImage(images, y), None)
    return time.perf_counter() - begin


def ours(images, y, backbone, epochs, **params):
    """Seconds of an epoch of our fit, the first left out."""
    clf = ImageResNetClassifier(
        backbone=backbone,
        lr=RATES["lr"],
        weight_decay=RATES["weight_decay"],
        batch_size=BATCH,
        max_epochs=epochs,
        early_stopping=False,
        target_prior=None,
        random_state=0,
        **{"augment": AUGMENT, **params},
    ).fit(images, y)
    return float(np.median([row["dur"] for row in clf.history_[1:]]))


def on_cpu(n_images, repeats):
    """Seconds of an epoch of each loop, medians over interleaved repeats."""
    images, y = make_images(n_images)
    runs = {
        "hand loop": lambda: _Loop(images, y, "resnet8", "cpu").epoch(),
        "hand loop, no augmentation": lambda: _Loop(
            images, y, "resnet8", "cpu", None
        ).epoch(),
        "sklimb": lambda: ours(images, y, "resnet8", 2, device="cpu"),
        "sklimb, no augmentation": lambda: ours(
            images, y, "resnet8", 2, device="cpu", augment=None
        ),
        "sklimb, compiled": lambda: ours(
            images, y, "resnet8", 2, device="cpu", compile=True
        ),
        "sklimb, SAM-A": lambda: ours(
            images, y, "resnet8", 2, device="cpu", sam_asymmetric_rho=0.05
        ),
        "skorch, DataLoader": lambda: skorch_epoch(images, y, "resnet8", "cpu"),
    }
    for run in runs.values():  # kernels and caches
        run()
    seconds = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(run())
    table = {
        name: {
            "seconds": float(np.median(s)),
            "images_per_second": n_images / float(np.median(s)),
            "all_seconds": s,
        }
        for name, s in seconds.items()
    }
    for row in table.values():
        row["ratio_to_hand"] = row["seconds"] / table["hand loop"]["seconds"]
    return table


def bare_pass(images, y, mode, backbone="resnet32", device="cuda"):
    """Images per second of the bare forward and backward pass, everything resident.

    `mode` is one of torch.compile, None compiles nothing.
    """
    network = make_network(backbone).to(device)
    if mode is not None:
        network = torch.compile(network, mode=mode)
    x = torch.from_numpy(images[:BATCH]).to(device).float().flatten(1) / 255
    target = torch.from_numpy(y[:BATCH]).to(device)

    def step():
        with torch.autocast(device, torch.bfloat16):
            loss = nn.functional.cross_entropy(network(x), target)
        loss.backward()

    seconds_of(step, device, 20 if device == "cuda" else 1)
    n_steps = max(1, 3 * len(images) // BATCH)
    return n_steps * len(x) / seconds_of(step, device, n_steps)


def gpu_runs(images, y, mode, backbone="resnet32", device="cuda", epochs=6):
    """{name: function that gives images per second}, in order of importance."""
    params = {"device": device, "dtype": "bfloat16", "channels_last": True}
    fixed = images, y, backbone

    def own(**more):
        return len(y) / ours(*fixed, epochs, **params, **more)

    def with_loader():
        skorch_epoch(*fixed, device)  # kernels and caches
        return len(y) / skorch_epoch(*fixed, device)

    return {
        "sklimb": own,
        "sklimb, no augmentation": lambda: own(augment=None),
        "skorch, DataLoader": with_loader,
        "bare pass": lambda: bare_pass(images, y, None, backbone, device),
        "bare compiled pass": lambda: bare_pass(images, y, mode, backbone, device),
        "sklimb, CUDA graphs": lambda: own(compile="reduce-overhead"),
    }


def on_gpu():
    """Images per second, on one GPU."""
    runs = gpu_runs(*make_images(GPU_IMAGES), "max-autotune")
    return {name: {"images_per_second": run()} for name, run in runs.items()}
