"""What all commands share: exit status, one line per error, JSON and nothing else, lazy imports."""

import inspect
import io
import json
import math
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from otseg.cli._common import Command, LazyGroup, Outcome, progress, to_json


def run(function, *arguments):
    old = "mix_stderr" in inspect.signature(CliRunner).parameters  # click < 8.2
    runner = CliRunner(**({"mix_stderr": False} if old else {}))
    return runner.invoke(click.command(cls=Command)(function), arguments)


@pytest.mark.parametrize(("ok", "status"), [(True, 0), (False, 1)])
def test_the_status_is_what_was_found(ok, status):
    outcome = run(lambda: Outcome({"x": 1}, "text", ok))
    assert (outcome.exit_code, outcome.output) == (status, "text\n")


def test_json_is_alone_on_the_standard_output():
    def noisy():
        print("a library that prints", flush=True)
        return Outcome({"x": 1}, "text")

    outcome = run(noisy, "--json")
    assert json.loads(outcome.stdout) == {"x": 1}
    assert outcome.stderr == "a library that prints\n"
    assert run(noisy).stdout == "text\n"


@pytest.mark.parametrize("error", [ValueError, TypeError, OSError, FileNotFoundError, ImportError])
def test_an_expected_error_is_one_line(error):
    def fail():
        raise error("`x` must be\n  positive; got -1.")

    outcome = run(fail)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert outcome.stderr == "error: `x` must be positive; got -1.\n"
    traced = run(fail, "--debug")
    assert traced.exit_code == 2
    assert "Traceback" in traced.stderr
    assert "in fail" in traced.stderr


def test_an_error_without_a_word_has_its_name():
    def fail():
        raise ValueError

    assert run(fail).stderr == "error: ValueError\n"


def test_other_errors_are_bugs_and_not_hidden():
    def fail():
        raise RuntimeError("a bug")

    outcome = run(fail)
    assert isinstance(outcome.exception, RuntimeError)
    assert outcome.exit_code == 1


def test_interrupted():
    def stop():
        raise KeyboardInterrupt

    outcome = run(stop)
    assert (outcome.exit_code, outcome.stderr) == (130, "interrupted\n")


def test_wrong_usage():
    outcome = run(lambda: Outcome({}, ""), "--nonsense")
    assert outcome.exit_code == 2
    assert "No such option" in outcome.stderr


def test_json_is_strict():
    document = {"a": math.inf, "b": [math.nan, 1.5, (True, None)], 3: Path("x") / "y", "s": "text"}
    assert json.loads(to_json(document)) == {"a": None, "b": [None, 1.5, [True, None]], "3": "x/y", "s": "text"}
    with pytest.raises(TypeError):
        to_json({"x": object()})


def test_a_lazy_group_imports_what_is_asked_for(tmp_path, monkeypatch):
    for name in ("one_command", "other_command"):
        source = f"import click\n@click.command()\ndef f():\n    '''Help of {name}.'''\n    click.echo('{name}')\n"
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    group = LazyGroup("g", commands_at={"one": "one_command:f", "other": "other_command:f"})
    assert CliRunner().invoke(group, ["one"]).output == "one_command\n"
    assert "other_command" not in sys.modules
    text = CliRunner().invoke(group, ["--help"]).output
    assert "Help of one_command." in text
    assert "Help of other_command." in text
    assert CliRunner().invoke(group, ["third"]).exit_code == 2
    sys.modules.pop("one_command")
    sys.modules.pop("other_command")


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_on_a_terminal_alone(terminal, monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(progress(["a", "b"], label="Reading")) == ["a", "b"]
    assert ("Reading" in stream.getvalue()) is terminal
