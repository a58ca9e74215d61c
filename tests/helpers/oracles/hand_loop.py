"""Plain training, written out: what the loop must equal bit for bit."""

import numpy as np
import torch

from sklimb._random import stream_generator
from sklimb.nn import PackedMLP


def train_by_hand(X, y, weight, *, epochs, **settings):
    """Weights after AdamW on weighted cross-entropy, one member, two hidden layers."""
    *_, last = epochs_by_hand([(X, y, weight)] * epochs, **settings)
    return last


def epochs_by_hand(calls, *, width, lr, batch_size, seed, products=None):
    """Weights after each epoch; the rows of an epoch are those of a call.

    With `products` the layers are computed in that dtype, from float32 weights.
    """
    X, y, _ = calls[0]
    model = PackedMLP(1, X.shape[1], 0, (), int(y.max()) + 1, d_block=width)
    model.reset_parameters([seed])
    model.to(X.dtype)
    weights = [p for _, p in model.named_parameters()]
    optimizer = torch.optim.AdamW(weights, lr=lr, weight_decay=1e-4, fused=True)
    onehot = torch.eye(int(y.max()) + 1, dtype=X.dtype)
    for epoch, (X, y, weight) in enumerate(calls):
        order = torch.randperm(
            len(X), generator=stream_generator(seed, "shuffle", epoch)
        )
        for rows in order.split(batch_size):
            h = X[rows].unsqueeze(0).to(products or X.dtype)
            w1, b1, w2, b2, w3, b3 = (w.to(h.dtype) for w in weights)
            h = torch.relu(torch.baddbmm(b1, h, w1))
            h = torch.relu(torch.baddbmm(b2, h, w2))
            log_p = torch.log_softmax(torch.baddbmm(b3, h, w3).to(X.dtype), -1)
            mass = onehot[y[rows]] * (weight[rows] / len(rows)).unsqueeze(-1)
            optimizer.zero_grad()
            (-torch.dot(log_p.flatten(), mass.flatten())).backward()
            optimizer.step()
        yield [w.detach().clone() for w in weights]


def log_loss_by_hand(weights, X, y, weight):
    """Weighted mean of -log p of the network that `epochs_by_hand` trains."""
    w1, b1, w2, b2, w3, b3 = weights
    h = torch.relu(X.unsqueeze(0) @ w1 + b1)
    h = torch.relu(h @ w2 + b2)
    log_p = torch.log_softmax(h @ w3 + b3, -1)[0, torch.arange(len(y)), y]
    return float(-(log_p * weight).sum() / weight.sum())


def sam_by_hand(X, y, weight, parameters, rho, scale):
    """SAM-A's descent gradient of a linear softmax model, by loops in float64."""
    W, b = (p.numpy().astype(np.float64) for p in parameters)

    def gradient(W, b, weights):
        gW, gb, total = np.zeros_like(W), np.zeros_like(b), 0.0
        for x, c, w in zip(X, y, weights, strict=True):
            z = x @ W + b
            p = np.exp(z - z.max())
            p /= p.sum()
            total += -w * np.log(p[c])
            p[c] -= 1
            gW += w * np.outer(x, p)
            gb += w * p
        return gW, gb, total

    r = np.array([scale[c] for c in y])
    gW, gb, _ = gradient(W, b, weight * r)
    _, _, loss = gradient(W, b, weight)
    radius = rho * (weight * r).sum() / weight.sum()
    norm = np.sqrt((gW**2).sum() + (gb**2).sum())
    gW, gb, _ = gradient(W + radius * gW / norm, b + radius * gb / norm, weight)
    return gW, gb, loss
