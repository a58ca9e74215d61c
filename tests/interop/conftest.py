"""MLflow and ray are in the environment of `make interop` only."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("mlflow") and find_spec("ray") else ["outside.py"]
