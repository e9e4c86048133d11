"""What every segmentation model must satisfy."""

import pytest
import torch

from otseg.models import ASOT, CLOT, DCLOT, ASOTConfig, CLOTConfig, DCLOTConfig
from otseg.train import TrainConfig, load_model, save_model
from otseg.types import Batch

MODELS = [
    ASOT(ASOTConfig(n_actions=4, n_features=5, layers=(16, 8))),
    CLOT(CLOTConfig(n_actions=4, n_features=5, layers=(16, 8))),
    DCLOT(DCLOTConfig(n_actions=4, n_features=5, layers=(16, 8))),
]


@pytest.fixture(params=MODELS, ids=lambda model: type(model).__name__)
def model(request):
    torch.manual_seed(0)
    fresh = type(request.param)(request.param.config)
    fresh.prepare([batch()], generator=torch.Generator().manual_seed(0))
    return fresh


def batch(lengths=(30, 18)):
    """Four directions in order, with noise; the last frames of the second sequence are padding."""
    generator = torch.Generator().manual_seed(0)
    features = 0.3 * torch.randn(len(lengths), max(lengths), 5, generator=generator)
    for i, n in enumerate(lengths):
        features[i, torch.arange(n), torch.arange(n) * 4 // n] += 1
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return Batch(features * mask.unsqueeze(2), mask)


def test_loss_is_finite_and_falls_on_one_batch(model):
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        terms = model.loss(batch())
        assert all(value.shape == () and torch.isfinite(value) for value in terms.values())
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_segment_is_deterministic_and_masked(model):
    data = batch()
    first, second = (model.eval().segment(data.features, data.mask) for _ in range(2))
    assert torch.equal(first.plan, second.plan)
    labels = first.labels()
    assert torch.equal(labels < 0, ~data.mask)
    assert labels.max() < 4


def test_padding_changes_no_label(model):
    data = batch()
    longer = torch.cat([data.features, torch.full((2, 20, 5), 3.0)], dim=1)
    mask = torch.cat([data.mask, torch.zeros(2, 20, dtype=torch.bool)], dim=1)
    padded = model.eval().segment(longer, mask)
    torch.testing.assert_close(padded.plan[:, :30], model.segment(data.features, data.mask).plan, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(model.loss(Batch(longer, mask)), model.loss(data))


def test_prepare_is_a_function_of_the_generator(model):
    states = []
    for _ in range(2):
        model.prepare([batch()], generator=torch.Generator().manual_seed(3))
        states.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_survives_save_and_load(model, tmp_path):
    save_model(model, tmp_path / "model.safetensors", TrainConfig(seed=3))
    loaded, config = load_model(tmp_path / "model.safetensors")
    assert type(loaded) is type(model)
    assert loaded.config == model.config
    assert config == TrainConfig(seed=3)
    data = batch()
    assert torch.equal(
        loaded.segment(data.features, data.mask).plan, model.eval().segment(data.features, data.mask).plan
    )
