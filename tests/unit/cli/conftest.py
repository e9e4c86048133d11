"""How the tests call the command line."""

import inspect
import json

import pytest
from click.testing import CliRunner

from otseg.cli.main import main


@pytest.fixture
def otseg_command():
    """Runs `otseg ...` in this process; the outcome has `exit_code`, `stdout`, `stderr`, and `document` with --json."""
    old = "mix_stderr" in inspect.signature(CliRunner).parameters  # click < 8.2
    runner = CliRunner(**({"mix_stderr": False} if old else {}))

    def run(*arguments, exit_code=0):
        outcome = runner.invoke(main, [str(argument) for argument in arguments], prog_name="otseg")
        assert outcome.exit_code == exit_code, (outcome.stdout, outcome.stderr, outcome.exc_info)
        outcome.document = json.loads(outcome.stdout) if "--json" in arguments and outcome.exit_code < 2 else None
        return outcome

    return run
