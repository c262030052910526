"""What networks of a space take on this machine: measured, kept in a file, learned from.

Networks are encoders, as multiply-adds are counted of them: a task's head is the same for all.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from nasbench.benchmark import open_benchmark
from nasbench.count import with_facts
from nasbench.errors import BadFile, BadValue, NotApplicable
from nasbench.find import find
from nasbench.parts.latency import LatencyModel, Variable, covering, errors, variables
from nasbench.space import Architecture, Grid, Listed, Scale, Space
from nasbench.store import Benchmark, atomic
from nasbench.table import Info

VERSION = 1


@dataclass(frozen=True)
class Latencies:
    """Milliseconds an image, by architecture: medians of `runs` batches after `warmup` others.

    `space` is a space's name, `scale` the size of its networks, `size` the pixels a side of images.
    `fit` are networks to learn from, `check` others, drawn uniformly.
    """

    space: str
    scale: Scale
    size: int
    device: str
    processor: str
    threads: int
    batch: int
    warmup: int
    runs: int
    torch: str
    fit: Mapping[str, float]
    check: Mapping[str, float]

    @property
    def unit(self) -> str:
        """Say what the numbers are."""
        return (
            f"ms an image of {self.size}x{self.size} pixels, width {self.scale.width}, on "
            f"{self.device}, threads {self.threads}, batch {self.batch}, median of {self.runs} "
            f"after {self.warmup}"
        )

    def write(self, path: Path) -> None:
        """Write one JSON object."""
        text = json.dumps({"nasbench_latency": VERSION, **asdict(self)}, indent=1)
        with atomic(path) as file:
            file.write(text.encode())

    @classmethod
    def read(cls, path: str | Path) -> Latencies:
        """Read what `write` wrote; raises `BadFile` for anything else."""
        try:
            told = json.loads(Path(path).read_text(encoding="utf-8"))
            version = told.pop("nasbench_latency")
            if version != VERSION:
                raise ValueError(f"version {version}, this nasbench reads {VERSION}")
            found = cls(**{**told, "scale": Scale(**told["scale"])})
            numbers = np.array([*found.fit.values(), *found.check.values()], float)
            if not (numbers > 0).all():
                raise ValueError("not all latencies are above 0")
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadFile(f"{path} is no file of nasbench measure-latency: {error}") from error
        return found

    def suits(self, space: str, scale: Scale | None, size: int, device: str) -> None:
        """Raise `BadValue` where these are not the networks, or not the device, that are meant."""
        scale = scale or find("spaces", space).scale
        for what, has, asked in [
            ("device", self.device, device),
            ("space", self.space, space),
            ("scale", self.scale, scale),
            ("pixels a side", self.size, size),
        ]:
            if has != asked:
                raise BadValue(f"these latencies are of {what} {has}, asked was {asked}")

    def networks(self, archs: Iterable[Architecture]) -> list[Counter[Variable]]:
        """Count the layers of architectures, as they were measured."""
        from nasbench.nets import layers

        space = find("spaces", self.space)
        return [variables(layers(space, arch, self.size, self.scale)) for arch in archs]

    def model(self) -> LatencyModel:
        """Learn what layers take; raises `NotApplicable` where a space doesn't tell its layers."""
        space = find("spaces", self.space)
        return LatencyModel.fit(
            self.networks(map(space.read, self.fit)), np.array(list(self.fit.values()))
        )

    def learned(self, model: LatencyModel | None = None) -> Callable[[Architecture], float]:
        """Return what says how long an architecture is expected to take, by `model()`."""
        known = model or self.model()

        @cache
        def expected(arch: Architecture) -> float:
            return float(known.predict(self.networks([arch]))[0])

        return expected

    def errors(self) -> tuple[float, float]:
        """Return the model's error on `check`, ms and as a part of the mean.

        Raises `BadValue` where nothing was kept to check with, or layers of it were not measured.
        """
        if not self.check:
            raise BadValue("no network was measured to check with")
        space = find("spaces", self.space)
        found = self.model().predict(self.networks(map(space.read, self.check)))
        return errors(found, np.array(list(self.check.values())))


