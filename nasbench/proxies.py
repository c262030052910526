"""Zero-cost proxies: what a network that was not trained says about how well it will do.

Collected by Abdelfattah et al. (ICLR 2021) and Krishnakumar et al. (NAS-Bench-Suite-Zero, NeurIPS
2022), whose definitions, signs and modes these are. Functions of a network and a batch, which leave
the network as it was. More is better. Layers are convolutions and linear layers, as published: no
transposed convolutions. Batch normalization is as in training, but for `synflow`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Any, TypeAlias

import torch
from torch import Generator, Tensor, nn
from torch.autograd import grad
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from nasbench.errors import NotApplicable
from nasbench.find import unknown
from nasbench.nets import Network, count

SMALL = 1e-5
"""Added to eigenvalues and correlations, as published."""
MANY = 100
"""With more outputs than that EPE-NAS compares classes with each other."""


@dataclass(frozen=True)
class Batch:
    """What a proxy may look at: B >= 2 inputs x (B, ...), targets, and the mean loss of a batch.

    `classes` (B,) are whole numbers, None where a task has none; `rng` is what `zen` draws with.
    Proxies of `nasbench.networks.DATA_FREE` look at the shape of x alone.
    """

    x: Tensor
    target: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    rng: Generator
    classes: Tensor | None = None


Proxy: TypeAlias = Callable[[nn.Module, Batch], float]


def grad_norm(net: nn.Module, batch: Batch) -> float:
    """Sum the norms of the loss's gradients over layers (Abdelfattah et al., 2021)."""
    return _sum(slope.norm() for _, slope in _sensitivity(net, batch))


def snip(net: nn.Module, batch: Batch) -> float:
    """Sum |w dL/dw| over weights (SNIP: Lee et al., ICLR 2019): the slopes of a mask of ones."""
    return _sum((weight * slope).abs().sum() for weight, slope in _sensitivity(net, batch))


def plain(net: nn.Module, batch: Batch) -> float:
    """Sum w dL/dw over weights (Mozer and Smolensky, 1988), signs included."""
    return _sum((weight * slope).sum() for weight, slope in _sensitivity(net, batch))


def grasp(net: nn.Module, batch: Batch) -> float:
    """Sum -w (H g) over weights, H the Hessian and g the gradient (GraSP: Wang et al., ICLR 2020).

    The sign is that of Abdelfattah et al., who turned the pruning score round because it was
    negatively correlated with accuracy.
    """
    weights = _weights(net)
    loss = batch.loss(_run(net, batch.x), batch.target)
    slopes = grad(loss, weights, create_graph=True, materialize_grads=True)
    squares = torch.stack([(slope.detach() * slope).sum() for slope in slopes]).sum()
    seconds = grad(squares, weights, materialize_grads=True)
    return -_sum((w * second).sum() for w, second in zip(weights, seconds, strict=True))


def fisher(net: nn.Module, batch: Batch) -> float:
    """Sum 1/2 mean_n (sum_hw a dL/da)^2 over the channels a of layers (Theis et al., 2018).

    As in the code of Abdelfattah et al., which gives the value of a channel to each of its weights,
    channels weigh by their fan-in.
    """
    outputs: list[tuple[nn.Module, Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, _, output: outputs.append((layer, output)))
        for layer in _layers(net)
    ]
    try:
        loss = batch.loss(_run(net, batch.x), batch.target)
    finally:
        for hook in hooks:
            hook.remove()
    slopes = grad(loss, [output for _, output in outputs], materialize_grads=True)
    values = []
    for (layer, output), slope in zip(outputs, slopes, strict=True):
        by_image = (output.detach() * slope)[..., None].flatten(2).sum(2)
        fan_in = layer.weight[0].numel()  # type: ignore[index]
        values.append(fan_in * by_image.pow(2).mean(0).sum() / 2)
    return _sum(values)


