"""Completion by the key Tab, in interactive shells that have the documented line in their start-up file."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a terminal as Unix has it")
#: Name and content of the start-up file, the line of docs/command_line.md in it, and the options of the shell.
SHELLS = {
    "bash": (".bashrc", 'PS1="ready> "; {line}; bind "set show-all-if-ambiguous on"', ("--noprofile", "-i")),
    "zsh": (".zshrc", 'PS1="ready> "; autoload -Uz compinit && compinit -u; {line}', ("-d", "-i")),
}
#: Runs a shell in a terminal of its own.
IN_TERMINAL = "import pty, sys; pty.spawn(sys.argv[1:])"
#: What moves the cursor or colors the text.
CONTROL = re.compile(rb"\x1b\[[?\d;]*[A-Za-z]|\x1b[=>]|.\x08|[\r\x07]")


class Terminal:
    """An interactive shell that is given keys, and whose screen is read."""

    def __init__(self, command, environment):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        run = [sys.executable, "-c", IN_TERMINAL, *command]
        self.process = subprocess.Popen(run, env=environment, bufsize=0, **pipes)
        self.screen = b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while part := self.process.stdout.read(4096):
            self.screen += part

    def press(self, keys, *expected):
        """What is on the screen after these keys, as soon as it holds all that is expected, or after half a minute."""
        seen, end = len(self.screen), time.monotonic() + 30
        self.process.stdin.write(keys.encode())
        while True:
            text = CONTROL.sub(b"", self.screen[seen:]).decode(errors="replace")
            if all(part in text for part in expected) or time.monotonic() > end:
                return text
            time.sleep(0.05)

    def close(self):
        """End it."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(params=SHELLS)
def terminal(request, tmp_path):
    """A shell in an empty home, with a command `otseg` that runs this source tree."""
    shell = shutil.which(request.param)
    if shell is None:
        pytest.skip(f"{request.param} is not installed")
    line = f'eval "$(_OTSEG_COMPLETE={request.param}_source otseg)"'
    assert f"`{line}`" in (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    start, content, options = SHELLS[request.param]
    (tmp_path / start).write_text(content.format(line=line) + "\n")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "otseg"
    command.write_text(f"#!{sys.executable}\nimport sys\nfrom otseg.cli.main import main\nsys.exit(main())\n")
    command.chmod(0o755)
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.pathsep.join([str(command.parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
    }
    found = Terminal([shell, *options], environment)
    yield found
    found.close()


def test_tab_completes_commands_options_and_choices(terminal):
    assert "ready> " in terminal.press("", "ready> ")
    for keys, expected in (
        ("otseg seg\t", ["otseg segment "]),
        ("otseg segment --\t", ["--window", "--frame-rate", "--json"]),
        ("otseg data \t", ["check", "make-synthetic"]),
        ("otseg train --model cl\t", ["otseg train --model clot "]),
    ):
        found = terminal.press(keys, *expected)
        assert all(part in found for part in expected), found
        terminal.press("\x03", "ready> ")
