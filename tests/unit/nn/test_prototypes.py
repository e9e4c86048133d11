import pytest
import torch

from otseg.nn import Prototypes


def blobs(generator, n=30):
    """Three tight, well separated directions that occur in the temporal order 2, 0, 1."""
    centers = torch.eye(3)
    embeddings = torch.cat([centers[k] + 0.01 * torch.randn(n, 3, generator=generator) for k in (2, 0, 1)])
    return embeddings, (torch.arange(3 * n) + 0.5) / (3 * n)


def test_are_of_length_one_whatever_the_optimizer_does():
    prototypes = Prototypes(4, 6)
    with torch.no_grad():
        prototypes.weight.mul_(7).add_(1)
    torch.testing.assert_close(prototypes().norm(dim=1), torch.ones(4))
    torch.testing.assert_close(prototypes() * prototypes.weight.norm(dim=1, keepdim=True), prototypes.weight)


def test_initialize_finds_the_centers_in_order_of_time(generator):
    embeddings, positions = blobs(generator)
    prototypes = Prototypes(3, 3)
    prototypes.initialize(embeddings, positions, generator=generator)
    torch.testing.assert_close(prototypes(), torch.eye(3)[[2, 0, 1]], atol=0.02, rtol=0)


def test_order_follows_mean_time_not_first_appearance(generator):
    # Direction 0 appears first, but most of its frames come last.
    embeddings = torch.eye(2)[[0, 1, 1, 1, 0, 0, 0, 0]]
    prototypes = Prototypes(2, 2)
    prototypes.initialize(embeddings, torch.linspace(0, 1, 8), generator=generator)
    torch.testing.assert_close(prototypes(), torch.eye(2)[[1, 0]])


def test_initialize_is_a_function_of_the_generator(generator):
    embeddings = torch.randn(200, 5, generator=generator)
    found = []
    for seed in (1, 1, 2):
        prototypes = Prototypes(6, 5)
        prototypes.initialize(embeddings, generator=torch.Generator().manual_seed(seed))
        found.append(prototypes())
    torch.testing.assert_close(found[0], found[1], atol=0, rtol=0)
    assert not torch.equal(found[0], found[2])


def test_keeps_dtype_and_parameter(generator):
    prototypes = Prototypes(2, 3)
    weight = prototypes.weight
    prototypes.initialize(torch.randn(9, 3, generator=generator), generator=generator)
    assert prototypes.weight is weight
    assert weight.dtype == torch.float32
    assert weight.requires_grad


def test_refuses_too_few_frames_and_bad_values():
    with pytest.raises(ValueError, match="at least K = 3 frames; got 2"):
        Prototypes(3, 4).initialize(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="`embeddings` must be finite"):
        Prototypes(1, 2).initialize(torch.tensor([[1.0, float("nan")]]))
    with pytest.raises(ValueError, match=r"`positions` must be of shape"):
        Prototypes(1, 2).initialize(torch.zeros(3, 2), torch.zeros(2))


def test_refine_is_kmeans_from_the_present_prototypes(generator):
    prototypes = Prototypes(3, 2)
    start = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    with torch.no_grad():
        prototypes.weight.copy_(2 * start)
    turned = start @ torch.tensor([[0.9, 0.4], [-0.4, 0.9]])
    frames = turned[[2, 0, 1, 0, 2]] + 0.01 * torch.randn(5, 2, generator=generator)
    expected = torch.stack([frames[[1, 3]].mean(0), frames[2], frames[[0, 4]].mean(0)])
    prototypes.refine(frames)
    torch.testing.assert_close(prototypes(), torch.nn.functional.normalize(expected, dim=1))
    with pytest.raises(ValueError, match="`embeddings` must be of at least K = 3 frames"):
        prototypes.refine(frames[:2])
