"""What can be said about an image without a network: what a trained one must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasbench.recipe import Trainable

if TYPE_CHECKING:
    from torch import Tensor

BINS = 8
"""Shades of each channel in a colour histogram of a whole image; 3 in one of a part of it."""
STEPS = 200


def trivial(where: Trainable) -> dict[str, float]:
    """Return the main metric on the validation images of predictors fitted to the training images.

    "constant" says the same of every image: the most frequent class, or at each pixel, the mean
    number or picture. "colours" is a linear model of the image's colour histogram: a logistic
    regression of a class, least squares of numbers; pictures and masks have none.
    """
    import torch

    from nasbench.live import load

    task, kind = where.task, where.label.kind
    data = {}
    for split in ("train", "valid"):
        images = load(where, split)
        rng = torch.Generator().manual_seed(0)
        data[split] = task.inputs(*images.pick(torch.arange(len(images))), rng)
    (seen, truth), (unseen, target) = data["train"], data["valid"]

    def worth(output: Tensor) -> float:
        meter = task.meter(where.label)
        meter.add(output, target)
        return meter.values()[task.metric.name]

    n = len(target)
    if kind == "mask":
        counts = torch.stack([(truth == k).sum(0) for k in range(where.label.n)])
        return {"constant": worth(counts.float().expand(n, -1, -1, -1))}
    if kind == "numbers":
        x, y = (
            torch.cat([h, torch.ones(len(h), 1)], 1) for h in (_colours(seen), _colours(unseen))
        )
        fitted = torch.linalg.lstsq(x, truth, driver="gelsd").solution
        constant = truth.mean(0).expand(n, -1)
        return {"constant": worth(constant), "colours": worth(y @ fitted)}
    if truth.ndim > 2:
        mean = truth.float().mean(0).movedim(-1, 0) / 127.5 - 1
        return {"constant": worth(mean.expand(n, -1, -1, -1))}
    classes = truth if truth.ndim == 1 else truth.argmax(1)
    counts = torch.bincount(classes, minlength=int(classes.max()) + 1).float()
    logits = _logistic(_colours(seen), classes, _colours(unseen), len(counts))
    return {"constant": worth(counts.expand(n, -1)), "colours": worth(logits)}


def _colours(seen: Tensor) -> Tensor:
    """Count colours: (N, H, W, 3) to (N, BINS ** 3); of images in parts, part by part."""
    import torch

    bins = BINS if seen.ndim == 4 else 3
    shades = seen.long() * bins // 256
    codes = (shades[..., 0] * bins + shades[..., 1]) * bins + shades[..., 2]
    codes = codes.flatten(-2)
    counts = torch.zeros(*codes.shape[:-1], bins**3)
    counts.scatter_add_(-1, codes, torch.ones(codes.shape))
    return counts.flatten(1) / codes.shape[-1]


def _logistic(x: Tensor, classes: Tensor, unseen: Tensor, n: int) -> Tensor:
    """Fit a logistic regression, and return the logits of what it has not seen."""
    import torch

    mean, std = x.mean(0), x.std(0) + 1e-3
    model = torch.nn.Linear(x.shape[1], n)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model((x - mean) / std), classes)
        loss = loss + 1e-3 * model.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        logits: Tensor = model((unseen - mean) / std)
    return logits
