"""Changes of the images of a batch."""
