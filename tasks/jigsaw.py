"""Jigsaw (Noroozi & Favaro, 2016): which of 1,000 permutations shuffled the nine tiles."""

from nasbench.task import Task, loss, percent

TASK = Task("jigsaw", percent("top1"), (percent("top5"), loss()))
