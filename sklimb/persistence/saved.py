"""Saved: the base of estimators that `save` writes and skops holds."""

import copyreg

import torch

from sklimb.persistence.files import from_bytes, to_bytes
from sklimb.persistence.loading import restored
from sklimb.persistence.objects import restore_own
from sklimb.persistence.registry import note_class
from sklimb.persistence.saving import as_tensor, described, save
from sklimb.persistence.settings import set_settings, settings_of
from sklimb.training.device import resolve_device

_MARK = "sklimb_state"


class Saved:
    """An estimator that `save` writes and skops holds.

    pickle, joblib and copies take all attributes as they are. `skops.io` asks for
    `__getstate__`, which gives parameters as they are and what was fitted as the bytes
    of a file: then classes of sklimb are the only ones to trust.
    """

    # Attribute that a fit sets.
    _saved_when = "net_"
    # Attributes with fitted estimators that are saved beside.
    _saved_parts = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "get_params"):  # an estimator, and no mixin for some
            note_class(cls)

    def save(self, path):
        """Write the fitted estimator to one safetensors file; see `sklimb.load`.

        Parameters
        ----------
        path : str or path
            A file that is there is replaced, at once and as a whole: a kill leaves the
            old or the new one. Of a link what it leads to is replaced.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError
            An estimator inside is none of sklimb's.
        ValueError
            The path is a device, a pipe or a socket, or a name that no file can have;
            or the loss or the labels are none that a file can hold.
        OSError
            It cannot be written: FileNotFoundError for a path in no folder.
        """
        save(self, path)

    def __reduce__(self):
        state = vars(self).copy()
        if type(self).__getstate__ is not Saved.__getstate__:  # a subclass decides
            state = self.__getstate__()
        return copyreg.__newobj__, (type(self),), state

    def __getstate__(self):
        params = self.get_params(deep=False)
        state = {_MARK: 1, "params": params, "settings": settings_of(self)}
        if not hasattr(self, self._saved_when):
            return state
        if not hasattr(self, "_own_state"):
            header, tensors = described(self, "estimator")
            return {**state, "content": to_bytes(tensors, header)}
        own, arrays = self._own_state()
        tensors = {name: as_tensor(array) for name, array in arrays.items()}
        header = {"format": 2, "own": own}
        parts = {name: getattr(self, name) for name in self._saved_parts}
        return {**state, "parts": parts, "content": to_bytes(tensors, header)}

    def __setstate__(self, state):
        if _MARK not in state:
            vars(self).update(state)
            return
        params = state["params"]
        type(self).__init__(self, **params)
        set_settings(self, state["settings"])
        if "content" not in state:
            return
        header, tensors = from_bytes(state["content"])
        if "parts" in state:
            restore_own(self, state["parts"], header["own"], tensors)
            return
        device = _there(params["device"])
        fitted, _ = restored(header, tensors, str(device), device)
        if type(fitted) is not type(self):
            raise ValueError("the state is that of another class.")
        vars(self).update(vars(fitted) | params)


def _there(device):
    """The device of a parameter, or the one that this machine has instead."""
    try:
        return resolve_device(device)
    except ValueError:
        return torch.device("cpu")
