"""Time of a training step of ASOT, 2 videos of 256 frames: otseg against the published step from its formulas.

python -m benchmarks.bench_training [--repeats 200] [--output FOLDER]

Settings are those of :class:`otseg.models.ASOTConfig`. Two tables: whole steps, and where the time of a step goes.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import lightning
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import otseg
from benchmarks._report import RESULTS, seconds, side_by_side, write
from benchmarks.published_asot import published_asot
from otseg.costs import cosine
from otseg.data import Sequence, SequenceDataset
from otseg.models import ASOT, ASOTConfig
from otseg.nn import pseudo_label_cross_entropy
from otseg.train import TrainConfig, fit
from otseg.types import Batch

BATCH, FRAMES, ACTIONS, FEATURES = 2, 256, 12, 64
CONFIG = ASOTConfig(n_actions=ACTIONS, n_features=FEATURES)
SOLVER = {name: getattr(CONFIG, name) for name in ("epsilon", "alpha", "radius", "rho_b")}


def video(index: int) -> Tensor:
    """Every action in turn, as long as the others, in noise."""
    generator = torch.Generator().manual_seed(index)
    means = torch.randn(ACTIONS, FEATURES, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(FRAMES, FEATURES, generator=generator)
    return (means[torch.arange(FRAMES) * ACTIONS // FRAMES] + noise) / FEATURES**0.5


def make_batch() -> Batch:
    features = torch.stack([video(i) for i in range(BATCH)])
    mask = torch.ones(BATCH, FRAMES, dtype=torch.bool)
    return Batch(features, mask, tuple(f"video {i}" for i in range(BATCH)))


def adam(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    config = TrainConfig()
    return torch.optim.Adam(parameters, config.learning_rate, weight_decay=config.weight_decay)


class Published(nn.Module):
    """The published step: an MLP, unit embeddings, prototypes normalized in place, loss against the published plan."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (FEATURES, *CONFIG.layers)
        layers = [layer for size in pairwise(sizes) for layer in (nn.Linear(*size), nn.ReLU())]
        self.mlp = nn.Sequential(*layers[:-1])
        self.prototypes = nn.Parameter(normalize(torch.randn(ACTIONS, sizes[-1]), dim=1))

    def similarity(self, features: Tensor) -> Tensor:
        """Cosine of every frame and prototype."""
        with torch.no_grad():
            self.prototypes.copy_(normalize(self.prototypes, dim=1))
        return normalize(self.mlp(features), dim=2) @ self.prototypes.T

    @torch.no_grad()
    def plan(self, similarity: Tensor, max_iter: int = CONFIG.n_iter) -> Tensor:
        """Cost with the temporal prior, mirror steps, rows of sum 1."""
        frame, action = torch.arange(FRAMES) / FRAMES, torch.arange(ACTIONS) / ACTIONS
        cost = 1 - similarity + CONFIG.order * (frame[:, None] - action).abs()
        return FRAMES * published_asot(cost, max_iter=max_iter, **SOLVER)

    def cross_entropy(self, similarity: Tensor, plan: Tensor, mask: Tensor) -> Tensor:
        """Mean over all frames."""
        prediction = torch.softmax(similarity / CONFIG.temperature, dim=2)
        return -(mask[:, :, None] * plan * (prediction + 1e-11).log()).sum(dim=2).mean()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """As that of :class:`otseg.models.ASOT`."""
        similarity = self.similarity(batch.features)
        return {"frames": self.cross_entropy(similarity, self.plan(similarity), batch.mask)}


