"""What every command shares: how it is found, what it returns, how it prints, and how it fails."""

import errno
import importlib
import json
import math
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeVar

import click

T = TypeVar("T")
#: Settings of the contexts of all commands.
SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100}
#: What the library raises about an argument, a file or a missing package: one line, no trace.
EXPECTED = (ValueError, TypeError, OSError, ImportError)


@dataclass(frozen=True)
class Outcome:
    """What a command found.

    Attributes:
        document: What ``--json`` prints: dictionaries, sequences, numbers, strings, paths, ``None``.
        text: What is printed for people.
        ok: False where what was checked is not as it must be; the exit status is then 1.
    """

    document: Mapping[str, Any]
    text: str
    ok: bool = True


class Command(click.Command):
    """A command whose function returns an :class:`Outcome`; adds ``--json`` and ``--debug``.

    While the function runs, whatever it or a library prints goes to the standard error, where progress belongs. An
    expected error (:data:`EXPECTED`) becomes the line ``error: ...`` there, and the exit status 2.

    Args:
        args: Those of :class:`click.Command`.
        examples: Command lines that the help shows.
        options: Those of :class:`click.Command`.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **options: Any) -> None:
        options["context_settings"] = SETTINGS | (options.get("context_settings") or {})
        super().__init__(*args, **options)
        self.examples = examples
        self.params.append(_flag("--json", "Print one JSON document instead of text."))
        self.params.append(_flag("--debug", "Show the full trace of an error."))

    def invoke(self, ctx: click.Context) -> None:
        """Run the function, print what it returns, and exit."""
        try:
            with redirect_stdout(sys.stderr):
                outcome = super().invoke(ctx)
        except EXPECTED as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of our output has gone; click ends quietly
            if ctx.meta["--debug"]:
                traceback.print_exc()
            click.echo(f"error: {' '.join(str(error).split()) or type(error).__name__}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)
        assert isinstance(outcome, Outcome)
        click.echo(to_json(outcome.document) if ctx.meta["--json"] else outcome.text)
        ctx.exit(0 if outcome.ok else 1)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on its own line."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class LazyGroup(click.Group):
    """A group that imports a command when somebody asks for it.

    Args:
        args: Those of :class:`click.Group`.
        commands_at: ``"module:name"`` of every command.
        options: Those of :class:`click.Group`.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted(self.commands_at)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        if name not in self.commands_at:
            return None
        module, _, attribute = self.commands_at[name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


def to_json(document: Any) -> str:
    """A JSON document, strictly: what is not finite becomes ``null``, a path its text.

    Example:
        >>> to_json({"loss": float("nan"), "labels": (1, 2)}).split()
        ['{', '"loss":', 'null,', '"labels":', '[', '1,', '2', ']', '}']
    """
    return json.dumps(_plain(document), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, PathLike) else value


def progress(items: Iterable[T], label: str, length: int | None = None) -> Iterator[T]:
    """The items, with a bar on the standard error while they are worked on; without one if that is no terminal.

    Args:
        items: What is worked on.
        label: What is written before the bar.
        length: Number of items; needed where they are no sequence.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    with click.progressbar(items, length=length, label=label, file=sys.stderr) as bar:
        yield from bar


@contextmanager
def advancing(total: int, label: str) -> Iterator[Callable[[int], None]]:
    """A function that says how much more of ``total`` is done, shown as :func:`progress` is."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        yield bar.update


def _flag(name: str, text: str) -> click.Option:
    """An option of every command; it does not reach the command's function but ``ctx.meta``."""

    def remember(ctx: click.Context, option: click.Parameter, value: bool) -> None:
        ctx.meta[name] = value

    return click.Option([name], is_flag=True, show_default=False, help=text, expose_value=False, callback=remember)