def synflow(net: nn.Module, batch: Batch) -> float:
    """Return log sum |w dR/dw|, R the sum of outputs for ones (SynFlow: Tanaka et al., 2020).

    Weights are their absolute values, in 64 bits, without batch normalization. The logarithm keeps
    the order; published values reach 1e61. *Ours*: without hyperbolic tangents, too, whose slope at
    such numbers is 0, and which end the networks of tasks that paint pictures.
    """
    with _without(net, nn.BatchNorm2d, nn.Tanh):
        state = {
            name: weight.detach().double().abs().requires_grad_()
            for name, weight in net.named_parameters()
        }
        names = {id(weight): name for name, weight in net.named_parameters()}
        weights = [state[names[id(weight)]] for weight in _weights(net)]
        ones = torch.ones(1, *batch.x.shape[1:], dtype=torch.float64)
        slopes = grad(_run(net, ones, state).sum(), weights, materialize_grads=True)
    pairs = zip(weights, slopes, strict=True)
    return float(torch.stack([(w.detach() * slope).abs().sum() for w, slope in pairs]).sum().log())


def jacob_cov(net: nn.Module, batch: Batch) -> float:
    """Return -sum(log(v + k) + 1 / (v + k)), k = 1e-5 (Mellor et al., 2020, first version).

    v are the eigenvalues of the correlations between images of the slopes of the summed outputs.
    """
    correlations = torch.corrcoef(_jacobian(net, batch)[0])
    if not correlations.isfinite().all():
        return nan
    values = torch.linalg.eigvalsh(correlations) + SMALL
    return -float((values.log() + 1 / values).sum())


def nwot(net: nn.Module, batch: Batch) -> float:
    """Return log |det K|, K the numbers of signs that images share (Mellor et al., ICML 2021).

    They are those of the inputs of all ReLUs, also of the functional ones.
    """
    with torch.no_grad(), _Signs(len(batch.x)) as signs:
        _run(net, batch.x)
    return float(torch.linalg.slogdet(signs.kernel).logabsdet)


