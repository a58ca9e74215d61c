"""Calls of a network on other tensors than its own, as by `functional_call`.

torch's own walks over all names several times per call: 1 ms for a ResNet-8, which is
more than the arithmetic of a small table's batch. torch.compile walks once, and can
trace torch's own alone.
"""

from torch import nn
from torch.func import functional_call

# The dicts of nn.Module that its attributes are looked up in.
_TABLES = ("_parameters", "_buffers", "_modules")


class Places:
    """The dicts, of a network's parts, that hold its parameters and buffers.

    To be made anew for each use, because parts of a network may be replaced.

    Parameters
    ----------
    module : nn.Module

    Attributes
    ----------
    parameters, buffers : list of tensors
        Each once, also if several parts share it, in the order of `named_parameters`
        and `named_buffers`.
    """

    def __init__(self, module):
        self.module = module
        parts = _parts(module, {}).values()
        self.parameters, self._parameters = _places(p._parameters for p in parts)
        self.buffers, self._buffers = _places(p._buffers for p in parts)

    def call(self, method, parameters, buffers, x):
        """The output of a method of the network, and its buffers after it.

        Parameters
        ----------
        method : str
        parameters, buffers : lists of tensors
            Used instead of the network's own ones, which stay as they are.
        x : tensor
        """
        _put(self._parameters, parameters)
        _put(self._buffers, buffers)
        try:
            out = getattr(self.module, method)(x)
            # forward may have assigned a buffer anew.
            after = [table[name] for (table, name), *_ in self._buffers]
        finally:
            _put(self._parameters, self.parameters)
            _put(self._buffers, self.buffers)
        return out, after


class Method(nn.Module):
    """`module.name(x)` as a forward, which is all that functional_call calls."""

    def __init__(self, module, name):
        super().__init__()
        self.module, self.name = module, name

    def forward(self, x):
        return getattr(self.module, self.name)(x)


class TracedPlaces:
    """`Places` for torch.compile.

    Parameters
    ----------
    methods : dict
        The network's methods as Method.
    """

    def __init__(self, methods):
        self.methods = methods
        module = methods["forward"].module
        named = dict(module.named_parameters()), dict(module.named_buffers())
        self.names = [[f"module.{name}" for name in tensors] for tensors in named]
        self.parameters, self.buffers = (list(tensors.values()) for tensors in named)

    def call(self, method, parameters, buffers, x):
        """As `Places.call`."""
        tensors = [*parameters, *buffers]
        state = dict(zip([*self.names[0], *self.names[1]], tensors, strict=True))
        out = functional_call(self.methods[method], state, (x,))
        # functional_call has put into `state` what forward assigned anew.
        return out, [state[name] for name in self.names[1]]


def replica(module):
    """A network of the same tensors in dicts of its own, for one thread to write to.

    As torch.nn.DataParallel makes its replicas, in a quarter of the time. Attributes
    that are plain dicts, where networks cache what they compute, are copied too. All
    others are shared: layers must be reached by their names (`self.layer`), not by
    lists or bound methods that were put aside.
    """
    return _replica(module, {})


def _replica(module, made):
    if id(module) not in made:
        made[id(module)] = new = module.__new__(type(module))
        own = vars(new)  # nn.Module.__setattr__ is slow
        for name, value in vars(module).items():
            copied = type(value) is dict or name in _TABLES
            own[name] = value.copy() if copied else value
        for name, child in own["_modules"].items():
            if child is not None:
                own["_modules"][name] = _replica(child, made)
    return made[id(module)]


def _parts(module, seen):
    """All modules in a network, each once."""
    if id(module) not in seen:
        seen[id(module)] = module
        for child in module._modules.values():
            if child is not None:
                _parts(child, seen)
    return seen


def _places(tables):
    """The tensors in dicts, and for each the (dict, name) pairs that hold it."""
    tensors, places = {}, {}
    for table in tables:
        for name, tensor in table.items():
            if tensor is not None:
                tensors[id(tensor)] = tensor
                places.setdefault(id(tensor), []).append((table, name))
    return list(tensors.values()), list(places.values())


def _put(places, tensors):
    for held, tensor in zip(places, tensors, strict=True):
        for table, name in held:
            table[name] = tensor
