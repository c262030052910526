"""Image classification on ImageNet16-120 (Dong & Yang, 2020): 16x16 images, 120 classes."""

from nasbench.tasks.kinds.classification import Classification

TASK = Classification("imagenet16_120", label="class")
