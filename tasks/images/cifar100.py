"""CIFAR-100 (Krizhevsky, 2009): 60,000 photographs of a hundred kinds of things, 32x32 pixels.

Read from its Python version (`cifar-100-python`, `cifar-100-python.tar.gz`) or its binary version
(`cifar-100-binary`, `cifar-100-binary.tar.gz`); the classes are the fine ones. As in NAS-Bench-201,
all 50,000 images to train with train, one half of the 10,000 others validates, the other tests.
Mean and standard deviation are NAS-Bench-201's, too.
"""

from nasbench.tasks.images._published import Published, labels

IMAGES = Published(
    name="cifar100",
    wants="the folder or .tar.gz of CIFAR-100, Python or binary version",
    native=32,
    labels=labels(100),
    mean=(129.3, 124.1, 112.4),
    std=(68.2, 65.4, 70.4),
    files={"train": (["train"], ["train.bin"]), "test": (["test"], ["test.bin"])},
    totals={"train": 50_000, "test": 10_000},
    halves={"train": ("train", None), "valid": ("test", 0), "test": ("test", 1)},
    split_file="cifar100-test-split.txt",
    published=100,
    label_key="fine_labels",
    head=2,
)
