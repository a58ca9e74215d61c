"""Explanations of predictions by column, computed with integrated gradients.

The gradient of a class's log odds is integrated along the straight line from an encoded
baseline row to the encoded row; each column gets the part that its own change adds
(Sundararajan et al., "Axiomatic Attribution for Deep Networks", 2017). So the parts of
all columns add up to the whole difference in log odds.

For numbers and missing indicators the line runs between encoded values, for categories
between their learned vectors, since there is nothing between two codes. So it does for
numbers that are embedded by short waves, such as amounts that are mostly 0: what lies
between two of them is many waves and no value that a row has.
"""

import copy
import warnings
from functools import partial
from numbers import Integral

import numpy as np
import pandas as pd
import torch
from sklearn.exceptions import ConvergenceWarning

from sklimb._messages import listed, short
from sklimb.nn import PackedCategoryEmbeddings, PackedPeriodicEmbeddings

__all__ = ["baseline_values"]

# Largest part of the difference that the columns may leave unexplained, in log odds.
TOLERANCE = 5e-4
# Gradients per piece of the line (Gauss-Legendre), and how often pieces are halved.
_NODES, _MAX_HALVINGS = 4, 40
# Waves per standard deviation from which on they are short.
_SHORT_WAVES = 2.0
# Rows per block, and points per pass through the network.
_BLOCK_ROWS, _BLOCK_POINTS = 256, 1024


def baseline_values(classifier):
    """The class-balanced median row of a fitted classifier, in the units of X.

    Parameters
    ----------
    classifier : sklimb classifier for tables
        Fitted.

    Returns
    -------
    list of length n_features_in_
        Numbers and categories; NaN or None for a missing value, "(rare)" for the
        categories that share a code.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.explanation import baseline_values
    >>> X, y = [[1.0, 5.0], [2.0, 5.0], [8.0, 5.0], [9.0, 5.0]] * 5, [0, 0, 0, 1] * 5
    >>> clf = TabularMLPClassifier(max_epochs=1, random_state=0).fit(X, y)
    >>> [round(value, 3) for value in baseline_values(clf)]
    [8.5, 5.0]
    """
    encoder, row = classifier.encoder_, classifier.baseline_
    n = encoder.n_numeric_ + encoder.n_indicators_
    missing = set(encoder.indicator_columns_[row[encoder.n_numeric_ : n] == 1].tolist())
    values = [np.nan] * encoder.n_features_in_
    for j, i in enumerate(encoder.numeric_columns_.tolist()):
        if i not in missing:
            column = encoder._columns[i]
            values[i] = column.decode(row[j], encoder.numeric_transform)
    for j, i in enumerate(encoder.categorical_columns_.tolist()):
        code = int(row[n + j])
        values[i] = encoder._columns[i].kept[code - 1] if code else "(rare)"
    return values


def check_explain(classifier, method, target, n_steps):
    """The code of the class to explain or None, once the arguments are checked.

    Returns
    -------
    int or None
        None is the predicted class of each row.
    """
    if method != "integrated_gradients":
        raise ValueError(f"method must be 'integrated_gradients', got {short(method)}.")
    check_count("n_steps", n_steps)
    labels = classifier.classes_.tolist()
    if target is None:
        return 1 if len(labels) == 2 else None
    if not np.isscalar(target) or target not in labels:
        raise ValueError(
            f"target must be one of the classes {listed(labels)}, got {short(target)}."
        )
    return labels.index(target)


