import pytest
import torch

pytest.importorskip("lightning")
from otseg.costs import cosine
from otseg.data import make_activity
from otseg.models import METHODS
from otseg.models.baselines import uniform_split
from otseg.plots.embedding import principal_plane
from otseg.train import TrainConfig, segment_dataset
from otseg.train.loaders import model_input
from otseg.train.records import embed, from_runs, read_embedding, read_segments, to_runs, write_records
from otseg.train.run import new_model

CONFIG = TrainConfig()


@pytest.fixture(scope="module")
def data():
    return make_activity(3, 4, n_features=6, n_frames=(30, 50), generator=torch.Generator().manual_seed(0))


def model_of(name, data, **settings):
    config = METHODS[name].model.config_class
    small = {"layers": (8, 4), "n_actions": data.n_actions, "n_features": data.n_features}
    return new_model(METHODS[name].model, config(**small, **settings), 0).eval()


@pytest.mark.parametrize("labels", [[3], [0, 0, 1, -1, -1, 0]])
def test_runs_there_and_back(labels):
    assert from_runs(to_runs(torch.tensor(labels))).tolist() == labels


def test_records_come_back(data, tmp_path):
    model = model_of("asot", data)
    labels = segment_dataset(model, data, config=CONFIG)
    assert read_segments(tmp_path) is read_embedding(tmp_path) is None
    write_records(tmp_path, model, data, CONFIG, labels)
    found = read_segments(tmp_path)
    assert (found.n_actions, found.classes) == (data.n_actions, list(data.evaluation_names))
    for video, source, row in zip(found.videos, data.sources, labels, strict=True):
        assert video.name == source.name
        assert from_runs(video.labels).equal(row)
        assert from_runs(video.target).equal(source.labels)
    embedding = read_embedding(tmp_path)
    assert embedding.labels == torch.cat(labels).tolist()  # few frames: all are kept
    assert embedding.target == torch.cat([source.labels for source in data.sources]).tolist()
    assert len(embedding.prototypes) == data.n_actions


def test_the_plane_is_that_of_the_frames(data):
    model = model_of("tot", data)
    labels = segment_dataset(model, data, config=CONFIG)
    found = embed(model, data, CONFIG, labels)
    parts = [model.embed_frames(sequence.features[None]) for sequence in model_input(data, CONFIG)]
    frames = torch.cat([part[0][0] for part in parts]).double().detach().numpy()
    places, marked, shares = principal_plane(frames, parts[0][1].double().detach().numpy())
    assert torch.tensor(found.frames).double().numpy() == pytest.approx(places, abs=1e-4)
    assert torch.tensor(found.prototypes).double().numpy() == pytest.approx(marked, abs=1e-4)
    assert found.explained == pytest.approx(shares)
    assert found.target is None


def test_of_many_frames_some_are_kept_evenly(data, monkeypatch):
    monkeypatch.setattr("otseg.train.records.N_FRAMES", 20)
    model = model_of("tot", data)
    labels = segment_dataset(model, data, config=CONFIG)
    together = torch.cat(labels)
    every = -(-len(together) // 20)
    found = embed(model, data, CONFIG, labels)
    assert found.labels == together[::every].tolist()
    assert len(found.frames) == len(found.labels) <= 20


def test_a_model_without_prototypes_keeps_segments_only(data, tmp_path):
    model = model_of("asot", data)
    model.embed_frames = lambda features, mask=None: None
    write_records(tmp_path, model, data, CONFIG, [uniform_split(s.n_frames, 3) for s in data])
    assert read_segments(tmp_path) is not None
    assert read_embedding(tmp_path) is None


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "segments.json").write_text("{")
    with pytest.raises(ValueError, match=r"segments\.json: not a JSON file"):
        read_segments(tmp_path)


@pytest.mark.parametrize("name", ["asot", "tot", "clot", "dclot"])
def test_embeddings_are_what_the_model_compares(data, name):
    model = model_of(name, data)
    features = model_input(data, CONFIG)[0].features[None]
    frames, prototypes = model.embed_frames(features)
    torch.testing.assert_close(frames.norm(dim=2), torch.ones(frames.shape[:2]))
    torch.testing.assert_close(prototypes.norm(dim=1), torch.ones(len(prototypes)))
    cost, seen = cosine(frames, prototypes), model.segment(features).problem.cost
    factor = (cost * seen).sum() / cost.square().sum()  # a model may weigh its cost
    torch.testing.assert_close(seen, factor * cost, atol=1e-5, rtol=1e-4)
