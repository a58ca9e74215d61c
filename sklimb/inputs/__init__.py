"""The user's data as checked rows: tables, images, labels, weights, splits."""
