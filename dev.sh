#!/bin/sh
# One door to the repository: every command makes its own virtual environment in .venv, and keeps it up to date.
set -eu
cd "$(dirname -- "$0")"

usage() {
    cat <<'END'
Usage: ./dev.sh COMMAND [ARGUMENT...]

  demo [ARGUMENT...]   train CLOT, compare it with ASOT: examples/clot_breakfast.py
  test [ARGUMENT...]   check everything: ruff, mypy, then pytest with the arguments
  docs                 build the documentation into docs/_build/html, without a warning, and check its links
  format               format the code, and fix what ruff can fix
  run PROGRAM ...      run a program of the development environment, such as: ./dev.sh run pytest tests/unit

The environment is made with python3, or with the Python that $PYTHON names (3.10 to 3.13).
END
}

die() {
    printf 'dev.sh: %s\n' "$1" >&2
    exit 1
}

suits() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        suits "$PYTHON" || die "\$PYTHON must name a Python 3.10 to 3.13; got '$PYTHON'."
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.10 python; do
        if suits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    die "no Python 3.10 to 3.13 was found. Install one, or name it: PYTHON=/path/to/python ./dev.sh ..."
}

# install EXTRAS: bring .venv up to date; does nothing if that was done before with the same files.
# torch comes first, so that the kernels are built against it where there is a compiler.
install() {
    if [ ! -e .venv ]; then
        python=$(find_python)
        "$python" -m venv .venv || {
            rm -rf .venv
            die "'$python -m venv' failed. On Debian and Ubuntu: apt install python3-venv"
        }
    fi
    suits .venv/bin/python || die "'.venv' has no Python 3.10 to 3.13. Remove that folder and try again."
    stamp=".venv/otseg-$1"
    state=$({ pwd && cat pyproject.toml setup.py constraints.txt otseg_cuda/build.py otseg_cuda/csrc/*.h otseg_cuda/csrc/*/*; } | cksum)
    if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$state" ]; then
        echo "Installing otseg[$1] into .venv: some minutes the first time." >&2
        .venv/bin/python -m pip install --disable-pip-version-check -c constraints.txt torch
        .venv/bin/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[$1]"
        echo "$state" >"$stamp"
    fi
}

step() {
    printf '\n== %s\n' "$*"
    .venv/bin/python -m "$@"
}

command=${1:-help}
[ $# -eq 0 ] || shift
case $command in
demo)
    install train,plots
    exec .venv/bin/python examples/clot_breakfast.py "$@"
    ;;
test)
    install dev
    step ruff format --check .
    step ruff check .
    step mypy
    export OMP_NUM_THREADS=1 # one thread for each of the two workers
    step pytest -n 2 --cov "$@"
    ;;
docs)
    install dev
    export OMP_NUM_THREADS=1
    rm -rf docs/_build docs/_made docs/gallery # nothing stale: pages of renamed files would stay
    step sphinx -q -n -W --keep-going docs docs/_build/html
    .venv/bin/python docs/check_html.py docs/_build/html
    ;;
format)
    install dev
    step ruff check --fix-only .
    step ruff format .
    ;;
run)
    install dev
    [ $# -gt 0 ] || die "name a program, such as: ./dev.sh run pytest"
    PATH="$PWD/.venv/bin:$PATH" exec "$@"
    ;;
help | -h | --help) usage ;;
*)
    usage >&2
    die "there is no command '$command'."
    ;;
esac
