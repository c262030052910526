"""Room layout on Taskonomy (Zamir et al., 2018): nine numbers that place the room's box.

`neg_loss` is the negative of the loss, so more is better; papers print the loss times 100.
"""

from math import inf

from nasbench.task import Metric, Task, loss

TASK = Task("room_layout", Metric("neg_loss", "max", "", (-inf, 0.0), display=-100.0), (loss(),))