def draw(
    space: Space, sample: int, check: int, seed: int
) -> tuple[list[Architecture], list[Architecture]]:
    """Draw members to learn from and others to check with, each once; so fewer in small spaces.

    The former cover pairs of options of neighbouring decisions, where all combinations are members;
    of widths alone, the layers that there can be.
    """
    if sample < 1 or check < 0:
        raise BadValue(f"{sample} networks to learn from, {check} to check: 1 and 0 at least")
    rng = np.random.default_rng(seed)
    if isinstance(space, Listed):
        fit = [space.sample(rng) for _ in range(sample)]
    elif isinstance(space, Grid):
        fit = covering(space.choices, sample, rng)
    else:
        from nasbench.parts.oneshot.prices import Layers

        layers = Layers(space)
        fit = layers.archs(covering(layers.sizes, sample, rng, layers.alike))
    known = dict.fromkeys(fit)
    others = dict.fromkeys(space.sample(rng) for _ in range(check))
    return list(known), [arch for arch in others if arch not in known]


def measure(
    name: str,
    size: int,
    scale: Scale | None = None,
    *,
    like: str = "",
    sample: int = 100,
    check: int = 20,
    seed: int = 0,
    device: str = "cpu",
    threads: int = 1,
    batch: int = 64,
    warmup: int = 10,
    runs: int = 60,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Latencies:
    """Measure encoders of the space of that name, drawn by `draw`; `like` one, all but its widths.

    One thread's seconds are the processor's, which other work on the machine changes less than the
    clock, by which all else is measured. `scale` is by default the space's own. The batch, the
    warm-up and the number of runs are AOWS's, which takes the mean of the runs. Raises
    `NotApplicable` for a space that builds no networks, or decides about no widths of one.
    """
    for what, value, least in [
        ("pixels a side", size, 1),
        ("threads", threads, 1),
        ("images a batch", batch, 1),
        ("runs", runs, 1),
        ("runs to warm up", warmup, 0),
    ]:
        if value < least:
            raise BadValue(f"{value} {what}: it must be at least {least}")
    space = find("spaces", name)
    if (scale := scale or space.scale) is None:
        raise NotApplicable(f"not applicable: {name} says how to write networks, not to build")
    if like:
        space = space.only_widths(space.read(like))
    fit, others = draw(space, sample, check, seed)
    import torch

    from nasbench.live import alone

    took: dict[str, float] = {}
    with alone(), torch.inference_mode():
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        clock = process_time if (device, threads) == ("cpu", 1) else perf_counter
        wait = torch.get_device_module(device).synchronize
        x = torch.randn(batch, 3, size, size, device=device).to(memory_format=torch.channels_last)
        for arch in (*fit, *others):
            net = space.build(arch, scale).to(device).eval()
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            seconds = []
            for _ in range(warmup + runs):
                wait()
                start = clock()
                net(x)
                wait()
                seconds.append(clock() - start)
            took[space.spell(arch)] = 1000 * float(np.median(seconds[warmup:])) / batch
            tick(len(took), len(fit) + len(others))
    fitted = {name: took[name] for name in map(space.spell, fit)}
    checked = {name: ms for name, ms in took.items() if name not in fitted}
    return Latencies(
        name,
        scale,
        size,
        device,
        processor(device),
        threads,
        batch,
        warmup,
        runs,
        torch.__version__,
        fitted,
        checked,
    )


def processor(device: str) -> str:
    """Return what the device is called, as far as it's known."""
    if device != "cpu":
        import torch

        return str(torch.get_device_module(device).get_device_name())
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def record(name: str | Path, found: Latencies) -> Benchmark:
    """Put latencies into a benchmark's file, as `encoder_latency` of the architectures measured.

    It is NaN for all others; an earlier one is replaced, everything else stays. Raises `BadValue`
    where the benchmark has no such space.
    """
    bench, known = open_benchmark(name), {**found.check, **found.fit}
    facts = {}
    for space, tasks in bench.spaces.items():
        rows = bench[space, tasks[0]].rows
        if rows.space.name == find("spaces", found.space).name:
            values = np.array([known.get(each, np.nan) for each in rows.names])
            facts[space] = {**rows.info, "encoder_latency": Info(values, found.unit)}
    if not facts:
        raise BadValue(f"{name} has no networks of {found.space}")
    return with_facts(bench, facts)
