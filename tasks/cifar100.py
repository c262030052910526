"""Image classification on CIFAR-100 (Krizhevsky, 2009): 32x32 images, 100 classes."""

from nasbench.task import Task, loss, percent

TASK = Task("cifar100", percent("top1"), (percent("top5"), loss()))
