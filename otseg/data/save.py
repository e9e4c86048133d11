"""Writes a data set as a folder in the layout of the benchmarks, which :func:`otseg.data.load_folder` reads."""

from pathlib import Path

import numpy as np

from otseg import checks
from otseg.data.dataset import SequenceDataset
from otseg.data.load import AnyPath

#: Name of the class of the frames that are labeled -1.
BACKGROUND = "background"


def save_folder(dataset: SequenceDataset, root: AnyPath) -> None:
    """Write ``features/[<activity>/]<name>.npy``, ``groundTruth/<name>.txt`` and ``mapping/mapping.txt``.

    Sequences are read and written one at a time. Where some frames are labeled -1, the mapping gets the class
    ``background`` with the id -1, so that they are -1 again when the folder is loaded.

    Args:
        dataset: Sequences that all have labels, or of which none has; then neither ground truth nor mapping is written.
        root: Folder to make; if it exists, it must be empty.

    Raises:
        ValueError: If the folder is not empty, if only some sequences have labels, or if a label has no name.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> data = otseg.data.make_activity(2, 3, generator=torch.Generator().manual_seed(0))
        >>> with TemporaryDirectory() as folder:
        ...     save_folder(data, folder)
        ...     otseg.data.load_folder(folder).names
        ('video_000', 'video_001')
    """
    root = Path(root)
    labeled = {source.labels is not None for source in dataset.sources}
    fix = "Select those that have them."
    checks.require(len(labeled) == 1, "dataset", "sequences that all have labels, or none", "some that have", fix)
    if root.is_dir() and any(root.iterdir()):
        checks.fail_file(root, "is not empty", "Name another folder, or remove what is in it.")
    names = [*dataset.class_names, BACKGROUND]  # -1 reads the last entry
    lowest = 0
    for sequence in dataset:
        folder = root / "features" / sequence.activity
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{sequence.name}.npy", sequence.features.float().numpy())
        if sequence.labels is not None:
            lowest, highest = min(lowest, int(sequence.labels.min())), int(sequence.labels.max())
            fix = f"There are {len(dataset.class_names)} class names."
            checks.require(highest < len(names) - 1, "labels", "numbers of class names", highest, fix)
            path = root / "groundTruth" / f"{sequence.name}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(f"{names[label]}\n" for label in sequence.labels.tolist()), encoding="utf-8")
    if labeled == {True}:
        lines = [f"-1 {BACKGROUND}\n"] if lowest < 0 else []
        lines += [f"{i} {name}\n" for i, name in enumerate(dataset.class_names)]
        (root / "mapping").mkdir()
        (root / "mapping" / "mapping.txt").write_text("".join(lines), encoding="utf-8")
