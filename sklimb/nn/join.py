"""Joined packs: members whose tables differ, padded to a common layout.

Folds of a cross-validation differ in their encoded columns: missing indicators,
cardinalities, bins, constant columns. Padding is zeros that never get a signal, and
therefore no gradient, so that a member learns the same as alone.
"""

from dataclasses import dataclass

import torch

from sklimb.nn.mlp import PackedMLP


@dataclass(frozen=True)
class Layout:
    """Columns of an encoded table.

    Attributes
    ----------
    n_numeric : int
    indicators : tuple of int
        Which input column each missing indicator belongs to.
    cardinalities : tuple of int
    """

    n_numeric: int
    indicators: tuple
    cardinalities: tuple

    @classmethod
    def of(cls, encoder):
        """The layout that a fitted TabularEncoder writes."""
        return cls(
            encoder.n_numeric_,
            tuple(encoder.indicator_columns_.tolist()),
            tuple(encoder.cardinalities_),
        )

    @classmethod
    def common(cls, layouts):
        """The layout that holds all: every indicator, the largest cardinalities."""
        indicators = sorted({i for layout in layouts for i in layout.indicators})
        cardinalities = zip(*(layout.cardinalities for layout in layouts), strict=True)
        n_numeric = layouts[0].n_numeric
        return cls(n_numeric, tuple(indicators), tuple(map(max, cardinalities)))

    @property
    def n_columns(self):
        return self.n_numeric + len(self.indicators) + len(self.cardinalities)

    def columns_in(self, common):
        """Position of each column of this layout in the common one."""
        first = common.n_numeric
        indicators = [first + common.indicators.index(i) for i in self.indicators]
        codes = range(first + len(common.indicators), common.n_columns)
        return torch.tensor([*range(first), *indicators, *codes], dtype=torch.long)


def join(modules, layouts):
    """One packed module with the members of all `modules`; weights are copied."""
    if isinstance(modules[0], PackedMLP):
        return join_mlps(modules, layouts)
    return type(modules[0]).join(modules)


def split(joined, modules, layouts):
    """Write the weights of a joined module back into those that it was made of."""
    if isinstance(joined, PackedMLP):
        split_mlps(joined, modules, layouts)
        return
    begin = 0
    for module in modules:
        tensors = zip(module.member_tensors(), joined.member_tensors(), strict=True)
        with torch.no_grad():
            for own, whole in tensors:
                own.copy_(whole[begin : begin + module.n_members])
        begin += module.n_members


@torch.no_grad()
def join_mlps(modules, layouts):
    """One PackedMLP with the members of all `modules`, in their order.

    Parameters
    ----------
    modules : list of PackedMLP
        Equal but for the number of members, the layouts and the bins; all have lines,
        or none has.
    layouts : list of Layout

    Returns
    -------
    PackedMLP
        Its weights are copies; `split_mlps` writes them back.
    """
    common = Layout.common(layouts)
    first = modules[0]
    edges = _edges(max(_n_bins(m) for m in modules) + 1, common.n_numeric, first)
    joined = PackedMLP(
        sum(m.n_members for m in modules),
        common.n_numeric,
        len(common.indicators),
        common.cardinalities,
        first.head.weight.shape[-1],
        n_blocks=first.n_blocks,
        d_block=first.d_block,
        num_embeddings=first.num_embeddings,
        d_embedding=getattr(first.numbers or first.categories, "d_embedding", 1),
        n_frequencies=getattr(first.numbers, "n_frequencies", 1),
        frequency_scale=1.0,
        edges=edges,
        cosine_head=first.cosine_head,
        n_lines=first.n_lines,
    ).to(first.head.weight)
    begin = 0
    for module, layout in zip(modules, layouts, strict=True):
        rows = slice(begin, begin + module.n_members)
        own = dict(module.named_parameters())
        for name, p in joined.named_parameters():
            dim, index = _positions(name, module, layout, joined, common)
            if dim is None:
                p[rows] = own[name]
            else:
                p[rows] = 0.0
                p[rows].index_copy_(dim, index, own[name].to(p))
        begin += module.n_members
    _join_buffers(joined, modules)
    return joined


@torch.no_grad()
def split_mlps(joined, modules, layouts):
    """Write the weights of a joined pack back into the packs that it was made of."""
    common = Layout.common(layouts)
    begin = 0
    for module, layout in zip(modules, layouts, strict=True):
        rows = slice(begin, begin + module.n_members)
        own = dict(module.named_parameters())
        for name, p in joined.named_parameters():
            dim, index = _positions(name, module, layout, joined, common)
            kept = p[rows] if dim is None else p[rows].index_select(dim, index)
            own[name].copy_(kept)
        begin += module.n_members


def _positions(name, module, layout, joined, common):
    """(axis, positions in the joined parameter) of a padded parameter, or None."""
    device = joined.head.weight.device
    if name == "blocks.0.weight":
        widths = torch.tensor(joined.widths)
        start = widths.cumsum(0) - widths
        columns = layout.columns_in(common).tolist()
        rows = [torch.arange(widths[c].item()) + start[c] for c in columns]
        return 1, torch.cat(rows).to(device)
    if name == "lines.weight":
        n_continuous = layout.n_numeric + len(layout.indicators)
        return 1, layout.columns_in(common)[:n_continuous].to(device)
    if name in ("categories.weight", "lines.categories.weight"):
        sizes = torch.tensor(common.cardinalities)
        start = (sizes.cumsum(0) - sizes).tolist()
        pairs = zip(layout.cardinalities, start, strict=True)
        return 1, torch.cat([torch.arange(n) + s for n, s in pairs]).to(device)
    if name == "numbers.weight" and module.num_embeddings == "ple":
        return 2, torch.arange(_n_bins(module), device=device)
    return None, None


def _n_bins(module):
    return module.numbers.weight.shape[2] if _has_bins(module) else 0


def _has_bins(module):
    return module.num_embeddings == "ple" and module.numbers is not None


def _edges(n_edges, n_numeric, like):
    if not _has_bins(like):
        return None
    return torch.zeros(n_numeric, n_edges, dtype=like.head.weight.dtype)


def _join_buffers(joined, modules):
    """Each member gets its own live columns and bins."""
    like = joined.head.weight
    live = [m.live.to(like) for m in modules]
    if all(own.ndim == 1 and own.equal(live[0]) for own in live):
        joined.live = live[0].clone()
    else:
        pairs = zip(live, modules, strict=True)
        joined.live = torch.cat([own.expand(m.n_members, 1, -1) for own, m in pairs])
        joined.per_member = ("live",)
    joined.all_live = all(m.all_live for m in modules)
    if not _has_bins(joined):
        return
    numbers = joined.numbers
    # A bin that pads: slope 0, so its position is 0 whatever x is.
    empty = {"slope": 0.0, "offset": 0.0, "low": 0.0, "high": 1.0}
    n_bins = _n_bins(joined)
    for name, value in empty.items():
        shape = (joined.n_members, joined.n_numeric, 1, n_bins)
        buffer = torch.full(shape, value, dtype=like.dtype, device=like.device)
        begin = 0
        for m in modules:
            own = getattr(m.numbers, name)
            buffer[begin : begin + m.n_members, ..., : own.shape[-1]] = own
            begin += m.n_members
        setattr(numbers, name, buffer)
    numbers.per_member = tuple(empty)
