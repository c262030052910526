"""Image classification on CIFAR-10 (Krizhevsky, 2009): 32x32 images, 10 classes."""

from nasbench.task import Task, loss, percent

TASK = Task("cifar10", percent("top1"), (percent("top5"), loss()))
