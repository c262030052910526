"""CIFAR-10 (Krizhevsky, 2009): 60,000 photographs of ten kinds of things, 32x32 pixels.

Read from its Python version (`cifar-10-batches-py`, `cifar-10-python.tar.gz`) or its binary version
(`cifar-10-batches-bin`, `cifar-10-binary.tar.gz`). As for NAS-Bench-201's `cifar10-valid`, one half
of the 50,000 images to train with trains, the other validates, and the 10,000 others test. A
network trained so belongs to the task `cifar10_valid`: on `cifar10` those are tested that were
trained on both halves.
Mean and standard deviation are NAS-Bench-201's, too.
"""

from nasbench.tasks.images._published import Published, labels

WORDS = "airplane automobile bird cat deer dog frog horse ship truck"

IMAGES = Published(
    name="cifar10",
    wants="the folder or .tar.gz of CIFAR-10, Python or binary version",
    native=32,
    labels=labels(10, tuple(WORDS.split())),
    mean=(125.3, 123.0, 113.9),
    std=(63.0, 62.1, 66.7),
    files={
        "train": (
            [f"data_batch_{i}" for i in range(1, 6)],
            [f"data_batch_{i}.bin" for i in range(1, 6)],
        ),
        "test": (["test_batch"], ["test_batch.bin"]),
    },
    totals={"train": 50_000, "test": 10_000},
    halves={"train": ("train", 0), "valid": ("train", 1), "test": ("test", None)},
    split_file="cifar-split.txt",
    split_keys=("train", "valid"),
    published=10,
)
