"""A small folder in the layout of the benchmarks."""

import numpy as np
import pytest


class Folder:
    """Writes the files of a data set."""

    def __init__(self, root):
        self.root = root
        self.write("mapping/mapping.txt", "0 take\n1 pour\n2 stir\n-1 background\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def video(self, name, labels, *, n_frames=None, n_features=4, activity="", value=None, transposed=False):
        """One video; ``labels`` is a list of class names."""
        n = len(labels) if n_frames is None else n_frames
        x = np.arange(n * n_features, dtype=np.float32).reshape(n, n_features) + 1
        if value is not None:
            x[:] = value
        path = self.root / "features" / activity / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, x.T if transposed else x)
        self.write(f"groundTruth/{name}", "".join(label + "\n" for label in labels))
        return path


@pytest.fixture
def folder(tmp_path):
    """A folder with a mapping and two videos of six and five frames."""
    found = Folder(tmp_path)
    found.video("a", ["take"] * 3 + ["pour"] * 3)
    found.video("b", ["background", "stir", "stir", "take", "take"])
    return found