class _Signs(TorchDispatchMode):
    """Adds up, over ReLUs, how many signs of inputs every two images share."""

    def __init__(self, images: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernel = torch.zeros(images, images, dtype=torch.float64)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in (torch.ops.aten.relu.default, torch.ops.aten.relu_.default):
            code = (args[0] > 0).reshape(len(self.kernel), -1).float()
            self.kernel += code @ code.T + (1 - code) @ (1 - code).T
        return func(*args, **(kwargs or {}))


def zen(net: nn.Module, batch: Batch) -> float:
    """Return the Zen-score (Lin et al., ICCV 2021) of an encoder, with weights drawn anew.

    It is the logarithm of mean_n |f(a) - f(a + b / 100)|, a and b images of normal noise, plus
    log sqrt(mean running variance) of each batch normalization. One draw, as in
    NAS-Bench-Suite-Zero; the authors take the mean of 32.
    """
    net, rng, shape = net.encoder if isinstance(net, Network) else net, batch.rng, batch.x.shape
    state, variances = {}, []
    for path, module in net.named_modules():
        inside = path and f"{path}."
        if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            for name, weight in module.named_parameters(recurse=False):
                state[inside + name] = _drawn(module, name, weight, rng)
        if isinstance(module, nn.BatchNorm2d):
            state[f"{inside}running_mean"] = torch.zeros(module.num_features)
            state[f"{inside}running_var"] = torch.ones(module.num_features)
            variances.append(state[f"{inside}running_var"])
    a, b = (torch.randn(shape, generator=rng).flatten(0, -4) for _ in range(2))
    with torch.no_grad():
        apart = (_run(net, a, state) - _run(net, a + b / 100, state)).abs()
        spread = _sum(variance.mean().log() / 2 for variance in variances)
        return float(apart.flatten(1).sum(1).mean().log()) + spread


def _drawn(module: nn.Module, name: str, weight: Tensor, rng: Generator) -> Tensor:
    if name == "bias":
        return torch.zeros_like(weight)
    if isinstance(module, nn.BatchNorm2d):
        return torch.ones_like(weight)
    return torch.randn(weight.shape, generator=rng)


def epe_nas(net: nn.Module, batch: Batch) -> float:
    """Return the EPE-NAS score (Lopes et al., 2021); raises `NotApplicable` without classes.

    For each class e = sum log(|r| + 1e-5), r the correlations between its images of the slopes of
    the summed outputs. The score is the sum of |e| up to 100 outputs. Beyond that e is divided by
    the number of images, classes of one image are left out, and the score is the sum of |e - e'|
    over pairs, divided by the number of classes.
    """
    if batch.classes is None:
        raise NotApplicable("not applicable: epe_nas compares classes, and this task has none")
    slopes, outputs = _jacobian(net, batch)
    found = []
    for each in torch.unique(batch.classes):
        own = slopes[batch.classes == each]
        total = (torch.corrcoef(own).reshape(len(own), -1).abs() + SMALL).log().sum()
        if outputs <= MANY:
            found.append(total)
        elif len(own) > 1:
            found.append(total / len(own))
    if not found:
        return 0.0
    e = torch.stack(found)
    return float(e.abs().sum() if outputs <= MANY else (e[:, None] - e).abs().sum() / len(e))


def l2_norm(net: nn.Module, batch: Batch) -> float:
    """Sum the norms of weights over layers."""
    return _sum(weight.detach().norm() for weight in _weights(net))


def params(net: nn.Module, batch: Batch) -> float:
    """Return the trained parameters, in millions."""
    return sum(each.numel() for each in net.parameters() if each.requires_grad) / 1e6


def flops(net: nn.Module, batch: Batch) -> float:
    """Return the multiply-adds of one image, in millions, which are called FLOPs in this field."""
    return count(net, batch.x.shape[1:]).macs / 1e6


PROXIES: Mapping[str, Proxy] = {
    proxy.__name__: proxy
    for proxy in (
        *(grad_norm, snip, plain, grasp, fisher, synflow, jacob_cov, nwot, zen, epe_nas),
        *(l2_norm, params, flops),
    )
}


def score(proxy: str, net: nn.Module, batch: Batch) -> float:
    """Return what a proxy says, minus infinity where that is not finite: the worst, as published.

    Raises `UnknownName`, and `NotApplicable` as `epe_nas` does.
    """
    if proxy not in PROXIES:
        raise unknown("proxy", proxy, [*PROXIES])
    value = PROXIES[proxy](net, batch)
    return value if isfinite(value) else -inf


def _layers(net: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def _weights(net: nn.Module) -> list[Tensor]:
    return [layer.weight for layer in _layers(net)]


def _sum(values: Iterable[Tensor]) -> float:
    return float(sum(float(value.detach()) for value in values))


def _sensitivity(net: nn.Module, batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """Return the weights of layers, each with the loss's gradient: zeros where it has none."""
    weights = _weights(net)
    loss = batch.loss(_run(net, batch.x), batch.target)
    slopes = grad(loss, weights, materialize_grads=True)
    return [(weight.detach(), slope) for weight, slope in zip(weights, slopes, strict=True)]


def _jacobian(net: nn.Module, batch: Batch) -> tuple[Tensor, int]:
    """Return the slopes of the summed outputs by each image (B, n), and how many outputs it has."""
    x = batch.x.detach().clone().requires_grad_()
    output = _run(net, x)
    (slopes,) = grad(output.sum(), x, materialize_grads=True)
    return slopes.flatten(1).double(), output.shape[1]


def _run(net: nn.Module, x: Tensor, state: Mapping[str, Tensor] | None = None) -> Tensor:
    """Run it as in training, with this state in place of its own; its own stays as it was."""
    held = {name: buffer.clone() for name, buffer in net.named_buffers()}
    modes = [(module, module.training) for module in net.modules()]
    net.train()
    try:
        output: Tensor = functional_call(net, {**held, **(state or {})}, (x,))
    finally:
        for module, training in modes:
            module.training = training
    return output


@contextmanager
def _without(net: nn.Module, *kinds: type[nn.Module]) -> Iterator[None]:
    """Put the identity in the place of modules of some kinds, and then these back."""
    found = [
        (parent, name, child)
        for parent in net.modules()
        for name, child in parent.named_children()
        if isinstance(child, kinds)
    ]
    try:
        for parent, name, _ in found:
            setattr(parent, name, nn.Identity())
        yield
    finally:
        for parent, name, child in found:
            setattr(parent, name, child)
