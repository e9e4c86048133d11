"""Models in files, in folders, and on a hub that stands in for the real one."""

import shutil
import sys
import types
from dataclasses import dataclass

import pytest
import torch

from otseg.models import ASOT, CLOT, ASOTConfig, CLOTConfig, SegmentationModel
from otseg.models.checkpoint import read_model, write_model
from otseg.models.hub import FILE


def asot():
    torch.manual_seed(0)
    return ASOT(ASOTConfig(n_actions=3, n_features=4, layers=(8, 4), rho_b=float("inf")))


def assert_same(model, other):
    assert type(model) is type(other)
    assert model.config == other.config
    state = other.state_dict()
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert dict(model.train_settings) == dict(other.train_settings)
    assert not other.training


def test_a_file_and_its_folder_give_the_model_back(tmp_path):
    model = asot()
    model.train_settings = {"epochs": 3, "standardize": True}
    write_model(model, tmp_path / FILE)
    assert_same(model, read_model(tmp_path / FILE))
    assert_same(model, ASOT.from_pretrained(tmp_path))
    assert_same(model, SegmentationModel.from_pretrained(str(tmp_path / FILE)))


def test_another_class_is_refused_by_name(tmp_path):
    write_model(asot(), tmp_path / FILE)
    with pytest.raises(
        ValueError, match=r"must be a model of type CLOT; got ASOT\. Load it with ASOT\.from_pretrained"
    ):
        CLOT.from_pretrained(tmp_path)


def test_a_model_of_ones_own_is_found_if_it_is_defined(tmp_path):
    @dataclass(frozen=True)
    class OwnConfig(ASOTConfig):
        gain: float = 2.0

    class Own(ASOT):
        config_class = OwnConfig

    model = Own(OwnConfig(n_actions=2, n_features=4, gain=3.0))
    write_model(model, tmp_path / FILE)
    assert read_model(tmp_path / FILE).config == OwnConfig(n_actions=2, n_features=4, gain=3.0)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder that takes the place of the hub, behind the functions of huggingface_hub that are used."""
    root = tmp_path / "hub"
    calls = []

    class Api:
        def create_repo(self, repo_id, *, private, exist_ok):
            assert exist_ok
            calls.append(("create", repo_id, private))
            (root / repo_id).mkdir(parents=True, exist_ok=True)

        def upload_folder(self, *, repo_id, folder_path, commit_message):
            calls.append(("upload", repo_id, commit_message))
            shutil.copytree(folder_path, root / repo_id, dirs_exist_ok=True)
            return types.SimpleNamespace(commit_url=f"https://hub/{repo_id}/commit/1")

    def download(repo_id, filename, *, revision):
        calls.append(("download", repo_id, revision))
        return str(root / repo_id / filename)

    stand_in = types.ModuleType("huggingface_hub")
    stand_in.HfApi, stand_in.hf_hub_download = Api, download
    monkeypatch.setitem(sys.modules, "huggingface_hub", stand_in)
    monkeypatch.chdir(tmp_path)
    return root, calls


def test_the_hub_gives_back_what_was_pushed(hub):
    root, calls = hub
    model = asot()
    model.train_settings = {"epochs": 3, "standardize": True}
    assert model.push_to_hub("me/coffee", private=True) == "https://hub/me/coffee/commit/1"
    assert calls == [("create", "me/coffee", True), ("upload", "me/coffee", "ASOT of otseg")]
    assert {path.name for path in (root / "me" / "coffee").iterdir()} == {FILE, "README.md"}
    card = (root / "me" / "coffee" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: otseg\n")
    assert 'ASOT.from_pretrained("me/coffee")' in card
    assert "- `n_actions`: 3" in card
    assert "must be standardized as in training" in card
    assert_same(model, ASOT.from_pretrained("me/coffee", revision="v1"))
    assert calls[-1] == ("download", "me/coffee", "v1")


def test_what_exists_on_disk_is_taken_from_there(hub, tmp_path):
    (tmp_path / "me" / "coffee").mkdir(parents=True)
    model = CLOT(CLOTConfig(n_actions=3, n_features=4, layers=(8, 4)))
    write_model(model, tmp_path / "me" / "coffee" / FILE)
    assert_same(model, SegmentationModel.from_pretrained("me/coffee"))
    assert not hub[1]
    for missing in ("me/coffee/other", "./nothing", "nothing.safetensors"):
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            SegmentationModel.from_pretrained(missing)


def test_the_package_of_the_hub_is_asked_for_where_it_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImportError, match=r"pip install 'otseg\[hub\]'"):
        asot().push_to_hub("me/coffee")
    with pytest.raises(ImportError, match=r"pip install 'otseg\[hub\]'"):
        ASOT.from_pretrained("me/coffee")
