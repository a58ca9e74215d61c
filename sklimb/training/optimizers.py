"""AdamW and SGD whose learning rate and weight decay may differ from member to member.

Equal values are handed to torch's fused step, bit for bit. Otherwise neighbours with
equal values are one run, and torch's fused kernel runs on each run's slice of the
weights: packs are sorted so that runs are long.
"""

import os
import sys
from importlib import import_module
from itertools import groupby
from threading import Lock

import torch

# Below this a moment moves no weight that float32 can tell: a step is at most the rate
# times 1e-20 / eps (1e-8 of AdamW).
_NOTHING = 1e-20
# Steps between passes of `drop_tiny`. With a beta of 0.9 moments shrink by 3e-5
# in them, and denormal numbers begin at 1e-38.
DROP_EVERY = 100
_CACHE_DIR = "TORCHINDUCTOR_CACHE_DIR"
_lock = Lock()


def load_torch_optim():
    """Import what torch's optimisers import at their first step.

    That is torch's compiler, which sets its cache folder in the environment, for all
    later processes. Here that variable is restored.
    """
    with _lock:
        if "torch._dynamo" in sys.modules:
            return
        before = os.environ.get(_CACHE_DIR)
        import_module("torch._dynamo")
        if before is None:
            os.environ.pop(_CACHE_DIR, None)
        else:
            os.environ[_CACHE_DIR] = before


def one_value(value):
    """A float if all members share one value, else a float64 tensor of shape (K,)."""
    values = torch.as_tensor(value, dtype=torch.float64).reshape(-1)
    return float(values[0]) if bool((values == values[0]).all()) else values


class _Packed:
    """Base of both: torch's own step unless members differ, then run by run.

    `active`, set before a step, says which members have rows in it; None is all. A
    member without rows keeps its weights and moments: alone it would not step.
    """

    active = None
    # Slices of each run, and where what they are slices of is.
    _parts = _places = None
    # Which members have made no update yet, so that no step reads the device; None:
    # not known, after a state was loaded.
    _fresh = None

    def _settle(self, lr, weight_decay, n_steps):
        for group in self.param_groups:
            group["lr"] = one_value(lr)
            group["weight_decay"] = one_value(weight_decay)
        # Members with equal counts step together: the count enters the correction of
        # the moments.
        self.n_steps_ = n_steps
        self._runs_of = None
        values = [self.param_groups[0][key] for key in ("lr", "weight_decay")]
        differ = any(isinstance(value, torch.Tensor) for value in values)
        if differ or len(set(n_steps or [0])) > 1:
            # Set here, not overridden: torch would wrap it, 15 % of a small net's step.
            self.step = self._step_runs

    @torch.no_grad()
    def drop_tiny(self):
        """Set first moments of nearly 0 to 0, on a CPU.

        A unit that no row of the last steps has reached has gradients of 0. Its moment
        shrinks by a factor per step, and after 800 steps it is a denormal number, with
        which Intel's processors compute thirty times as long: with half of the units of
        a small network at rest, its update took 2.6 ms instead of 0.4.
        """
        for group in self.param_groups:
            for p in group["params"]:
                moment = self.state[p].get(self._names[0]) if p in self.state else None
                if moment is not None and not moment.is_cuda:
                    torch.hardshrink(moment, _NOTHING, out=moment)

    def take_(self, members):
        """Keep only the moments of the given members."""
        index = torch.as_tensor(members)
        for group in self.param_groups:
            for key in ("lr", "weight_decay"):
                if isinstance(group[key], torch.Tensor):
                    group[key] = group[key][index]
            for p in group["params"]:
                for name, value in self.state[p].items():
                    if isinstance(value, torch.Tensor) and value.ndim:
                        self.state[p][name] = value[index.to(value.device)]
        for name in ("n_steps_", "_fresh"):
            if getattr(self, name) is not None:
                setattr(self, name, [getattr(self, name)[k] for k in members])
        self._runs_of = None

    def _settle_runs(self):
        """Neighbours with equal values: (begin, end, lr, weight decay)."""
        group = self.param_groups[0]
        n_members = len(group["params"][0])
        columns = [group["lr"], group["weight_decay"]]
        columns = [
            c.tolist() if isinstance(c, torch.Tensor) else [float(c)] * n_members
            for c in columns
        ]
        steps = self.n_steps_ or [0] * n_members
        self._runs, begin = [], 0
        for (lr, decay, _), run in groupby(zip(*columns, steps, strict=True)):
            end = begin + len(list(run))
            self._runs.append((begin, end, lr, decay))
            begin = end
        self._runs_of = (group["lr"], group["weight_decay"])
        self._parts = None

    @torch.no_grad()
    def _step_runs(self, closure=None):
        group = self.param_groups[0]
        now = (group["lr"], group["weight_decay"])
        if self._runs_of is None or any(
            a is not b for a, b in zip(now, self._runs_of, strict=True)
        ):
            self._settle_runs()
        params = [p for p in group["params"] if p.grad is not None]
        if "step" not in self.state[params[0]]:
            self._start(params)
        moments = [[self.state[p][name] for p in params] for name in self._names]
        counts = self.state[params[0]]["step"]
        if self._fresh is None:
            self._fresh = (counts == 0).tolist()
        parts = self._parts_of(params, moments, counts)
        sizes = [end - begin for begin, end, *_ in self._runs]
        grads = zip(*(p.grad.split(sizes) for p in params), strict=True)
        runs = zip(self._runs, grads, parts, strict=True)
        for (begin, end, lr, decay), grad, (weights, moments, counts) in runs:
            if self.active is not None and not self.active[begin]:
                continue
            self._fused(
                weights,
                list(grad),
                moments,
                counts,
                lr,
                decay,
                group,
                first=self._fresh[begin],
            )
            self._fresh[begin:end] = [False] * (end - begin)

    def _parts_of(self, params, moments, counts):
        """Slices of weights, moments and counts of each run, made anew if these moved.

        To make them costs a tenth of a small network's update.
        """
        tensors = [*params, *(t for own in moments for t in own), counts]
        places = [t.data_ptr() for t in tensors]
        if self._parts is None or places != self._places:
            self._places, self._parts = places, []
            for begin, end, *_ in self._runs:
                rows = slice(begin, end)
                own = [[t[rows] for t in named] for named in moments]
                self._parts.append(([p[rows] for p in params], own, counts[rows]))
        return self._parts

    def _start(self, params):
        """Moments of zero, and the updates that each member has made."""
        counts = torch.zeros(len(params[0]), device=params[0].device)
        for p in params:
            self.state[p] = {name: torch.zeros_like(p) for name in self._names}
            self.state[p]["step"] = counts
        self._fresh = [True] * len(counts)


