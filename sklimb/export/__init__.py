"""Fitted estimators as graphs that run without sklimb."""

from sklimb.export._onnx import to_onnx

__all__ = ["to_onnx"]
