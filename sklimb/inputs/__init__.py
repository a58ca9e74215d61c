"""What the user gave, as checked rows: tables, images, labels, weights, splits."""
