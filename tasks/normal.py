"""Surface normals on Taskonomy (Zamir et al., 2018): structural similarity to the true picture."""

from nasbench.task import Metric, Task, loss

TASK = Task("normal", Metric("ssim", "max", "", (-1.0, 1.0), display=100.0), (loss("l1_loss"),))
