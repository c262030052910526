"""CIFAR-10 with half of its training images held back for validation (Dong & Yang, 2020).

The network that was trained on one half is validated on the other, and tested as it is. On the task
`cifar10` the same network validates, and one that was trained on all images is tested.
"""

from nasbench.tasks.kinds.classification import Classification

TASK = Classification("cifar10_valid", label="class")
