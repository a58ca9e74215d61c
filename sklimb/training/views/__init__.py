"""Views of rows for self-supervised terms: of columns, of images."""