class PackedAdamW(_Packed, torch.optim.AdamW):
    """AdamW for packed members.

    Parameters
    ----------
    params : iterable of parameters with a leading member axis
    lr, weight_decay : float or sequence of length K
    n_steps : list or None, default=None
        Steps per epoch of each member, or any values that are equal where they are.
    betas : pair of float, default=(0.9, 0.999)
    eps : float, default=1e-8
    """

    _names = ("exp_avg", "exp_avg_sq")

    def __init__(self, params, lr=1e-3, weight_decay=0.0, n_steps=None, **kwargs):
        load_torch_optim()
        super().__init__(params, lr=1e-3, weight_decay=0.0, fused=True, **kwargs)
        self._settle(lr, weight_decay, n_steps)

    def _fused(self, params, grads, moments, counts, lr, decay, group, first):
        counts += 1
        # The kernel that torch.optim.AdamW(fused=True) calls.
        torch._fused_adamw_(
            params,
            grads,
            *moments,
            [],
            [counts[0]] * len(params),
            lr=lr,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=decay,
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )


class PackedSGD(_Packed, torch.optim.SGD):
    """SGD with Nesterov momentum for packed members; weight decay enters the gradient.

    Parameters
    ----------
    params : iterable of parameters with a leading member axis
    lr, weight_decay : float or sequence of length K
    n_steps : list or None, default=None
        Steps per epoch of each member, or any values that are equal where they are.
    momentum : float, default=0.9
    nesterov : bool, default=True
    """

    _names = ("momentum_buffer",)

    def __init__(
        self,
        params,
        lr=1e-2,
        weight_decay=0.0,
        n_steps=None,
        momentum=0.9,
        nesterov=True,
        **kwargs,
    ):
        load_torch_optim()
        super().__init__(
            params, lr=1e-2, momentum=momentum, nesterov=nesterov, fused=True, **kwargs
        )
        self._settle(lr, weight_decay, n_steps)

    def _fused(self, params, grads, moments, counts, lr, decay, group, first):
        counts += 1
        torch._fused_sgd_(
            params,
            grads,
            moments[0] if group["momentum"] else [],
            weight_decay=decay,
            momentum=group["momentum"],
            lr=lr,
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            maximize=False,
            is_first_step=first,
        )


OPTIMIZERS = {"adamw": PackedAdamW, "sgd": PackedSGD}
# What `net_params` sets of them.
ARGUMENTS = {
    "adamw": ("betas", "eps", "amsgrad", "maximize"),
    "sgd": ("momentum", "nesterov", "dampening", "maximize"),
}
