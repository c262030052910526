"""Scene classification on Taskonomy (Zamir et al., 2018), as in TransNAS-Bench-101: 47 classes."""

from nasbench.tasks.kinds.classification import Classification

TASK = Classification("class_scene", label="class_scene")
