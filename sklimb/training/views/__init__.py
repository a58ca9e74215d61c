"""Views of rows for self-supervised terms: of tables, of images."""
