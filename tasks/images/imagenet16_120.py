"""ImageNet16-120 (Dong & Yang, 2020): the first 120 classes of ImageNet in 16x16 pixels.

Read from the folder with the pickles of downsampled ImageNet (Chrabaszcz et al., 2017),
`train_data_batch_1` to `_10` and `val_data`: labels 1 to 120 become classes 0 to 119, others are
left out. As in NAS-Bench-201, all 151,700 images to train with train, one half of the 6,000 others
validates, the other tests.
Mean and standard deviation are NAS-Bench-201's, too.
"""

from nasbench.tasks.images._published import Published, labels

IMAGES = Published(
    name="imagenet16_120",
    wants="the folder of downsampled ImageNet, 16x16",
    native=16,
    labels=labels(120),
    mean=(122.68, 116.66, 104.01),
    std=(63.22, 61.26, 65.09),
    files={
        "train": ([f"train_data_batch_{i}" for i in range(1, 11)],),
        "test": (["val_data"],),
    },
    totals={"train": 151_700, "test": 6_000},
    halves={"train": ("train", None), "valid": ("test", 0), "test": ("test", 1)},
    split_file="imagenet-16-120-test-split.txt",
    published=1000,
    first=1,
)
