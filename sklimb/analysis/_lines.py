"""Where the prediction changes along straight lines from rows."""

import torch

# How far a line is followed, in lengths of the step to its linear crossing.
_FARTHEST = 16.0
# A lead of this share of that at the start is near enough for the secant to end on the
# boundary: its own error is of second order.
_NEAR, _MAX_ROOT_STEPS = 1e-2, 40


def lead(s, predicted):
    """Score of the predicted class less the best other one."""
    of = predicted.unsqueeze(-1)
    return s.gather(-1, of)[..., 0] - s.scatter(-1, of, -torch.inf).amax(-1)


@torch.no_grad()
def crossing(at, start, path, value, predicted, limit):
    """Share of `path` at which the prediction changes, infinite if it does not.

    A crossing farther away than `limit` is of no use and not looked for. The end of the
    path is looked at, then points beyond until the crossing is bracketed; the bracket
    is cut at the secant or halved (Illinois) until the lead of the predicted class is
    _NEAR of that at the start, where a last secant ends.
    """
    length = path.norm(dim=-1)
    here = value <= 0  # on the boundary as it stands: the distance 0
    dead = ~(length > 0) | ~length.isfinite()
    low, low_value = torch.zeros_like(length), value.clone()

    def lead_at(t, rows):
        free = start[:, rows] + t.unsqueeze(-1) * path[:, rows]
        return lead(at(free, rows), predicted[:, rows])

    every = torch.arange(start.shape[1], device=start.device)
    farthest = torch.where(dead, 1.0, limit / length).clamp_max(_FARTHEST)
    high = farthest.clamp_max(1.0)
    high_value = lead_at(high, every)
    close = _NEAR * value

    def rows_where(open_):
        return open_.any(0).nonzero()[:, 0]

    def ahead():
        return (high_value > close) & ~dead & ~here & (high < farthest)

    while len(rows := rows_where(ahead())):
        live, f = ahead()[:, rows], high_value[:, rows]
        t, fall = high[:, rows], low_value[:, rows] - f
        # Where the secant crosses, and a little farther, within bounds.
        reach = t + 1.1 * f * (t - low[:, rows]) / fall.clamp_min(1e-300)
        reach = torch.where(fall > 0, reach.clamp(1.1 * t, 3 * t), 3 * t)
        reach = torch.minimum(reach, farthest[:, rows])
        low[:, rows] = torch.where(live, t, low[:, rows])
        low_value[:, rows] = torch.where(live, f, low_value[:, rows])
        high[:, rows] = torch.where(live, reach, t)
        high_value[:, rows] = torch.where(live, lead_at(high[:, rows], rows), f)
    lost = dead | (high_value > close)

    def wide():
        return (high_value < -close) & (low_value > close) & ~lost & ~here

    side = torch.zeros_like(length)
    # An end that stays twice pulls the secant towards it by half its value.
    low_pull, high_pull = torch.ones_like(length), torch.ones_like(length)
    for i in range(_MAX_ROOT_STEPS):
        rows = rows_where(wide())
        if not len(rows):
            break
        live = wide()[:, rows]
        a, b = low[:, rows], high[:, rows]
        fa, fb = low_value[:, rows], high_value[:, rows]
        pa, pb = low_pull[:, rows], high_pull[:, rows]
        cut = _secant(a, b, pa * fa, pb * fb)
        usable = (cut > a) & (cut < b) & (i % 4 != 3)
        cut = torch.where(usable, cut, (a + b) / 2)
        f = lead_at(cut, rows)
        own, before = f > 0, side[:, rows]
        to_low, to_high = live & own, live & ~own
        low[:, rows] = torch.where(to_low, cut, a)
        low_value[:, rows] = torch.where(to_low, f, fa)
        high[:, rows] = torch.where(to_high, cut, b)
        high_value[:, rows] = torch.where(to_high, f, fb)
        low_pull[:, rows] = _pulled(own, to_high & (before < 0), pa)
        high_pull[:, rows] = _pulled(~own, to_low & (before > 0), pb)
        side[:, rows] = own.to(fa.dtype) * 2 - 1
    end = _secant(low, high, low_value, high_value)
    return torch.where(here, 0.0, torch.where(lost, torch.inf, end))


def _pulled(moved, stays, pull):
    """Weight of an end's value: 1 once it moves, halved while it stays."""
    return torch.where(moved, 1.0, torch.where(stays, pull / 2, pull))


def _secant(a, b, fa, fb):
    """Where the line through two points crosses 0."""
    return (a * fb - b * fa) / (fb - fa)
