"""The command `otseg`: a table of its commands, and nothing else."""

import click

from otseg import __version__
from otseg.cli._common import SETTINGS, LazyGroup

EPILOG = """
\b
Exit status
  0  all is well
  1  what was checked or compared is not as it must be
  2  wrong usage, or input that cannot be read (add --debug for a full trace)

\b
Every command takes --json: one JSON document on the standard output, and nothing else there.
Completion of commands and options, in the start-up file of the shell:
  bash   eval "$(_OTSEG_COMPLETE=bash_source otseg)"
  zsh    eval "$(_OTSEG_COMPLETE=zsh_source otseg)"
  fish   _OTSEG_COMPLETE=fish_source otseg | source
"""

#: Where each command lives; a line here is all that a new one needs.
COMMANDS = {
    "build-kernels": "otseg.cli.build_kernels:build_kernels",
    "cite": "otseg.cli.cite:cite",
    "data": "otseg.cli.data:data",
    "doctor": "otseg.cli.doctor:doctor",
    "eval": "otseg.cli.evaluate:evaluate",
    "info": "otseg.cli.info:info",
    "report": "otseg.cli.report:report",
    "reproduce": "otseg.cli.reproduce:reproduce",
    "segment": "otseg.cli.segment:segment",
    "train": "otseg.cli.train:train",
}


@click.group("otseg", cls=LazyGroup, commands_at=COMMANDS, context_settings=SETTINGS, epilog=EPILOG)
@click.version_option(__version__, prog_name="otseg")
def main() -> None:
    """Optimal transport for temporal segmentation, from the command line."""
