"""Autoencoding of Taskonomy images: structural similarity of the reconstruction to the input."""

from nasbench.tasks.kinds.picture import Picture

TASK = Picture("autoencoder", label="rgb")
