"""D-CLOT: CLOT's loss and plans, its regularizer against the formula, and how its prototypes are re-estimated."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from otseg.data import Sequence, SequenceDataset
from otseg.models import DCLOT, DCLOTConfig
from otseg.train import TrainConfig, fit
from otseg.types import Batch

CONFIG = DCLOTConfig(
    n_actions=3, n_features=6, layers=(8, 4), n_projections=7, decoder_heads=2, n_neighbors=4, graph=2.0
)


def batch(lengths=(40, 25)):
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    features = torch.randn(len(lengths), max(lengths), 6, generator=generator, dtype=torch.float64)
    return Batch(features * mask.unsqueeze(2), mask)


def build(**changes):
    torch.manual_seed(0)
    return DCLOT(replace(CONFIG, **changes)).double()


def refined(model, data):
    return normalize(model.clot.embed(data.features, data.mask).refined, dim=2)


def test_loss_is_that_of_clot_and_the_regularizer():
    model, data = build(), batch()
    terms = model.loss(data)
    expected = model.clot.loss(data)
    assert list(terms) == [*expected, "graph_frames", "graph_segments"]
    assert all(torch.equal(terms[name], value) for name, value in expected.items())
    embeddings = model.clot.embed(data.features, data.mask)
    of_frames = of_segments = 0
    for i, n in enumerate((40, 25)):
        f, r, s = embeddings.encoded[i, :n], refined(model, data)[i, :n], embeddings.segments[i]
        frame = torch.arange(n)
        apart = (frame - frame[:, None]).abs()
        affinity = torch.exp(-(1 - f @ f.T) / 0.1 - apart / (0.1 * n)).masked_fill(apart == 0, 0)
        kept = affinity * (affinity >= affinity.topk(4, dim=1)[0][:, -1:])
        weights = kept / kept.sum(dim=1, keepdim=True)
        of_frames += (weights * (r @ r.T - f @ f.T) ** 2).sum() / n / 2
        attention = torch.softmax(embeddings.frames[i, :n] @ s.T / 0.2, dim=1)
        c = normalize((attention.T @ f) / attention.sum(dim=0)[:, None], dim=1)
        of_segments += ((s @ s.T - c @ c.T) ** 2).sum() / 6 / 2  # three segments, six ordered pairs
    torch.testing.assert_close(terms["graph_frames"], 2 * of_frames)
    torch.testing.assert_close(terms["graph_segments"], 2 * of_segments)


@pytest.mark.parametrize("term", ["graph_frames", "graph_segments"])
def test_regularizer_has_the_encoder_as_its_constant_reference(term):
    """Its gradient is that of the refined embeddings alone: none is taken through the geometry that is kept."""
    model, data = build(), batch()
    embeddings = model.clot.embed(data.features, data.mask)
    frozen = replace(embeddings, encoded=embeddings.encoded.detach(), frames=embeddings.frames)
    model.clot.embed = lambda features, mask: frozen
    model.loss(data)[term].backward()
    with_frozen = {name: parameter.grad for name, parameter in model.named_parameters()}
    model, data = build(), batch()
    model.loss(data)[term].backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            assert with_frozen[name] is None
        else:
            torch.testing.assert_close(parameter.grad, with_frozen[name])
    assert model.clot.decoder.queries.grad.abs().sum() > 0


def test_padding_and_neighbors_change_nothing():
    model, data = build(), batch()
    alone = [model.loss(Batch(data.features[i : i + 1, :n], data.mask[i : i + 1, :n])) for i, n in enumerate((40, 25))]
    for name, value in model.loss(data).items():
        torch.testing.assert_close(value, (alone[0][name] + alone[1][name]) / 2)


def test_segments_as_clot():
    model, data = build(), batch()
    assert torch.equal(model.segment(data.features, data.mask).plan, model.clot.segment(data.features, data.mask).plan)


def test_barycenters_are_the_mean_directions_of_the_refined_plans():
    model, data = build(prototypes="barycenter"), batch()
    frames = refined(model, data)
    plan = model.clot.refined_plan(frames, data.mask, training=True).plan
    means = sum(plan[i, n, :, None] * frames[i, n] for i, length in enumerate((40, 25)) for n in range(length))
    # The same whether the sequences come in one batch or in two of their own lengths.
    for batches in ([data], [batch_of(data, 0, 40), batch_of(data, 1, 25)]):
        fresh = build(prototypes="barycenter")
        fresh.refresh(batches, 5)
        torch.testing.assert_close(fresh.clot.prototypes(), normalize(means, dim=1))


def batch_of(data, i, n):
    return Batch(data.features[i : i + 1, :n], data.mask[i : i + 1, :n])


def test_kmeans_is_a_fixed_point_of_lloyd_on_refined_frames():
    model, data = build(), batch()
    frames = refined(model, data)[data.mask]
    start = model.clot.prototypes().detach()
    model.refresh([data], 5)
    found = model.clot.prototypes().detach()
    centers = start
    for _ in range(100):
        nearest = torch.cdist(frames, centers).argmin(dim=1)
        centers = torch.stack([frames[nearest == k].mean(dim=0) for k in range(3)])
    torch.testing.assert_close(found, normalize(centers, dim=1), atol=1e-3, rtol=0)


@pytest.mark.parametrize("prototypes", ["kmeans", "barycenter"])
def test_refreshes_every_few_epochs_only_and_moves_nothing_else(prototypes):
    model, data = build(prototypes=prototypes, refresh_every=3, dropout=0.5), batch()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for epoch in (1, 2, 4, 5):
        model.refresh(iter([data]), epoch)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    model.refresh(iter([data]), 3)
    changed = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed == ["clot.prototypes.weight"]
    assert model.training
    again = build(prototypes=prototypes, refresh_every=3, dropout=0.5)
    again.refresh(iter([data]), 3)  # without dropout while it refreshes
    assert torch.equal(again.clot.prototypes.weight, model.clot.prototypes.weight)


def test_training_refreshes_before_every_epoch_but_the_first(monkeypatch):
    epochs = []
    monkeypatch.setattr(DCLOT, "refresh", lambda self, batches, epoch: epochs.append((epoch, len(list(batches)))))
    sequences = [Sequence(torch.randn(30, 6), name=str(i)) for i in range(3)]
    model = DCLOT(replace(CONFIG, rho_b_eval=1.0))
    fit(model, SequenceDataset(sequences), config=TrainConfig(epochs=3), accelerator="cpu", enable_progress_bar=False)
    assert epochs == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prototypes": "mean"}, "`prototypes` must be one of 'kmeans', 'barycenter'"),
        ({"refresh_every": 0}, "`refresh_every` must be an integer >= 1"),
        ({"graph": -1.0}, "`graph` must be a number >= 0"),
        ({"refinement": False}, "`refinement` must be on"),
    ],
)
def test_config_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)
