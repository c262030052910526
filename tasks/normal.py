"""Surface normals on Taskonomy (Zamir et al., 2018): structural similarity to the true picture."""

from nasbench.tasks.kinds.picture import Picture

TASK = Picture("normal", label="normal")
