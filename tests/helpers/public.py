"""What is public: modules with `__all__`, the objects that they name, their methods."""

import importlib
import inspect
import pkgutil

import sklimb


def public_modules():
    """Modules with `__all__` whose path has no private name, by name."""
    names = ["sklimb"]
    for found in pkgutil.walk_packages(sklimb.__path__, "sklimb."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            names.append(found.name)
    modules = {name: importlib.import_module(name) for name in sorted(names)}
    return {name: m for name, m in modules.items() if hasattr(m, "__all__")}


def public_objects():
    """{"module.name": object} of all public modules."""
    return {
        f"{module}.{name}": getattr(found, name)
        for module, found in public_modules().items()
        for name in found.__all__
    }


def methods_of(cls):
    """{name: function or property} of a class's public methods that sklimb defines.

    Those of scikit-learn and torch are left out, as are the `set_..._request` that
    scikit-learn writes.
    """
    found = {}
    for name in dir(cls):
        if name.startswith("_"):
            continue
        owner = next((c for c in cls.__mro__ if name in vars(c)), object)
        if owner.__module__.split(".")[0] != "sklimb":
            continue
        method = vars(owner)[name]
        if isinstance(method, classmethod | staticmethod):
            method = method.__func__
        # `available_if` keeps the function behind a descriptor.
        method = getattr(method, "fn", method)
        if inspect.isfunction(method) or isinstance(method, property):
            found[name] = method
    return found
