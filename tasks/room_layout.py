"""Room layout on Taskonomy (Zamir et al., 2018): nine numbers that place the room's box.

`neg_loss` is the negative of the loss, so more is better; papers print the loss times 100.
"""

from nasbench.tasks.kinds.regression import Regression

TASK = Regression("room_layout", label="room_layout")
