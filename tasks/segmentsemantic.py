"""Semantic segmentation on Taskonomy (Zamir et al., 2018): 17 classes.

The main metric is mean intersection over union, as in the TransNAS-Bench-101 paper. `acc` is pixel
accuracy, which some codebases report under the same name; the two are on different scales.
"""

from nasbench.tasks.kinds.segmentation import Segmentation

TASK = Segmentation("segmentsemantic", label="segmentsemantic")
