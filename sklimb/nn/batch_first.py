"""The networks of a pack as plain ones, batch first, as other libraries take them.

A packed network has its member axis first, runs in blocks of one shape and chooses its
products by the number of rows. torch.export, explainers and ONNX want one function of
(batch, columns) with any number of rows.
"""

import copy
from itertools import chain

import torch
from torch import nn

from sklimb.nn.mlp import PackedMLP
from sklimb.nn.packed import PackedCosineLinear, PackedLinear
from sklimb.nn.resnets import CosineLinear
from sklimb.nn.seeded_dropout import SeededDropout


class PlainMLP(nn.Module):
    """One member of a PackedMLP.

    Parameters
    ----------
    packed : PackedMLP
        With one member; its layers are replaced.

    **Shape**

    - Input: `(batch, columns)`
    - Output: `(batch, n_classes)`
    """

    def __init__(self, packed):
        super().__init__()
        self.blocks = nn.ModuleList(map(plain_layer, packed.blocks))
        self.head = plain_layer(packed.head)
        packed.blocks, packed.head = nn.ModuleList(), nn.Identity()
        self.columns = packed

    def embed(self, x):
        """Penultimate features, (batch, d_block)."""
        x = x.unsqueeze(0)
        h = self.columns.inputs(x).squeeze(0)
        for block in self.blocks:
            h = torch.relu(block(h))
        return self.columns.with_lines(x, h.unsqueeze(0)).squeeze(0)

    def forward(self, x):
        return self.head(self.embed(x))


class Attention(nn.Module):
    """rtdl's attention with its weights, for any number of rows.

    `len(q)`, by which rtdl shapes the heads, is a constant in torch.export.

    **Shape**

    - Input: `(batch, n_queries, d)`, `(batch, n_tokens, d)`
    - Output: `(batch, n_queries, d)`
    """

    def __init__(self, like):
        super().__init__()
        self.W_q, self.W_k, self.W_v = like.W_q, like.W_k, like.W_v
        self.W_out, self.dropout = like.W_out, like.dropout
        self.n_heads = like._n_heads

    def forward(self, x_q, x_kv):
        parts = (self.W_q(x_q), self.W_k(x_kv), self.W_v(x_kv))
        q, k, v = (t.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for t in parts)
        weights = torch.softmax(q @ k.mT / k.shape[-1] ** 0.5, -1)
        if self.dropout is not None:
            weights = self.dropout(weights)
        out = (weights @ v).transpose(1, 2).flatten(-2)
        return out if self.W_out is None else self.W_out(out)


class AnyRowsLinear(nn.Module):
    """A PackedLinear whose product does not depend on the number of rows.

    **Shape**

    - Input: `(K, batch, d_in)`
    - Output: `(K, batch, d_out)`
    """

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, x):
        return torch.baddbmm(self.bias, x, self.weight)


@torch.no_grad()
def plain_layer(layer):
    """The torch.nn.Linear, or CosineLinear, of a packed layer with one member."""
    weight = layer.weight.detach()[0].T.contiguous()
    d_out, d_in = weight.shape
    with torch.device("meta"):
        cosine = isinstance(layer, PackedCosineLinear)
        plain = CosineLinear(d_in, d_out) if cosine else nn.Linear(d_in, d_out)
    plain.weight = nn.Parameter(weight.clone())
    if not cosine:
        plain.bias = nn.Parameter(layer.bias.detach()[0, 0].clone())
    return plain


def plain_members(module):
    """Copies of the networks of a pack, each (batch, columns) -> (batch, n_classes).

    Parameters
    ----------
    module : PackedMLP or StackedMembers
        It is left as it is.

    Returns
    -------
    torch.nn.ModuleList
        K networks in evaluation mode, with a method `embed` where the pack has one.
    """
    return nn.ModuleList(plain_member(module, k) for k in range(module.n_members))


@torch.no_grad()
def plain_member(module, k):
    """A copy of network k of a pack, in evaluation mode."""
    if isinstance(module, PackedMLP):
        return PlainMLP(copy.deepcopy(module).take_([k])).eval()
    one = copy.deepcopy(module.members)
    for tensor in chain(one.parameters(), one.buffers()):
        # A clone: a view would keep the weights of all members.
        tensor.data, tensor.grad = tensor.data[k].clone(), None
    return plain(one).eval()


def plain(network):
    """A network whose layers of ours and of rtdl are exchanged for plain ones."""
    for parent in list(network.modules()):
        for name, child in parent._modules.items():
            if isinstance(child, SeededDropout):
                setattr(parent, name, nn.Dropout(child.p))
            elif isinstance(child, PackedLinear):
                setattr(parent, name, AnyRowsLinear(child.weight, child.bias))
            elif type(child).__name__ == "MultiheadAttention" and hasattr(child, "W_q"):
                setattr(parent, name, Attention(child))
    return network
