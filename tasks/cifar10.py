"""Image classification on CIFAR-10 (Krizhevsky, 2009): 32x32 images, 10 classes."""

from nasbench.tasks.kinds.classification import Classification

TASK = Classification("cifar10", label="class")
