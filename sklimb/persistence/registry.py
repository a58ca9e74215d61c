"""The closed table of classes that a file may name; `load` imports no names."""

import inspect

# (package, class name) -> class
_CLASSES = {}


def note_class(cls):
    """Register a class that files may name.

    Parameters
    ----------
    cls : type
        A later class of the same name and package replaces an earlier one.
    """
    _CLASSES[_package(cls.__module__), cls.__qualname__] = cls


def place_of(cls):
    """[module, name] of a class, as files name it; None if they may not."""
    # By name: a notebook's cell may have defined a class anew since.
    noted = _CLASSES.get((_package(cls.__module__), cls.__qualname__))
    is_ours = noted is not None and hasattr(cls, "_saved_when")
    return [cls.__module__, cls.__qualname__] if is_ours else None


def class_at(place):
    """The class of a `place_of`.

    Raises
    ------
    ValueError
        No such class is registered here, or it is a base class.
    """
    fine = isinstance(place, list) and len(place) == 2
    if not fine or not all(isinstance(name, str) for name in place):
        raise ValueError("it names a class by something else than module and name.")
    module_name, class_name = place
    cls = _CLASSES.get((_package(module_name), class_name))
    if cls is None:
        raise ValueError(
            f"it holds a {class_name!r} of {module_name!r}, and no such classifier is "
            "defined here. Import the module that defines it before loading."
        )
    if inspect.isabstract(cls):
        raise ValueError(f"it holds a {class_name}, which is no classifier itself.")
    return cls


def made(cls, params):
    """An object of a class with its parameters, checked as in `fit`.

    Raises
    ------
    ValueError
        It cannot be made, or a parameter is out of its range.
    """
    try:
        obj = cls(**params)
    # The class may be a user's, with a constructor of its own.
    except Exception as error:
        raise ValueError(f"{cls.__name__} cannot be made: {error}") from error
    obj._validate_params()
    return obj


def _package(module_name):
    """The package of a module; its classes may have moved since a file was written."""
    return module_name.split(".")[0]
