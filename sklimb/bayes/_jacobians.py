"""Derivatives of logits by weights, row by row: of the last layer, and of all layers.

A part is a tensor of weights, seen as a matrix (a, b). Derivatives of the last layer
are products of a feature and a class, which are never multiplied out; those of all
layers are tensors (rows, classes, a, b), made by torch.func in blocks of rows.
"""

import copy

import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

from sklimb.nn.mlp import PackedMLP
from sklimb.nn.packed import PackedLinear

# Most numbers in the derivatives of a block of rows.
_BLOCK_NUMBERS = 2**24
# Rows whose features are held at once.
_ROWS = 4096


def head_of(module):
    """The linear last layer of a packed or stacked network, or None."""
    head = getattr(getattr(module, "members", module), "head", None)
    return head if isinstance(head, PackedLinear | nn.Linear) else None


class LastLayer:
    """The last layer of every member of a module; `net` says how rows are read.

    Parameters
    ----------
    net : skorch net
    module : nn.Module
        Packed or stacked, in evaluation mode.
    """

    def __init__(self, net, module):
        self.net, self.module = net, module
        self.head, self.n_classes = head_of(module), net.n_classes

    def weights(self, k):
        """The parts of member k, (features and bias, classes)."""
        weight, bias = self.head.weight.detach()[k].double(), self.head.bias
        weight = weight.mT if isinstance(self.head, nn.Linear) else weight
        if bias is None:
            return [weight]
        return [torch.cat([weight, bias.detach()[k].double().reshape(1, -1)])]

    def blocks(self, X):
        """(member, rows, logits, derivatives) on encoded rows X, block by block."""
        for begin in range(0, len(X), _ROWS):
            part = X[begin : begin + _ROWS]
            both = self.net._blocks(part, self._both)
            for k, own in enumerate(both):
                h, logits = own[:, : -self.n_classes], own[:, -self.n_classes :]
                if self.head.bias is not None:
                    h = torch.cat([h, h.new_ones(len(h), 1)], 1)
                rows = slice(begin, begin + len(part))
                yield k, rows, logits, Products(h, self.n_classes)

    def _both(self, x):
        """Features and logits, in one pass."""
        h = self.module.embed(x)
        if isinstance(self.head, PackedLinear):
            return torch.cat([h, self.head(h)], -1).double()
        logits = torch.bmm(h, self.head.weight.mT)
        if self.head.bias is not None:
            logits = logits + self.head.bias.unsqueeze(1)
        return torch.cat([h, logits], -1).double()


