"""Neighbor graphs against brute force; the energy against its formula, its zero and its gradient."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn.functional import normalize

from otseg.nn import graph as graph_module
from otseg.nn import neighbor_graph

MASK = torch.arange(12) < torch.tensor([[12], [7]])
OPTIONS = {"n_neighbors": 3, "bandwidth": 0.3, "duration": 0.2}


@pytest.fixture
def features(generator):
    return torch.randn(2, 12, 4, generator=generator, dtype=torch.float64)


def brute_force(frames, k, bandwidth, duration):
    """Edges of one sequence as a dense matrix of weights, frame by frame."""
    n = len(frames)
    weights = torch.zeros(n, n, dtype=frames.dtype)
    cosine = normalize(frames, dim=1) @ normalize(frames, dim=1).T
    for i in range(n):
        affinity = {
            j: float(torch.exp(-(1 - cosine[i, j]) / bandwidth - torch.tensor(abs(i - j) / (n * duration))))
            for j in range(n)
            if j != i
        }
        best = sorted(affinity, key=affinity.get, reverse=True)[:k]
        for j in best:
            weights[i, j] = affinity[j] / sum(affinity[b] for b in best)
    return weights, cosine


def dense(graph, i, n):
    weights = torch.zeros(n, graph.mask.shape[1], dtype=graph.weights.dtype)
    return weights.scatter_add(1, graph.neighbors[i, :n], graph.weights[i, :n])


@pytest.mark.parametrize("duration", [0.2, float("inf")])
def test_equals_brute_force_whatever_the_padding(features, duration, monkeypatch):
    options = {**OPTIONS, "duration": duration}
    padded = features.masked_fill(~MASK.unsqueeze(2), float("nan"))
    whole = neighbor_graph(padded, MASK, **options)
    monkeypatch.setattr(graph_module, "CHUNK", 5 * 24)  # five frames at a time
    chunked = neighbor_graph(padded, MASK, **options)
    for graph in (whole, chunked):
        for i, n in enumerate((12, 7)):
            expected, cosine = brute_force(features[i, :n], 3, 0.3, duration)
            torch.testing.assert_close(dense(graph, i, n)[:, :n], expected)
            torch.testing.assert_close(graph.similarity[i, :n], cosine.gather(1, graph.neighbors[i, :n]))
        assert not graph.weights[1, 7:].any()


def test_energy_equals_the_formula(features, generator):
    embeddings = torch.randn(2, 12, 5, generator=generator, dtype=torch.float64)
    expected = 0
    for i, n in enumerate((12, 7)):
        weights, cosine = brute_force(features[i, :n], 3, 0.3, 0.2)
        other = normalize(embeddings[i, :n], dim=1)
        expected += (weights * (other @ other.T - cosine) ** 2).sum() / n / 2
    garbage = embeddings.masked_fill(~MASK.unsqueeze(2), float("nan"))
    torch.testing.assert_close(neighbor_graph(features, MASK, **OPTIONS).energy(garbage), expected)


def test_energy_is_zero_for_the_same_geometry_and_not_for_a_collapse(features, generator):
    graph = neighbor_graph(features, MASK, **OPTIONS)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))[0]
    assert float(graph.energy(3 * features @ rotation)) < 1e-12
    assert float(graph.energy(torch.ones_like(features))) > 0.01


def test_gradient_goes_into_embeddings_alone(features, generator):
    features.requires_grad_()
    graph = neighbor_graph(features, MASK, **OPTIONS)
    assert not graph.similarity.requires_grad
    embeddings = torch.randn(2, 12, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    assert gradcheck(graph.energy, (embeddings,))


@pytest.mark.parametrize("n", [1, 3])
def test_a_short_sequence_has_fewer_edges(n):
    graph = neighbor_graph(torch.randn(1, n, 2), n_neighbors=8)
    torch.testing.assert_close(graph.weights.sum(dim=2), torch.full((1, n), float(n > 1)))
    assert torch.isfinite(graph.energy(torch.randn(1, n, 2)))


def test_refuses():
    with pytest.raises(ValueError, match="`n_neighbors` must be an integer >= 1; got 0"):
        neighbor_graph(torch.zeros(1, 3, 2), n_neighbors=0)
    with pytest.raises(ValueError, match="`bandwidth` must be a number > 0"):
        neighbor_graph(torch.zeros(1, 3, 2), bandwidth=0.0)
