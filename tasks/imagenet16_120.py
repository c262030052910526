"""Image classification on ImageNet16-120 (Dong & Yang, 2020): 16x16 images, 120 classes."""

from nasbench.task import Task, loss, percent

TASK = Task("imagenet16_120", percent("top1"), (percent("top5"), loss()))
