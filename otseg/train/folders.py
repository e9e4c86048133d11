"""Folders of runs, which are never overwritten silently."""

from pathlib import Path

from otseg import checks


def next_folder(root: str | Path) -> Path:
    """The first unused of ``root/0001``, ``root/0002``, ...; nothing is created.

    Args:
        root: Folder of the runs.
    """
    root = Path(root)
    used = [int(path.name) for path in root.glob("[0-9][0-9][0-9][0-9]") if path.name.isdigit()]
    return root / f"{max(used, default=0) + 1:04d}"


def new_folder(folder: str | Path) -> Path:
    """Create a folder, which must not exist or be empty.

    Args:
        folder: The folder.

    Raises:
        ValueError: If it is a file, or holds anything.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        checks.fail_file(folder, "a file is in the place of the folder", "Name another folder.")
    if folder.is_dir() and any(folder.iterdir()):
        checks.fail_file(folder, "the folder is not empty", "Name another folder, or remove this one yourself.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
