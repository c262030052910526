"""Image classification on CIFAR-100 (Krizhevsky, 2009): 32x32 images, 100 classes."""

from nasbench.tasks.kinds.classification import Classification

TASK = Classification("cifar100", label="class")
