"""The command `otseg` as a whole: help of every command, version, completion, and a real process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

import otseg
from otseg.cli._common import Command, LazyGroup
from otseg.cli.main import COMMANDS, main

ROOT = Path(__file__).resolve().parents[3]
CALL = "from otseg.cli.main import main; main(prog_name='otseg')"


def process(*arguments, **variables):
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    run = [sys.executable, *arguments]
    return subprocess.run(run, env=environment, capture_output=True, text=True, check=False)


def commands(group=main, path=()):
    """Every command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = dict(commands())


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_help_that_helps(words, otseg_command):
    text = otseg_command(*words, "--help").stdout
    command = ALL[words]
    assert words[-1] == command.name
    if isinstance(command, click.Group):
        assert isinstance(command, LazyGroup)
        return
    assert isinstance(command, Command), "a command must be a Command, for --json, --debug and the exit status"
    assert "Examples" in text
    assert f"otseg {' '.join(words)}" in text
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert max(map(len, text.splitlines())) <= 100


def test_help_lists_all_commands(otseg_command):
    text = otseg_command("--help").stdout
    assert all(f"  {name} " in text for name in COMMANDS)
    assert "Exit status" in text
    assert otseg_command("-h").stdout == text


def test_version(otseg_command):
    assert otseg_command("--version").stdout == f"otseg, version {otseg.__version__}\n"


def test_unknown_command(otseg_command):
    assert "No such command 'dance'" in otseg_command("dance", exit_code=2).stderr


def test_a_real_process():
    done = process("-m", "otseg", "info", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["otseg"] == otseg.__version__
    assert done.stderr == ""


def test_help_imports_nothing_heavy():
    heavy = "{'lightning', 'matplotlib', 'sklearn', 'scipy', 'ot', 'torchmetrics'}"
    code = (
        f"import sys, otseg.cli.main as m; m.main(['--help'], standalone_mode=False); print({heavy} & set(sys.modules))"
    )
    done = process("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


def test_completion():
    words = {"COMP_WORDS": "otseg ci", "COMP_CWORD": "1", "_OTSEG_COMPLETE": "bash_complete"}
    assert process("-c", CALL, **words).stdout == "plain,cite\n"
    script = process("-c", CALL, _OTSEG_COMPLETE="bash_source").stdout
    assert "complete -o nosort -F _otseg_completion otseg" in script


#: What a start-up file has, and a line that prints what the shell would offer after "otseg ci".
SHELLS = {
    "bash": (
        'eval "$(_OTSEG_COMPLETE=bash_source otseg)"; COMP_WORDS=(otseg ci); COMP_CWORD=1; _otseg_completion otseg;'
        ' echo "${COMPREPLY[@]}"'
    ),
    "zsh": 'autoload -Uz compinit; compinit -u -D; eval "$(_OTSEG_COMPLETE=zsh_source otseg)"; echo $_comps[otseg]',
    "fish": "_OTSEG_COMPLETE=fish_source otseg | source; complete -C 'otseg ci'",
}


@pytest.mark.parametrize(("shell", "expected"), [("bash", "cite"), ("zsh", "_otseg_completion"), ("fish", "cite")])
def test_the_documented_line_works_in_the_shell(shell, expected, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command = tmp_path / "otseg"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{CALL}" "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run([shell, "-c", SHELLS[shell]], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split("\t")[0].strip() == expected, done.stderr
    page, line = (ROOT / "docs" / "command_line.md").read_text(), f"_OTSEG_COMPLETE={shell}_source otseg"
    assert line in page
