"""K networks in one program by vmap, for networks without a packed form."""

import copy
from contextlib import contextmanager, nullcontext
from itertools import chain

import torch
from torch import nn
from torch.func import stack_module_state, vmap

from sklimb._messages import short
from sklimb.nn.functional_call import Method, Places, TracedPlaces, replica
from sklimb.nn.seeded_dropout import Noise, SeededDropout, check_dropout, no_draws

_PASSES = ("forward", "embed")
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class StackedMembers(nn.Module):
    """K independent networks of one architecture as one module.

    Every parameter and buffer has the names that it has in one network, after
    "members.", and a leading member axis K.

    Parameters
    ----------
    modules : list of nn.Module
        K networks built alike, each (batch, columns) -> (batch, classes), and with a
        method `embed` -> (batch, d) if features are needed. They are copied.

    Attributes
    ----------
    members : nn.Module
        The architecture, with stacked parameters: not to be called itself.
    packed : bool
        Whether all members run at once. It becomes False at the first call in training
        mode that vmap cannot run; from then on members run one after another, with the
        same results.
    reason : str
        Why `packed` is False; "" while it is True.

    Raises
    ------
    ValueError
        The modules differ in more than their weights, or have dropout that cannot be
        replaced by a seeded one.

    Notes
    -----
    What forward changes in its buffers (running statistics) is kept in training mode.

    In evaluation mode, without masks, nothing of the module is written to, so any
    number of threads may call it. Each call runs a replica of the architecture, like
    those of torch.nn.DataParallel: layers must be reached by their names
    (`self.layer`), and draws of random numbers are not detected.

    **Shape**

    - Input: `(K, batch, columns)`, or `(1, batch, columns)` for the same rows
    - Output: `(K, batch, n_classes)`

    Examples
    --------
    >>> import torch
    >>> from sklimb.nn.stacked import StackedMembers
    >>> stacked = StackedMembers([torch.nn.Linear(4, 2) for _ in range(3)])
    >>> stacked.members.weight.shape, stacked(torch.ones(1, 5, 4)).shape
    (torch.Size([3, 2, 4]), torch.Size([3, 5, 2]))
    """

    # Rows of an inference block; None takes those of the device.
    block_rows: int | None = None

    def __init__(self, modules):
        super().__init__()
        modules = list(modules)
        if not modules:
            raise ValueError("modules must hold at least one network, got none.")
        signatures = [_signature(m) for m in modules]
        for k, signature in enumerate(signatures):
            _check_equal(signatures[0], signature, f"member {k}")
        check_dropout(modules[0])
        self.n_members = len(modules)
        self.training = modules[0].training
        self.packed, self.reason, self._frozen = True, "", False
        self._noise, self._name = Noise(), type(modules[0]).__name__
        self.members = copy.deepcopy(modules[0])
        parameters, buffers = stack_module_state(modules)
        self._put({**parameters, **buffers})
        for parent in list(self.members.modules()):
            for name, child in parent._modules.items():
                if type(child) is nn.Dropout:
                    setattr(parent, name, SeededDropout(child.p, self._noise))
        # Made once: torch.compile cannot trace modules that are made in a pass.
        self._methods = {name: Method(self.members, name) for name in _PASSES}

    def forward(self, x, masks=None):
        """Logits, (K, batch, n_classes).

        Parameters
        ----------
        x : tensor of shape (K, batch, columns) or (1, batch, columns)
        masks : int64 tensor of shape (K,) or None
            One seed per member, from which all dropout masks of this call follow; None
            drops nothing. Equal seeds give equal masks, whatever K is.
        """
        return self._run("forward", x, masks)

    def embed(self, x, masks=None):
        """Penultimate features, (K, batch, d); arguments as those of `forward`."""
        if not hasattr(self.members, "embed"):
            raise AttributeError(
                f"{self._name} has no method embed, so it has no features to return. "
                "Give it embed(x) -> (batch, d), what its last layer sees."
            )
        return self._run("embed", x, masks)

    @contextmanager
    def frozen_statistics(self):
        """Within it, forward leaves all buffers as they are, in training mode too.

        For the second pass of a step (SAM): BatchNorm still normalises by the batch,
        but its running statistics saw these rows in the first pass.
        """
        before, self._frozen = self._frozen, True
        try:
            yield
        finally:
            self._frozen = before

    @property
    def row_work(self):
        """Multiplications of one member per row, 0 if the network does not tell."""
        return getattr(self.members, "row_work", 0)

    @property
    def needs_two_rows(self):
        """Whether a training batch of one row fails."""
        return any(isinstance(m, _BATCH_NORMS) for m in self.members.modules())

    def mask_widths(self):
        """The kind of `masks` that forward takes: seeds where there is dropout."""
        drops = any(isinstance(m, SeededDropout) for m in self.members.modules())
        return "seeds" if drops else []

    def member_tensors(self):
        """All tensors that training may change, (K, ...): parameters, then buffers."""
        return [*self.members.parameters(), *self.members.buffers()]

    def take_(self, members):
        """Keep only the members of the given indices; parameters stay the objects.

        No graph of an earlier forward may be alive: autograd keeps their old shapes.
        """
        device = next(self.members.parameters()).device
        index = torch.arange(self.n_members, device=device)[members]
        self._put({n: t.detach()[index] for n, t in self._tensors()})
        self.n_members = len(index)
        return self

    def take(self, members):
        """A new StackedMembers with copies of the members of the given indices."""
        return copy.deepcopy(self).take_(members)

    def split(self, sizes):
        """Consecutive members, sizes[0] of them, then sizes[1] and so on."""
        if sum(sizes) != self.n_members or min(sizes) < 1:
            raise ValueError(
                f"sizes must be positive and add up to {self.n_members}, the number of "
                f"members, got {short(sizes)}."
            )
        return [self.take(i) for i in torch.arange(self.n_members).split(sizes)]

    @classmethod
    def join(cls, stacks):
        """One StackedMembers with copies of the members of all `stacks`, in order."""
        stacks = list(stacks)
        signatures = [_signature(s.members, 1) for s in stacks]
        for i, signature in enumerate(signatures):
            _check_equal(signatures[0], signature, f"stack {i}")
        parts = [dict(s._tensors()) for s in stacks]
        joined = copy.deepcopy(stacks[0])
        joined._put({n: torch.cat([p[n].detach() for p in parts]) for n in parts[0]})
        joined.n_members = sum(s.n_members for s in stacks)
        joined.packed = all(s.packed for s in stacks)
        joined.reason = next((s.reason for s in stacks if s.reason), "")
        return joined

    def _tensors(self):
        return chain(self.members.named_parameters(), self.members.named_buffers())

    def _put(self, tensors):
        # Through .data the objects stay, so tied weights and optimisers stay valid.
        for name, t in self._tensors():
            t.data, t.grad = tensors[name].detach(), None

    def _run(self, method, x, masks):
        n = self.n_members
        if x.ndim != 3 or x.shape[0] not in (1, n):
            raise ValueError(
                f"x must have shape ({n}, batch, columns) or (1, batch, columns), got "
                f"{tuple(x.shape)}."
            )
        keys = None
        if masks is not None:
            if masks.dtype != torch.int64 or masks.shape != (n,):
                raise ValueError(
                    f"masks must be None or int64 seeds of shape ({n},), one a member, "
                    f"got {masks.dtype} of shape {tuple(masks.shape)}."
                )
            keys = Noise.keys(masks.to(x.device))
        # torch.compile cannot trace how Places exchanges tensors.
        if torch.compiler.is_compiling():
            places = TracedPlaces(self._methods)
        elif self._may_write(keys):
            places = Places(self.members)
        else:
            places = Places(replica(self.members))
            return self._packed_or_one_by_one(places, method, x, None)[0]
        try:
            out, buffers = self._packed_or_one_by_one(places, method, x, keys)
        except ValueError as error:
            norms = [m for m in self.members.modules() if isinstance(m, _BATCH_NORMS)]
            if not (self.training and norms and x.shape[1] == 1):
                raise
            raise ValueError(
                "A batch of one row cannot be used to train a network with BatchNorm: "
                "one row has no variance. Choose a batch_size that leaves no batch of "
                "one row at the end of an epoch."
            ) from error
        if self.training and not self._frozen and buffers:
            with torch.no_grad():
                torch._foreach_copy_(places.buffers, buffers)
        return out

    def _may_write(self, keys):
        """Whether a call may write to this module, as only one thread at a time may."""
        return self.training or keys is not None

    def _packed_or_one_by_one(self, places, method, x, keys):
        if not self.packed or self.n_members == 1:  # vmap costs time per operation
            return self._one_by_one(places, method, x, keys)
        rows, row_axis = (x, 0) if x.shape[0] == self.n_members else (x[0], None)
        axes = (0, 0, None if keys is None else 0, row_axis)
        run, *state = self._member(places, method)
        try:
            return vmap(run, axes, randomness="error")(*state, keys, rows)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            # If the network fails and not vmap, this raises.
            result = self._one_by_one(places, method, x, keys)
            if self._may_write(keys):
                self.packed = False
                self.reason = (
                    f"{self._name} cannot run under torch.func.vmap, so members are "
                    "trained one after another: " + str(error).splitlines()[0]
                )
            return result

    def _one_by_one(self, places, method, x, keys):
        run, *state = self._member(places, method)
        # With p[k], each member's backward would fill a whole (K, ...) tensor.
        members = [[_unbind(t) for t in tensors] for tensors in state]
        results = []
        # Other threads may draw while this one predicts. torch.compile cannot trace how
        # the generators are read.
        looks = self._may_write(keys) and not torch.compiler.is_compiling()
        with no_draws(x.device, self._name) if looks else nullcontext():
            for k in range(self.n_members):
                own = ([t[k] for t in tensors] for tensors in members)
                key = None if keys is None else keys[k]
                results.append(run(*own, key, x[k if len(x) > 1 else 0]))
        outs, kept = zip(*results, strict=True)
        return _stack(outs), [_stack(parts) for parts in zip(*kept, strict=True)]

    def _member(self, places, method):
        """A function of one member's parameters, buffers, key and rows; all members'.

        Buffers are copies in training: a failed pass leaves no trace.
        """
        buffers = places.buffers
        if self.training:
            buffers = [t.clone() for t in buffers]

        def run(parameters, buffers, key, x):
            if key is None:
                return places.call(method, parameters, buffers, x)
            self._noise.start(key)
            try:
                return places.call(method, parameters, buffers, x)
            finally:
                self._noise.start(None)

        return run, places.parameters, buffers


def _signature(module, lead=0):
    """What must agree between networks: {where: what}; shapes without `lead` axes."""
    found = {}
    for path, part in module.named_modules():
        found[f"the class of {path or 'the network'}"] = type(part)
        for name, value in vars(part).items():
            items = value if isinstance(value, tuple) else (value,)
            if all(isinstance(item, bool | int | float | str) for item in items):
                found[f"{path}.{name}".lstrip(".")] = value
    for path, t in chain(module.named_parameters(), module.named_buffers()):
        found[path] = (tuple(t.shape[lead:]), t.dtype, t.requires_grad)
    return found


def _check_equal(first, other, whose):
    for where in {**first, **other}:
        if first.get(where) != other.get(where):
            raise ValueError(
                "Networks must be built alike to be stacked, but "
                f"{where} is {first.get(where)} in the first one and "
                f"{other.get(where)} in {whose}. Build all with the same arguments."
            )


def _unbind(tensor):
    """Members of (K, ...); of a single one without a copy of its gradient."""
    return tensor.unbind() if len(tensor) > 1 else (tensor.squeeze(0),)


def _stack(tensors):
    return torch.stack(tensors) if len(tensors) > 1 else tensors[0].unsqueeze(0)