def check_count(name, value):
    """Refuse what is no positive whole number."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an int of at least 1, got {short(value)}.")


def framed(classifier, X, values):
    """A data frame of one value per cell of X, with the names and the index of X."""
    names = getattr(classifier, "feature_names_in_", np.arange(values.shape[1]))
    index = X.index if isinstance(X, pd.DataFrame) else None  # lists have another one
    return pd.DataFrame(values, columns=names, index=index)


def largest(contributions, X, k):
    """The k largest contributions of each row, one below the other."""
    values = contributions.to_numpy()
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    names, n = contributions.columns.to_numpy(), len(values)
    rows = np.repeat(np.arange(n), order.shape[1])
    columns = order.ravel()
    cells = X.to_numpy(dtype=object) if hasattr(X, "to_numpy") else np.asarray(X)
    return pd.DataFrame(
        {
            "row": contributions.index.to_numpy()[rows],
            "column": names[columns],
            "value": cells[rows, columns],
            "contribution": values[rows, columns],
        }
    )


def check_baseline(baseline):
    """Refuse a baseline that is not one row of X."""
    if isinstance(baseline, str) or len(baseline) != 1:
        raise ValueError(
            "baseline must be 'balanced_median' or one row, shaped like X, got "
            f"{short(baseline)}."
        )
    return baseline


def attributions(classifier, X, target, n_steps, baseline):
    """Integrated gradients of a fitted classifier, (rows, n_features_in_).

    Parameters
    ----------
    classifier : sklimb classifier for tables
        Fitted.
    X : array of shape (rows, encoded columns)
    target : integer array of shape (rows,)
        Class code of each row.
    n_steps : int
        Gradients per row, before pieces of the line are halved.
    baseline : array of shape (encoded columns,)

    Raises
    ------
    ValueError
        The network embeds categories in a way that this module does not know.
    """
    out = np.empty(X.shape)
    gap = 0.0
    with torch.inference_mode(False):  # the caller may use inference mode
        line = _Line(classifier, baseline)
        for begin in range(0, len(X), _BLOCK_ROWS):
            rows = slice(begin, begin + _BLOCK_ROWS)
            out[rows], left = _integrate(line, X[rows], target[rows], n_steps)
            gap = max(gap, left)
    if gap > TOLERANCE:
        warnings.warn(
            f"The attributions of a row miss the difference of its log odds by up to "
            f"{gap:.1g}. A larger n_steps={n_steps} comes closer.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return _by_input_column(out, classifier.encoder_)


def _by_input_column(values, encoder):
    """Attributions of encoded columns, summed over each column of X."""
    owner = np.concatenate(
        [
            encoder.numeric_columns_,
            encoder.indicator_columns_,
            encoder.categorical_columns_,
        ]
    )
    out = np.zeros((len(values), encoder.n_features_in_))
    np.add.at(out.T, owner, values.T)
    return out


class _Line:
    """Log odds along the line from the baseline to rows, in float64.

    Works on a copy of the network, whose category embeddings mix the vectors of two
    codes.
    """

    def __init__(self, classifier, baseline):
        net, encoder = classifier.net_, classifier.encoder_
        self.objective = copy.deepcopy(net.criterion_).double().eval()
        self.objective.requires_grad_(False)
        self.device = torch.device(net.device)
        self.weights = torch.tensor(classifier.member_weights_, device=self.device)
        self.start = torch.as_tensor(baseline, dtype=torch.float64, device=self.device)
        self.n_continuous = encoder.n_numeric_ + encoder.n_indicators_
        self.n_columns = len(self.start)
        self._part, self._numbers = None, (self.start, self.start)
        self._mix_waves()
        if encoder.cardinalities_:
            self._mix_categories(type(classifier).__name__)

    def _mix_waves(self):
        for module in self.objective.modules():
            if not isinstance(module, PackedPeriodicEmbeddings):
                continue
            short = (module.frequency.abs() > _SHORT_WAVES).any(-1).any(0).any(-1)
            if short.any():
                module.register_forward_hook(partial(self._mixed_waves, short))

    def _mixed_waves(self, short, module, args, out):
        """Embeddings, those of the `short` columns between the vectors of both ends."""
        x = args[0].detach().clone()
        part, ends = self._numbers
        vectors = []
        for end in (self.start.expand_as(ends), ends):
            x[..., short] = end[:, : len(short)][:, short]
            # `forward`, because a call of the module would run this hook again.
            vectors.append(module.forward(x)[..., short, :])
        part = part[:, : len(short)][:, short].unsqueeze(-1)
        out = out.clone()
        out[..., short, :] = vectors[0] + part * (vectors[1] - vectors[0])
        return out

    def _mix_categories(self, name):
        from rtdl_revisiting_models import CategoricalEmbeddings

        kinds = (PackedCategoryEmbeddings, CategoricalEmbeddings)
        parts = [m for m in self.objective.modules() if isinstance(m, kinds)]
        if not parts:
            raise ValueError(
                f"The network of {name} must embed its categories by "
                "rtdl_revisiting_models.CategoricalEmbeddings to be explained: codes "
                "have nothing between them. Use that class, or encode the categories "
                "as numbers before."
            )
        codes = self.start[self.n_continuous :].long()

        def mix(module, args, end):
            # `forward`, because a call of the module would run this hook again.
            begin = module.forward(codes.expand_as(args[0]))
            return begin + self._part.unsqueeze(-1) * (end - begin)

        for part in parts:
            part.register_forward_hook(mix)

    def log_odds(self, rows, target, position, slopes=False):
        """Log odds of `target` at each row's position, 0 baseline to 1 row itself.

        With `slopes` their derivatives by each column's own position, too,
        (rows, columns).
        """
        values, derivatives = [], []
        for i in range(0, len(rows), _BLOCK_POINTS):
            own = slice(i, i + _BLOCK_POINTS)
            part = position[own, None].expand(-1, self.n_columns).clone()
            with torch.set_grad_enabled(slopes):
                part.requires_grad_(slopes)
                value = self._log_odds(rows[own], target[own], part)
                if slopes:
                    derivatives += torch.autograd.grad(value.sum(), part)
            values.append(value.detach())
        values = torch.cat(values)
        return (values, torch.cat(derivatives)) if slopes else values

    def _log_odds(self, rows, target, part):
        n = self.n_continuous
        numbers = self.start[:n] + part[:, :n] * (rows[:, :n] - self.start[:n])
        self._part, self._numbers = part[:, n:], (part, rows)
        x = torch.cat([numbers, rows[:, n:]], 1).unsqueeze(0)
        log_p = self.objective.log_probability(self.objective.model(x))
        used = self.weights > 0
        log_p = log_p[used] + self.weights[used].log()[:, None, None]
        log_p = torch.logsumexp(log_p, 0)  # of what predict_proba says
        others = log_p.scatter(1, target[:, None], -torch.inf)
        return log_p.gather(1, target[:, None])[:, 0] - torch.logsumexp(others, 1)


def _integrate(line, rows, target, n_steps):
    """Attributions (rows, columns) of encoded rows and the largest gap in their sum.

    The line is cut into pieces. For each, the gap between the sum of the columns and
    the difference in log odds is known exactly: the pieces of a row with the largest
    gaps are halved until all gaps together are less than TOLERANCE.
    """
    rows = torch.tensor(rows, device=line.device, dtype=torch.float64)
    target = torch.tensor(target, device=line.device)
    n, n_pieces = len(rows), max(1, n_steps // _NODES)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes, weights = (torch.tensor(a, device=line.device) for a in (nodes, weights))

    def log_odds(of, position):
        return line.log_odds(rows[of], target[of], position)

    def piece(of, low, high):
        """Each column's part of the way from `low` to `high`."""
        at = (low[:, None] + high[:, None] + (high - low)[:, None] * nodes) / 2
        again = of.repeat_interleave(_NODES)
        _, slope = line.log_odds(rows[again], target[again], at.flatten(), slopes=True)
        slope = slope.view(len(of), _NODES, -1)
        return (slope * weights[:, None]).sum(1) * (high - low)[:, None] / 2

    total = rows.new_zeros(rows.shape)
    gap = rows.new_zeros(n)
    edges = torch.linspace(0, 1, n_pieces + 1, dtype=torch.float64, device=line.device)
    of = torch.arange(n, device=line.device).repeat_interleave(n_pieces)
    low, high = edges[:-1].repeat(n), edges[1:].repeat(n)
    every = torch.arange(n, device=line.device).repeat_interleave(n_pieces + 1)
    value = log_odds(every, edges.repeat(n)).view(n, -1)
    at_low, at_high = value[:, :-1].flatten(), value[:, 1:].flatten()
    for round_ in range(_MAX_HALVINGS + 1):
        parts = piece(of, low, high)
        own = at_high - at_low - parts.sum(1)
        total.index_add_(0, of, parts)
        gap.index_add_(0, of, own)
        kept = (of, low, high, at_low, at_high, parts, own)
        if round_ == 0:
            pieces = kept
        else:
            pieces = tuple(map(torch.cat, zip(pieces, kept, strict=True)))
        worst = _worst(pieces[0], pieces[-1], gap)
        if not worst.any() or round_ == _MAX_HALVINGS:
            break
        of, low, high, at_low, at_high, parts, own = (p[worst] for p in pieces)
        pieces = tuple(p[~worst] for p in pieces)
        total.index_add_(0, of, -parts)
        gap.index_add_(0, of, -own)
        middle = (low + high) / 2
        between = log_odds(of, middle)
        of, low, high = of.repeat(2), *map(torch.cat, ((low, middle), (middle, high)))
        at_low, at_high = torch.cat([at_low, between]), torch.cat([between, at_high])
    return total.cpu().numpy(), float(gap.abs().max()) if n else 0.0


def _worst(of, own, gap):
    """The pieces to halve: those with the largest gaps, of rows that are not done."""
    size = own.abs()
    largest = torch.zeros_like(gap).scatter_reduce_(0, of, size, "amax")
    return (gap.abs() > TOLERANCE)[of] & (size >= largest[of] / 4)
