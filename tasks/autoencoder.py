"""Autoencoding of Taskonomy images: structural similarity of the reconstruction to the input."""

from nasbench.task import Metric, Task, loss

TASK = Task(
    "autoencoder", Metric("ssim", "max", "", (-1.0, 1.0), display=100.0), (loss("l1_loss"),)
)
