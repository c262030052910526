"""ProxylessNAS (Cai, Zhu and Han, ICLR 2019): binary gates, and a price in the loss.

Of every decision one option is active, drawn by p = softmax(alpha); its gate is 1, all others are
0. The gates' slopes teach the logits, as if gates were probabilities:

    dL/dalpha_i = sum_j dL/dg_j p_j (delta_ij - p_i),  dL/dg_j = <dL/dm, o_j(x)>

"full": all options run for that, the inactive ones without a graph; what they give is kept, as in
the authors' "full", where their "full_v2" runs them again and has the same slopes. "two": only two
do, with the memory of two paths, drawn without replacement; p is over the two, in the price too,
and after the step both logits are shifted so that no probability beside theirs changed. The price
is the expectation of latency, or of multiply-adds:

    "mul#log": L a (log E[C] / log ref)^b;   "add#linear": L + lambda (E[C] - ref) / ref

Faithful: this; a first quarter of the epochs in which only weights learn, on uniform paths; then
weights on a path by p at every step, and from the epoch after on logits at every fifth, on other
images; Adam without momentum and decay. The choice is the likeliest option of every decision.

*Our reconstruction*: the optimizer of the weights (`OneShot.optimizer`); multiply-adds by default;
the median of the space as reference; half of the images for the logits; latencies in microseconds,
for networks may take less than 1 ms; no smoothed labels; zeros learn as all options do. On `mbconv`
each resolution is an option, and runs. On the macro space gates are those of depth, doubling and
halving, a draw that is no member is drawn again, and of resolutions only the active one runs: its
gate alone has a slope. There is no REINFORCE for prices without a slope.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
from torch import Tensor, nn
from torch.optim import Adam

from nasbench.parts.oneshot.costs import add_linear, mul_log
from nasbench.parts.oneshot.distribution import choice, over
from nasbench.parts.oneshot.priced import priced
from nasbench.parts.oneshot.relaxation import active, gates, of_those, rescale, two_gates
from nasbench.search import Problem, Training

needs = {"live"}


def search(
    problem: Problem,
    rng: np.random.Generator,
    *,
    mode: Literal["full", "two"] = "full",
    penalty: Literal["mul#log", "add#linear", ""] = "mul#log",
    reference: float | None = None,
    cost: str = "macs",
    device: str = "cpu",
    a: float = 0.2,
    b: float = 0.3,
    rate: float = 0.1,
    warmup: float = 0.25,
    every: int = 5,
    learning_rate: float = 1e-3,
    spread: float = 1e-3,
) -> Training:
    """Warm the weights up for a part of the epochs, then alternate with steps of the logits.

    `cost` is "macs", "params", or a file of latencies of the `device`, and `reference` in its unit;
    `a` and `b` belong to "mul#log", `rate` (lambda) to "add#linear". Raises `ValueError` for
    another mode or penalty.
    """
    live = problem.live
    assert live is not None
    net, alpha = live.supernet(), over(problem.space)
    price = priced(live, cost, device)
    ref = price.fine * (price.typical if reference is None else reference)
    prices: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "mul#log": partial(mul_log, reference=ref, a=a, b=b),
        "add#linear": partial(add_linear, reference=ref, rate=rate),
        "": lambda loss, cost: loss,
    }
    if every < 1:
        raise ValueError(f"a step of the logits at every {every} steps: it must be at least 1")
    draws = {"full": gates, "two": two_gates}
    if mode not in draws or penalty not in prices:
        raise ValueError(f"mode {mode!r}, penalty {penalty!r}: of {[*draws]} and {[*prices]}")
    nn.init.normal_(alpha.logits, std=spread, generator=live.rng)
    uniform = over(problem.space)
    weights = live.optimizer(net)
    adam = Adam([alpha.logits], learning_rate, (0.0, 0.999))
    live.keep(net=net, alpha=alpha, weights=weights, adam=adam)
    warm = round(warmup * live.epochs)
    for epoch in live.rounds():
        for step, (train, valid) in enumerate(live.batches(0.5)):
            by = uniform if epoch < warm else alpha
            (arch,) = by.archs(by.sample(1, live.rng))
            weights.zero_grad()
            live.loss(net(train.x, arch), train.target).backward()
            weights.step()
            live.samples += 1
            if epoch <= warm or step % every:
                continue
            while True:
                word = [draws[mode](logits, live.rng) for logits in alpha.split()]
                if alpha.holds(active(word)):
                    break
            live.samples += 1
            loss = live.loss(net(valid.x, word), valid.target)
            adam.zero_grad()
            priced_by = of_those(alpha.split(), word) if mode == "two" else alpha.logits
            expected = price.fine * alpha.expected(price.members, priced_by)
            prices[penalty](loss, expected).backward(inputs=[alpha.logits])
            before = [logits.detach().clone() for logits in alpha.split()]
            adam.step()
            if mode == "two":
                for logits, old, mix in zip(alpha.split(), before, word, strict=True):
                    rescale(logits, old, list(mix))
        yield choice(alpha, live.macs, **price.told(alpha))
