"""The graph of a fitted estimator, from raw columns to labels, as ONNX writes it."""
