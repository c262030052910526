"""Scene classification on Taskonomy (Zamir et al., 2018), as in TransNAS-Bench-101: 47 classes."""

from nasbench.task import Task, loss, percent

TASK = Task("class_scene", percent("top1"), (percent("top5"), loss()))