class AllLayers:
    """All trained weights of every member of a module, by torch.func.

    Parameters are those of `LastLayer`.
    """

    def __init__(self, net, module):
        self.device, self.module = net.device, module
        self.n_classes, self.packed = net.n_classes, isinstance(module, PackedMLP)

    def _network(self, k):
        """(network of member k alone, its weights, all that it does not train)."""
        if self.packed:
            network = copy.deepcopy(self.module).take_([k])
            tensors = dict(network.named_parameters())
            fixed = dict(network.named_buffers())
        else:
            network = copy.deepcopy(self.module.members)
            tensors = {n: p[k] for n, p in network.named_parameters()}
            fixed = {n: b[k] for n, b in network.named_buffers()}
        own = dict(network.named_parameters())
        trained = {n: t.detach() for n, t in tensors.items() if own[n].requires_grad}
        fixed |= {n: t.detach() for n, t in tensors.items() if n not in trained}
        return network.eval(), trained, fixed

    def weights(self, k):
        """The parts of member k, as matrices."""
        _, trained, _ = self._network(k)
        return [self._matrix(t).double() for t in trained.values()]

    def _matrix(self, t, lead=0):
        """A tensor of weights, after `lead` axes of others, as (inputs, outputs)."""
        first = t.shape[:lead]
        if self.packed:  # its axis of one member; outputs come last
            return t.reshape(*first, -1, t.shape[-1])
        if t.ndim <= lead + 1:
            return t.reshape(*first, 1, -1)
        return t.flatten(lead + 1).transpose(lead, lead + 1)

    def blocks(self, X):
        """(member, rows, logits, derivatives) on encoded rows X, block by block."""
        for k in range(self.module.n_members):
            network, trained, fixed = self._network(k)
            lead = (None, None) if self.packed else (None,)

            def logits(weights, x, network=network, fixed=fixed, lead=lead):
                out = functional_call(network, {**weights, **fixed}, (x[lead],))
                return out.flatten(), out.flatten()

            derivatives = vmap(jacrev(logits, has_aux=True), (None, 0))
            n_numbers = self.n_classes * sum(t.numel() for t in trained.values())
            size = max(1, _BLOCK_NUMBERS // n_numbers)
            for begin in range(0, len(X), size):
                x = X[begin : begin + size].to(self.device)
                found, z = derivatives(trained, x)
                parts = [self._matrix(t.detach(), 2) for t in found.values()]
                rows = slice(begin, begin + len(x))
                yield k, rows, z.detach().double(), Tensors(parts)


SUBSETS = {"last_layer": LastLayer, "all": AllLayers}


class Products:
    """Derivatives of the last layer: features (rows, d), a 1 among them, x class."""

    def __init__(self, phi, n_classes):
        self.phi, self.n_classes = phi, n_classes

    def squares(self, root):
        """Sum over rows and outputs of (root J)^2, one (a, b) per part."""
        return [self.phi.square().mT @ root.square().sum(1)]

    def traces(self, root):
        """Sums of (root J)(root J)^T over b, and of its transpose over a, per part."""
        left = (self.phi * root.square().sum((1, 2)).unsqueeze(1)).mT @ self.phi
        long = root * self.phi.square().sum(1)[:, None, None]
        return [(left, torch.einsum("nkc,nke->ce", long, root))]

    def flat(self):
        """Rows of J, as (rows, classes, weights)."""
        eye = torch.eye(self.n_classes).to(self.phi).expand(len(self.phi), -1, -1)
        return (self.phi[:, None, :, None] * eye[:, :, None, :]).flatten(2)

    def times(self, matrix):
        """J times a matrix (weights, n): (rows, classes, n)."""
        d, n = self.phi.shape[1], self.n_classes
        return (self.phi @ matrix.reshape(d, -1)).view(len(self.phi), n, -1)

    def products(self, root):
        """Sum over rows of (root J)^T (root J), (weights, weights)."""
        loss, d, n = root.mT @ root, self.phi.shape[1], self.n_classes
        out = self.phi.new_empty(d, n, d, n)
        for c in range(n):
            for e in range(c + 1):  # symmetric in the classes, and in the features
                own = (self.phi * loss[:, c, e, None]).mT @ self.phi
                out[:, c, :, e] = out[:, e, :, c] = own
        return out.view(d * n, d * n)

    def covariance(self, parts):
        """Of logits (rows, classes, classes), by (U, V, variances) of each part.

        The weights U^T W V are independent; None is no turn.
        """
        ((left, right, variance),) = parts
        phi = self.phi if left is None else self.phi @ left
        along = phi.square() @ variance
        if right is None:
            return torch.diag_embed(along)
        return torch.einsum("cj,nj,dj->ncd", right, along, right)

    def through(self, parts):
        """J times weights (draws, a, b) of each part: (rows, classes, draws)."""
        return torch.einsum("nd,sdc->ncs", self.phi, parts[0])


class Tensors:
    """Derivatives (rows, classes, a, b) of each part."""

    def __init__(self, parts):
        self.parts = parts

    def squares(self, root):
        """As those of `Products`."""
        squares = (self._out(root, j).square().sum((0, 1)) for j in self.parts)
        return [square.double() for square in squares]

    def traces(self, root):
        """As those of `Products`."""
        found = []
        for j in self.parts:
            own = self._out(root, j).flatten(0, 1)
            left = own.transpose(0, 1).flatten(1)
            right = own.flatten(0, 1)
            found.append(((left @ left.mT).double(), (right.mT @ right).double()))
        return found

    @staticmethod
    def _out(root, j):
        # In the network's own numbers: they are many.
        out = root.to(j.dtype) @ j.flatten(2)
        return out.reshape(*out.shape[:2], *j.shape[2:])

    def flat(self):
        """As that of `Products`."""
        return torch.cat([part.flatten(2) for part in self.parts], 2).double()

    def times(self, matrix):
        """As that of `Products`."""
        return self.flat() @ matrix

    def products(self, root):
        """As that of `Products`."""
        parts = [self._out(root, j).flatten(2) for j in self.parts]
        flat = torch.cat(parts, 2).double().flatten(0, 1)
        return flat.mT @ flat

    def covariance(self, parts):
        """As that of `Products`."""
        total = 0.0
        for j, (left, right, variance) in zip(self.parts, parts, strict=True):
            turned = j if right is None else j @ right.to(j.dtype)
            turned = turned if left is None else left.mT.to(j.dtype) @ turned
            long = (turned * variance.sqrt().to(j.dtype)).flatten(2)
            total = total + (long @ long.mT).double()
        return total

    def through(self, parts):
        """As that of `Products`."""
        pairs = zip(self.parts, parts, strict=True)
        moved = (j.flatten(2) @ w.flatten(1).mT.to(j.dtype) for j, w in pairs)
        return sum(part.double() for part in moved)
