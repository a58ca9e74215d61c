"""Training passes as programs of torch.compile, and what these need."""

import inspect
import warnings
from functools import cache

import torch
from torch import nn

from sklimb.nn.stacked import StackedMembers

# Programs per network and process: one per shape, of a grid's candidates and of packs
# that have become smaller. torch's own limit of 8 sends the ninth back to eager.
_MOST_PROGRAMS = 64
# The methods of a network that training calls.
PASSES = ("forward", "embed")


def _twice(parameters):
    on = parameters.metabalance_sampler is not None
    return "a compiled pass can be differentiated once only" if on else None


def _graphs(parameters):
    named = isinstance(parameters.compile, str) and parameters.compile != "auto"
    return (
        "the gradients of a task would be overwritten by the next one's; compile=True "
        "keeps them"
        if named
        else None
    )


# Parameters whose strategies cannot use a compiled pass.
EXCLUDES = {
    "row_weighting": (
        "learned weights need forward-mode derivatives, which a compiled pass does not "
        "have"
    ),
    "metabalance_second_order": _twice,
    "metabalance_sampler": _graphs,
}


@cache
def check_compiler(device_type):
    """Compile a tiny pass, forward and backward.

    Raises
    ------
    ValueError
        The machine has no compiler. It is raised before any training.
    """
    try:
        with warnings.catch_warnings(), torch.inference_mode(False):
            # torch imports its compiler at the first use, old parts included.
            warnings.simplefilter("ignore", DeprecationWarning)
            with torch.enable_grad():
                x = torch.ones(2, 2, device=device_type, requires_grad=True)
                torch.compile(_tiny)(x).backward()
    except Exception as error:  # of torch, its compilers and the system's linker alike
        needs = "a C++ compiler such as g++" if device_type == "cpu" else "Triton"
        raise ValueError(
            f"compile=True needs {needs}, and torch.compile failed on a tiny program "
            f"for {device_type!r}: {_short(error)} Install it, or set compile=False."
        ) from error


def _short(error):
    """The beginning of torch's message; the whole of it is the cause of the error."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _tiny(x):
    return torch.relu(x * 2 + 1).sum()


def mode_for(asked, module, device):
    """What `compile` stands for: False, True or a mode of torch.compile.

    "auto" compiles one network of convolutions on a CPU. Several of them are slower
    compiled than not, because the members' products are then one loop; layers of an MLP
    are one product each, to which a program adds its checks; GPUs are not measured.
    """
    if asked != "auto":
        return asked
    alone = isinstance(module, StackedMembers) and module.n_members == 1
    convolves = any(isinstance(m, nn.Conv2d) for m in module.modules())
    return device.type == "cpu" and alone and convolves


class Compiled:
    """The passes of a module as programs, for batches of the usual length.

    Other lengths (the last batch of an epoch) run as they are, and so do all
    once torch fails to compile the network, with a warning.

    Parameters
    ----------
    module : nn.Module
    mode : True or str
        True, or a mode of `torch.compile`.
    rows : int or None
        Rows per batch; multiples (views) are compiled too. None: all lengths are.
    """

    # Not an nn.Module: its functions belong to a module that is registered already.

    def __init__(self, module, mode, rows=None):
        self.rows, self.failed = rows, False
        self._cuda_graphs = isinstance(mode, str)
        options = {"mode": mode if isinstance(mode, str) else None, "dynamic": False}
        if "recompile_limit" in inspect.signature(torch.compile).parameters:
            options["recompile_limit"] = _MOST_PROGRAMS
        self._eager = {
            name: getattr(module, name) for name in PASSES if hasattr(module, name)
        }
        self._programs = {
            name: torch.compile(function, **options)
            for name, function in self._eager.items()
        }

    def start_step(self):
        """Let torch reuse the memory of what earlier steps computed."""
        if self._cuda_graphs:
            torch.compiler.cudagraph_mark_step_begin()

    def __call__(self, name, x, masks):
        usual = self.rows is None or x.shape[1] % self.rows == 0
        if self.failed or not usual:
            return self._eager[name](x, masks)
        # Slices of a chunk: with their strides, other chunk lengths would compile anew.
        x = x.contiguous()
        if isinstance(masks, list):
            masks = [mask.contiguous() for mask in masks]
        try:
            with warnings.catch_warnings():
                # Tracing reads all attributes, `.grad` of what is no leaf among them.
                warnings.filterwarnings("ignore", message="The .grad attribute of a")
                return self._programs[name](x, masks)
        except torch._dynamo.exc.TorchDynamoException as error:
            self.failed = True
            warnings.warn(
                "torch.compile cannot compile the network, which goes on without it: "
                f"{_short(error)}",
                RuntimeWarning,
                stacklevel=2,
            )
            return self._eager[name](x, masks)