def step(model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model.loss(batch)["frames"].backward()
    optimizer.step()


def models() -> tuple[ASOT, Published]:
    """The same weights in both."""
    torch.manual_seed(0)
    ours, published = ASOT(CONFIG), Published()
    published.mlp.load_state_dict(ours.encoder.layers.state_dict())
    with torch.no_grad():
        published.prototypes.copy_(ours.prototypes.weight)
    return ours, published


def whole_steps(repeats: int) -> list[dict[str, object]]:
    batch, (ours, published) = make_batch(), models()
    optimizers = adam(ours.parameters()), adam(published.parameters())
    plain = side_by_side(
        lambda: step(ours, batch, optimizers[0]), lambda: step(published, batch, optimizers[1]), repeats
    )
    return [
        {"otseg in": "a loop in torch", **plain},
        {"otseg in": "otseg.train.fit (Lightning)", **under_lightning(repeats)},
    ]


class Pairs(lightning.Callback):
    """Time from batch to batch, drawing its frames included, and of a published step after each."""

    def __init__(self, theirs: Callable[[], object]) -> None:
        self.theirs, self.end, self.pairs = theirs, 0.0, []

    def on_train_batch_start(self, trainer: lightning.Trainer, *_: object) -> None:
        """Read the clock, unless an epoch lies between."""
        ours = time.perf_counter() - self.end
        theirs = seconds(self.theirs)
        if trainer.fit_loop.epoch_loop.batch_idx > 0:
            self.pairs.append((ours, theirs))
        self.end = time.perf_counter()


def under_lightning(repeats: int) -> dict[str, float]:
    batch, (ours, published) = make_batch(), models()
    optimizer = adam(published.parameters())
    pairs = Pairs(lambda: step(published, batch, optimizer))
    data = SequenceDataset([Sequence(video(i), name=f"video {i}") for i in range(BATCH * (repeats + 1))])
    config = TrainConfig(epochs=2, batch_size=BATCH, n_samples=FRAMES)
    fit(ours, data, config=config, accelerator="cpu", enable_progress_bar=False, callbacks=[pairs])
    measured = pairs.pairs[repeats:]  # the second epoch
    return {
        "ours_s": statistics.median(o for o, _ in measured),
        "theirs_s": statistics.median(t for _, t in measured),
        "ratio": statistics.median(t / o for o, t in measured),
        "repeats": len(measured),
    }


def parts(repeats: int) -> list[dict[str, object]]:
    """Median milliseconds of every part of a step, and of a plan without iterations."""
    batch, (ours, published) = make_batch(), models()
    door = {**SOLVER, "order": CONFIG.order, "mask": batch.mask, "grad": "none"}

    def our_plan(cost: Tensor, max_iter: int) -> Tensor:
        return otseg.gromov_ot(cost.detach(), max_iter=max_iter, **door).plan

    def our_loss(cost: Tensor, plan: Tensor) -> Tensor:
        return pseudo_label_cross_entropy(-cost / CONFIG.temperature, plan, batch.mask)

    columns = {
        "ours ms": split(
            ours, lambda: cosine(ours.encoder(batch.features), ours.prototypes()), our_plan, our_loss, repeats
        ),
        "published ms": split(
            published,
            lambda: published.similarity(batch.features),
            published.plan,
            lambda similarity, plan: published.cross_entropy(similarity, plan, batch.mask),
            repeats,
        ),
    }
    names = columns["ours ms"]
    return [{"part": name, **{column: values[name] for column, values in columns.items()}} for name in names]


def split(
    model: nn.Module,
    encode: Callable[[], Tensor],
    solve: Callable[[Tensor, int], Tensor],
    loss: Callable[[Tensor, Tensor], Tensor],
    repeats: int,
) -> dict[str, float]:
    optimizer, times = adam(model.parameters()), []
    for _ in range(repeats + 3):
        clock = [time.perf_counter()]
        encoded = encode()
        clock.append(time.perf_counter())
        solve(encoded, 0)
        clock.append(time.perf_counter())
        plan = solve(encoded, CONFIG.n_iter)
        clock.append(time.perf_counter())
        value = loss(encoded, plan)
        clock.append(time.perf_counter())
        optimizer.zero_grad()
        value.backward()
        clock.append(time.perf_counter())
        optimizer.step()
        clock.append(time.perf_counter())
        times.append([1e3 * (after - before) for before, after in pairwise(clock)])
    encoder, no_iterations, plan_ms, loss_ms, backward, update = map(statistics.median, zip(*times[3:], strict=True))
    return {
        "encoder and cost": encoder,
        "plan": plan_ms,
        "of it: without iterations": no_iterations,
        "loss": loss_ms,
        "backward": backward,
        "Adam": update,
        "sum": encoder + plan_ms + loss_ms + backward + update,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    kernel = otseg.backend_info()["cpu"]
    kernel = "loaded" if kernel.startswith("loaded") else kernel
    load = f"Load of the machine in the last 5 minutes: {os.getloadavg()[1]:.1f}."
    about = (
        f"CPU kernel: {kernel}. {BATCH} videos of {FRAMES} frames, {ACTIONS} actions, settings of Breakfast, float32. "
        "Published: the step from its formulas in a loop in torch, with `benchmarks/published_asot.py` as its solver "
        f"and without its Lightning. {load}"
    )
    rows = whole_steps(options.repeats)
    notes = f"{about} Medians of steps that follow one another; ratio = median of published / ours. Under Lightning "
    notes += "ours is the time from batch to batch, frames drawn and batch made included."
    write("bench_training", "A training step of ASOT", rows, notes, options.output)
    notes = f"{about} Medians over steps, every part by the clock."
    write("bench_training_parts", "Parts of a training step", parts(options.repeats), notes, options.output)


if __name__ == "__main__":
    main()
