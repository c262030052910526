"""Object classification on Taskonomy (Zamir et al., 2018), as in TransNAS-Bench-101: 75 classes."""

from nasbench.task import Task, loss, percent

TASK = Task("class_object", percent("top1"), (percent("top5"), loss()))
