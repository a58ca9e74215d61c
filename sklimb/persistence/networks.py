"""The network of a file, built only as large as the tensors that the file holds."""

import math

import torch
from torch.overrides import TorchFunctionMode

# Beside what a file's own numbers are: small networks make a few helpers more.
_SPARE_NUMBERS, _SPARE_CALLS = 1_000_000, 5_000
_CALLS_PER_TENSOR = 300
# A row of more numbers is not sent through a network to try it.
_LONGEST_TRIAL = 200_000
_LARGEST = 2**40
# Buffers of positions, which follow from the sizes.
_POSITIONS = ("categories.start", "lines.categories.start")
_SIZED = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)
_LIKE = (torch.empty_like, torch.zeros_like, torch.ones_like)


def build(estimator, config, state, dtype):
    """The network that a header describes, with the tensors of its file.

    Of one member first: names, types and shapes are compared before all members get
    their memory.

    Parameters
    ----------
    estimator : classifier with an encoder and classes
    config : dict
        Its `module_config_`.
    state : dict
        Name -> tensor.
    dtype : torch.dtype
        Of all weights.

    Raises
    ------
    ValueError
        The header describes no network, or another one than that of the tensors.
    """
    _check_config(estimator, config, state)
    n_members = config["n_members"]
    one = {**config, "n_members": 1}
    with _told():
        with _budget(state):
            single = estimator._build_module(one).to(dtype)
        _compare(single, state, n_members)
        module = single if n_members == 1 else estimator._build_module(config).to(dtype)
        _take(module, state)
    return module


def build_part(make, state):
    """A module beside the network, such as a last layer, with the tensors of its file.

    Parameters
    ----------
    make : callable
        Returns the module.
    state : dict
        Name -> tensor.

    Raises
    ------
    ValueError
        The module has other tensors.
    """
    with _told():
        with _budget(state):
            module = make()
        kept = module.state_dict()
        if set(kept) != set(state):
            raise ValueError("the tensors of a part are not those of its kind.")
        for name, own in kept.items():
            check_like(name, state[name], own)
        module.load_state_dict(state)
    return module


def check_like(name, value, own):
    """Refuse a tensor of another shape or type than `own`, or without values."""
    if value.shape != own.shape or value.dtype != own.dtype:
        raise ValueError(
            f"its {name} has shape {tuple(value.shape)} and type {value.dtype}, not "
            f"{tuple(own.shape)} and {own.dtype}."
        )
    if value.is_floating_point() and not value.isfinite().all():
        raise ValueError(f"its {name} has values that are no numbers.")


def try_one_row(estimator, module, dtype):
    """Refuse a network that cannot read a row of the encoder, or answers no numbers."""
    width = n_columns(estimator)
    if width > _LONGEST_TRIAL:
        return
    net, n_classes = estimator.net_, len(estimator.classes_)
    with _told(), torch.no_grad():
        x = torch.zeros(1, 1, width, dtype=dtype, device=net.device)
        log_p = net.criterion_.log_probability(module(x))
    if log_p.shape != (module.n_members, 1, n_classes) or log_p.isnan().any():
        raise ValueError("its network gives no probabilities.")


def _budget(state):
    """What a module of these tensors may take to be made."""
    n_numbers = sum(t.numel() for t in state.values())
    return _Budget(
        3 * n_numbers + _SPARE_NUMBERS, _CALLS_PER_TENSOR * len(state) + _SPARE_CALLS
    )


class _Budget(TorchFunctionMode):
    """Within it no more numbers are allocated, nor functions of torch called."""

    def __init__(self, n_numbers, n_calls):
        super().__init__()
        self.n_numbers, self.n_calls = n_numbers, n_calls

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        self.n_calls -= 1
        if func in _SIZED:
            size = kwargs.get("size", args)
            size = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
            self.n_numbers -= math.prod(size)
        elif func in _LIKE:
            self.n_numbers -= args[0].numel()
        elif func is torch.full:
            self.n_numbers -= math.prod(kwargs.get("size", args[0] if args else ()))
        elif func is torch.arange:
            ends = [abs(v) for v in args if isinstance(v, int | float)]
            self.n_numbers -= int(max(ends, default=0))
        if self.n_numbers < 0 or self.n_calls < 0:
            raise ValueError("its header describes a larger network than it holds.")
        return func(*args, **kwargs)


