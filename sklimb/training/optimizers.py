"""AdamW and SGD whose learning rate and weight decay may differ from member to member.

Equal values are handed to torch's fused step, bit for bit. Unequal ones follow the same
formulas with factors of shape (K, 1, ...), which torch's own optimisers refuse.
"""

import torch


def one_value(value):
    """A float if all members share one value, else a float64 tensor of shape (K,)."""
    values = torch.as_tensor(value, dtype=torch.float64).reshape(-1)
    return float(values[0]) if bool((values == values[0]).all()) else values


def _per_member(value, p):
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(p).view(-1, *[1] * (p.ndim - 1))


class _Packed:
    """What both share: torch's own step unless members differ, then `_update`."""

    def _settle(self, lr, weight_decay):
        for group in self.param_groups:
            group["lr"] = one_value(lr)
            group["weight_decay"] = one_value(weight_decay)
        values = (self.param_groups[0][key] for key in ("lr", "weight_decay"))
        if any(isinstance(value, torch.Tensor) for value in values):
            # Set here, not overridden: a wrapped step costs a small network 15 %.
            self.step = self._step_members

    @torch.no_grad()
    def _step_members(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    lr = _per_member(group["lr"], p)
                    decay = _per_member(group["weight_decay"], p)
                    self._update(p, self.state[p], group, lr, decay)


class PackedAdamW(_Packed, torch.optim.AdamW):
    """AdamW for packed members.

    Parameters
    ----------
    params : iterable of parameters with a leading member axis
    lr, weight_decay : float or sequence of length K
    betas : pair of float, default=(0.9, 0.999)
    eps : float, default=1e-8
    """

    def __init__(self, params, lr=1e-3, weight_decay=0.0, **kwargs):
        super().__init__(params, lr=1e-3, weight_decay=0.0, fused=True, **kwargs)
        self._settle(lr, weight_decay)

    def _update(self, p, state, group, lr, decay):
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(p)
            state["exp_avg_sq"] = torch.zeros_like(p)
        state["step"] += 1
        step = state["step"].item()
        beta1, beta2 = group["betas"]
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        p.mul_(1 - lr * decay)
        mean.lerp_(p.grad, 1 - beta1)
        square.mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
        denominator = (square / (1 - beta2**step)).sqrt_().add_(group["eps"])
        p.sub_(lr / (1 - beta1**step) * mean / denominator)


class PackedSGD(_Packed, torch.optim.SGD):
    """SGD with Nesterov momentum for packed members; weight decay enters the gradient.

    Parameters
    ----------
    params : iterable of parameters with a leading member axis
    lr, weight_decay : float or sequence of length K
    momentum : float, default=0.9
    nesterov : bool, default=True
    """

    def __init__(
        self, params, lr=1e-2, weight_decay=0.0, momentum=0.9, nesterov=True, **kwargs
    ):
        super().__init__(
            params, lr=1e-2, momentum=momentum, nesterov=nesterov, fused=True, **kwargs
        )
        self._settle(lr, weight_decay)

    def _update(self, p, state, group, lr, decay):
        grad = p.grad + decay * p
        momentum = group["momentum"]
        if momentum:
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = grad.clone()
            else:
                state["momentum_buffer"].mul_(momentum).add_(grad)
            buffer = state["momentum_buffer"]
            grad = grad + momentum * buffer if group["nesterov"] else buffer
        p.sub_(lr * grad)


OPTIMIZERS = {"adamw": PackedAdamW, "sgd": PackedSGD}
