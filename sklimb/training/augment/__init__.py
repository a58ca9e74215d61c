"""Augmentation: changes of the images of a batch."""
