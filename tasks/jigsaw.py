"""Jigsaw (Noroozi & Favaro, 2016): which of 1,000 permutations shuffled the nine tiles."""

from nasbench.tasks.kinds.jigsaw import Jigsaw

TASK = Jigsaw("jigsaw", label="rgb")
