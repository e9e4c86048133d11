"""Small experiments to report on, with names that a careless page would run as a script."""

import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("matplotlib")
from otseg.data import SequenceDataset, make_activity
from otseg.train import make_settings, run_experiment

EVIL = "<script>alert('x')</script>"
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """What a page holds; fails on an element that is not closed in its place."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.ids, self.links, self.attributes, self.texts, self._open = [], [], [], [], []
        self.elements = []
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        found = dict(attributes)
        self.elements.append((tag, found))
        self.attributes += [(tag, name, value) for name, value in attributes]
        if "id" in found:
            self.ids.append(found["id"])
        if "href" in found:
            self.links.append(found["href"])

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    def all(self, tag, class_=None):
        """Attributes of all elements of a kind."""
        return [
            found
            for name, found in self.elements
            if name == tag and (class_ is None or class_ in found.get("class", "").split())
        ]


@pytest.fixture(scope="session")
def page():
    """Parses a page."""
    return Page


@pytest.fixture(scope="session")
def data():
    """Three sequences of each of two activities."""
    generator = torch.Generator().manual_seed(0)
    parts = [make_activity(3, 3, n_features=6, n_frames=(30, 50), generator=generator) for _ in range(2)]
    sources = [
        replace(sequence, name=f"{activity}_{sequence.name}", activity=activity)
        for activity, part in zip(("milk", "tea & toast"), parts, strict=True)
        for sequence in part.sources
    ]
    sources[0] = replace(sources[0], name=EVIL)
    return SequenceDataset(sources, ["<i>pour</i>", "stir", "heat"])


@pytest.fixture(scope="session")
def whole(data, tmp_path_factory):
    """The folder of an experiment over two activities and two seeds, not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    small = ["train.epochs=2", "train.n_samples=20", "model.layers=[8, 4]"]
    settings = make_settings("asot", overrides=small)
    run_experiment(settings, data, folder=folder, seeds=(0, 1), validate=True, progress=False, accelerator="cpu")
    return folder


@pytest.fixture
def trained(whole, tmp_path):
    """A copy of it, to do with as a test likes."""
    return shutil.copytree(whole, tmp_path / "first")


@pytest.fixture
def change():
    """Changes a JSON file."""

    def edit(path, function):
        value = json.loads(path.read_text())
        function(value)
        path.write_text(json.dumps(value))

    return edit
