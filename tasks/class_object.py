"""Object classification on Taskonomy (Zamir et al., 2018), as in TransNAS-Bench-101: 75 classes."""

from nasbench.tasks.kinds.classification import Classification

TASK = Classification("class_object", label="class_object")
