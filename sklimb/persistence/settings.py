"""What scikit-learn keeps beside parameters: metadata requests, output containers."""

_OUTPUTS = ("default", "pandas", "polars", None)


def settings_of(estimator):
    """What `set_fit_request` and `set_output` have set, as JSON; {} if nothing."""
    found = {}
    request = vars(estimator).get("_metadata_request")
    if request is not None:
        methods = {
            name: getattr(of, "requests", {}) for name, of in vars(request).items()
        }
        found["requests"] = {name: dict(of) for name, of in methods.items() if of}
    output = vars(estimator).get("_sklearn_output_config")
    if output:
        found["output"] = output.get("transform")
    return found


def set_settings(estimator, settings):
    """Set what `settings_of` has found.

    Raises
    ------
    ValueError
        The estimator has no such method or container.
    """
    if "requests" in settings:
        request = estimator._get_metadata_request()
        for method, of in settings["requests"].items():
            if method not in vars(request) or method == "owner":
                raise ValueError(f"it asks for metadata of {method[:40]!r}.")
            for name, alias in of.items():
                getattr(request, method).add_request(param=name, alias=alias)
        estimator._metadata_request = request
    if "output" in settings:
        if not hasattr(estimator, "set_output"):
            raise ValueError("it has an output container and is no transformer.")
        estimator._sklearn_output_config = {"transform": settings["output"]}


def is_settings(value):
    """Whether a value is one that `settings_of` finds."""
    if not isinstance(value, dict) or not set(value) <= {"requests", "output"}:
        return False
    requests, output = value.get("requests", {}), value.get("output")
    if not (output is None or isinstance(output, str)) or output not in _OUTPUTS:
        return False
    return isinstance(requests, dict) and all(
        isinstance(of, dict) and all(_is_alias(alias) for alias in of.values())
        for of in requests.values()
    )


def _is_alias(alias):
    return alias is None or isinstance(alias, bool | str)
