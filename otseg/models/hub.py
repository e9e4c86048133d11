"""Models in folders and on the Hugging Face Hub, which needs the extra ``hub``."""

import tempfile
from pathlib import Path

from otseg import checks
from otseg.models.base import SegmentationModel
from otseg.models.checkpoint import read_model, write_model

#: Name of the file in a folder or a repository.
FILE = "model.safetensors"

_CARD = """---
library_name: otseg
tags: [action-segmentation, temporal-segmentation, optimal-transport, unsupervised]
---

# {name}

A model of [otseg](https://pypi.org/project/otseg/): it divides sequences of features into actions, and was trained
without labels.

    from otseg.models import {name}
    model = {name}.from_pretrained("{repo_id}")
    labels = model.segment(features).labels()  # features (B, N, {n_features})

{standardized}Settings:

{settings}
"""

_STANDARDIZED = """Features of each sequence, all its frames, must be standardized as in training:
`otseg.data.standardize(sequence, scale=D ** -0.5)` with `D` features; `otseg segment` does it.

"""


def load_pretrained(where: str | Path, *, revision: str | None = None) -> SegmentationModel:
    """A model from a file, a folder that holds ``model.safetensors``, or a repository on the Hub.

    Args:
        where: Path, or ``"<owner>/<name>"``; what exists on disk is taken from there.
        revision: Branch, tag or commit on the Hub.

    Raises:
        FileNotFoundError: If there is neither such a path nor such a repository name.
        ValueError: If the file is not one of otseg.
    """
    path = Path(where)
    if path.is_dir():
        path = path / FILE
    elif not path.exists() and str(where).count("/") == 1 and not str(where).startswith((".", "~", "/")):
        try:
            from huggingface_hub import hf_hub_download
        except ModuleNotFoundError:
            checks.missing_extra("huggingface_hub", "hub")
        path = Path(hf_hub_download(str(where), FILE, revision=revision))
    return read_model(path)


def push(model: SegmentationModel, repo_id: str, *, private: bool = False) -> str:
    """Upload a model with a model card to the Hub, as one commit; see ``SegmentationModel.push_to_hub``."""
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError:
        checks.missing_extra("huggingface_hub", "hub")
    api = HfApi()
    api.create_repo(repo_id, private=private, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        write_model(model, Path(folder) / FILE)
        (Path(folder) / "README.md").write_text(_card(model, repo_id), encoding="utf-8")
        info = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=f"{type(model).__name__} of otseg")
    return str(info.commit_url)


def _card(model: SegmentationModel, repo_id: str) -> str:
    settings = [f"- `{name}`: {value}" for name, value in vars(model.config).items()]
    n_features = getattr(model.config, "n_features", "D")
    standardized = _STANDARDIZED if model.train_settings.get("standardize") else ""
    return _CARD.format(
        name=type(model).__name__,
        repo_id=repo_id,
        n_features=n_features,
        standardized=standardized,
        settings="\n".join(settings),
    )
