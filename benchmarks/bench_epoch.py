"""Time of a training epoch of every model: 100 sequences of 256 frames, two at a time, through Lightning.

python -m benchmarks.bench_epoch [--epochs 6] [--output FOLDER]
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from lightning import Callback

from benchmarks._report import RESULTS, write
from otseg.data import Sequence, SequenceDataset
from otseg.models import METHODS
from otseg.train import TrainConfig, fit

N_SEQUENCES, N_FRAMES, N_FEATURES, N_ACTIONS = 100, 256, 64, 12


class Clock(Callback):
    """Wall time of every epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer: object, pl_module: object) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: object, pl_module: object) -> None:
        """Stop it."""
        self.seconds.append(time.perf_counter() - self.start)


def dataset() -> SequenceDataset:
    """Twelve directions in order, with noise."""
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(N_ACTIONS, N_FEATURES, generator=generator)
    labels = torch.arange(N_FRAMES) * N_ACTIONS // N_FRAMES
    noise = torch.randn(N_SEQUENCES, N_FRAMES, N_FEATURES, generator=generator)
    return SequenceDataset([Sequence(means[labels] + x, labels, name=str(i)) for i, x in enumerate(noise)])


def epoch(name: str, data: SequenceDataset, epochs: int) -> dict[str, object]:
    method = METHODS[name]
    model = method.model(method.model.config_class(n_actions=N_ACTIONS, n_features=N_FEATURES))
    clock = Clock()
    config = TrainConfig(epochs=epochs, n_samples=N_FRAMES)
    fit(model, data, config=config, accelerator="cpu", enable_progress_bar=False, callbacks=[clock])
    later = clock.seconds[1:]
    return {"model": method.title, "first epoch s": clock.seconds[0], "median s": statistics.median(later)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    data = dataset()
    rows = [epoch(name, data, options.epochs) for name in METHODS if name != "dclot-b"]
    notes = (
        f"{N_SEQUENCES} sequences of {N_FRAMES} frames of {N_FEATURES} features, {N_ACTIONS} actions, two sequences a "
        f"step, default settings, float32. Wall time; medians of the epochs after the first of {options.epochs}."
    )
    write("bench_epoch", "A training epoch", rows, notes, options.output)


if __name__ == "__main__":
    main()
