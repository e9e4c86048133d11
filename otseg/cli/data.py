"""`otseg data`: the commands about folders of sequences."""

import click

from otseg.cli._common import SETTINGS, LazyGroup

COMMANDS = {
    "check": "otseg.cli.data_check:check",
    "make-synthetic": "otseg.cli.data_make_synthetic:make_synthetic",
}


@click.group("data", cls=LazyGroup, commands_at=COMMANDS, context_settings=SETTINGS)
def data() -> None:
    """Check a folder of sequences, or make a synthetic one."""
