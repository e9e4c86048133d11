"""Options of the commands that train: seeds, settings, devices, loggers."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

#: Those that are arguments of :func:`otseg.train.run_experiment`, as they are.
TRAINER = ("accelerator", "devices", "num_nodes", "strategy", "precision", "wandb", "progress")
F = TypeVar("F", bound=Callable[..., Any])


class Seeds(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """Numbers and ranges, such as ``0,1,2`` or ``0-4``."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The seeds in order, each once."""
        if not isinstance(value, str):
            return tuple(value)
        seeds: dict[int, None] = {}
        for part in value.split(","):
            first, dash, last = part.strip().partition("-")
            if not first.isdigit() or (dash and not last.isdigit()):
                self.fail(f"{value!r} is not of the form 0,1,2 or 0-4", param, ctx)
            seeds.update(dict.fromkeys(range(int(first), int(last or first) + 1)))
        return tuple(seeds)


class NumberOfActions(click.ParamType):  # type: ignore[type-arg]
    """A number above 0, or ``auto``."""

    name = "number|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number, or the word."""
        if value == "auto":
            return "auto"
        return click.IntRange(1).convert(value, param, ctx)


def training_options(function: F) -> F:
    """Add the options of a training: seeds, overrides of settings, and :data:`TRAINER`."""
    accelerators = click.Choice(["auto", "cpu", "gpu", "mps"])
    for option in reversed(
        (
            click.option("--seeds", type=Seeds(), default="0", help="Seeds, such as 0,1,2 or 0-4: one model each."),
            click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Such as train.epochs=5."),
            click.option("--accelerator", type=accelerators, default="auto", help="What to compute on."),
            click.option("--devices", type=click.IntRange(1), default=1, help="Number of devices or processes."),
            click.option("--nodes", "num_nodes", type=click.IntRange(1), default=1, help="Number of machines."),
            click.option("--strategy", default="auto", help="Of Lightning; ddp for several devices."),
            click.option("--precision", default="32-true", help="Of Lightning, such as bf16-mixed."),
            click.option("--wandb", metavar="PROJECT", help="Log to this project at Weights & Biases, too."),
            click.option("--progress/--no-progress", default=True, help="Whether to show a bar."),
        )
    ):
        function = option(function)
    return function


def only_first_process() -> None:
    """End every process but the first, which alone reports."""
    from otseg.train.files import is_first_process

    if not is_first_process():
        click.get_current_context().exit(0)