class _told:
    """Within it every error is a ValueError: the network may be a user's own."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, Exception) and not isinstance(error, ValueError):
            reason = (str(error).splitlines() or [""])[0][:200]
            raise ValueError(
                f"its network cannot be built: {kind.__name__}: {reason}"
            ) from error


def _check_config(estimator, config, state):
    """Refuse sizes that do not agree with encoder, classes and number of tensors."""
    encoder = estimator.encoder_
    n_members = config.get("n_members")
    if type(n_members) is not int or n_members != len(estimator.member_seeds_):
        raise ValueError("its network does not have the members of its attributes.")
    sizes = {**config, **_dict(config.get("network", {}))}
    for name, value in sizes.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int | float) and not abs(number) < _LARGEST:
                raise ValueError(f"its network has {name}={str(value)[:40]}.")
    wanted = {
        "n_numeric": encoder.n_numeric_,
        "n_indicators": encoder.n_indicators_,
        "cardinalities": list(encoder.cardinalities_),
        "n_classes": len(estimator.classes_),
        "pretrained": None,  # weights are in the file: none are fetched
    }
    if estimator._of == "images":
        channels, *size = encoder.image_shape_
        wanted |= {"in_channels": channels, "image_size": size}
    for name, value in wanted.items():
        if name in sizes and (
            sizes[name] != value or isinstance(sizes[name], bool | float)
        ):
            raise ValueError(
                f"its network has {name}={str(sizes[name])[:40]}, not "
                f"{str(value)[:40]} as the rest of the file."
            )
    # Each block has tensors of its own; a list of blocks is no tensor.
    n_blocks = sizes.get("n_blocks", 0)
    if type(n_blocks) is not int or n_blocks > len(state):
        raise ValueError("its network has more blocks than tensors.")


def _compare(single, state, n_members):
    """Refuse names, types or shapes that are not those of `n_members` such networks."""
    parameters = dict(single.named_parameters())
    kept = single.state_dict()
    if set(kept) != set(state):
        name = sorted(set(kept) ^ set(state))[0]
        what = "lacks" if name in kept else "has another"
        raise ValueError(f"it {what} tensor {name!r} of its network.")
    for name, one in kept.items():
        value, shape = state[name], tuple(one.shape)
        shapes = [(n_members, *shape[1:])]
        if name not in parameters:  # shared by all members, or one for each
            shapes += [shape, (n_members, 1, *shape)]
        if tuple(value.shape) not in shapes or value.dtype != one.dtype:
            raise ValueError(
                f"its {name} has shape {tuple(value.shape)} and type {value.dtype}, "
                f"not {shapes[0]} and {one.dtype}."
            )
        if value.is_floating_point():
            # Bins have infinite ends.
            fine = value.isfinite() if name in parameters else ~value.isnan()
            if not fine.all():
                raise ValueError(f"its {name} has values that are no numbers.")


def _take(module, state):
    """Give a network the tensors of its file."""
    for name, buffer in list(module.named_buffers()):
        if name not in state:  # follows from the sizes, and is not saved
            continue
        if name in _POSITIONS and not torch.equal(buffer, state[name]):
            raise ValueError(f"its {name} has other positions than its sizes.")
        if buffer.shape != state[name].shape:  # members of folds have their own bins
            owner, _, last = name.rpartition(".")
            setattr(module.get_submodule(owner), last, torch.empty_like(state[name]))
    module.load_state_dict(state)
    if hasattr(module, "live"):
        module.all_live = bool(module.live.all())


def n_columns(estimator):
    """Columns of an encoded row."""
    encoder = estimator.encoder_
    return encoder.n_numeric_ + encoder.n_indicators_ + len(encoder.cardinalities_)


def _dict(value):
    if not isinstance(value, dict):
        raise ValueError("its network has no arguments.")
    return value
