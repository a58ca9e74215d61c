"""Registries: names of strategies, and the objects or classes that they stand for."""

from dataclasses import is_dataclass

from sklimb._messages import short


class Registry(dict):
    """The object or class of each name of a parameter.

    Parameters check names against it when they are used, and `sklimb.load` makes
    objects of its classes alone, so that a registered strategy can be named, searched
    over, saved and loaded like the built-in ones.

    Parameters
    ----------
    kind : str
        Kind of the entries in error messages, such as "loss".
    entries : dict
        Name -> instance, or class whose defaults the name stands for.

    Examples
    --------
    >>> from sklimb.strategies import LOSSES, FocalLoss
    >>> LOSSES.register("sharp_focal", FocalLoss(gamma=4.0))
    >>> LOSSES.make("sharp_focal")
    FocalLoss(gamma=4.0)
    >>> del LOSSES["sharp_focal"]
    """

    def __init__(self, kind, entries):
        super().__init__(entries)
        self.kind = kind

    def register(self, name, value):
        """Let `name` stand for `value`.

        A name that is taken can be registered again only for the same class, as when
        the cell of a notebook is run again.

        Raises
        ------
        ValueError
            The name is no text or taken, or another class of this name is registered.
        """
        if not isinstance(name, str) or not name:
            raise ValueError(f"name must be a non-empty str, got {short(name)}.")
        same_name = [self[name]] if name in self else []
        own = _class_of(value)
        same_class = [
            there
            for there in self.values()
            if is_dataclass(own) and _class_of(there).__name__ == own.__name__
        ]
        for there in [*same_name, *same_class]:
            if _place(there) != _place(value):
                raise ValueError(
                    f"name={short(name)} cannot be registered for {short(value)}: the "
                    f"{self.kind} {short(there)} has this name or this class name. "
                    "Choose others."
                )
        self[name] = value

    def make(self, value):
        """The entry of a name, made if a class; an object is returned as it is."""
        if not isinstance(value, str):
            return value
        entry = self[value]
        return entry() if isinstance(entry, type) else entry

    def classes(self):
        """{class name: class} of the dataclasses that names stand for."""
        own = {_class_of(value) for value in self.values()}
        return {cls.__name__: cls for cls in own if is_dataclass(cls)}


def _class_of(value):
    return value if isinstance(value, type) else type(value)


def _place(value):
    cls = _class_of(value)
    if cls.__name__ == "function":  # functions of one name and module are alike
        cls = value
    return cls.__module__, cls.__qualname__
