from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

import otseg
from otseg.models import ASOT, ASOTConfig
from otseg.priors import LinearOrder, TemporalSmoothness
from otseg.solvers import mirror_descent
from otseg.types import Batch

CONFIG = ASOTConfig(n_actions=3, n_features=6, layers=(8, 4))


def batch(generator, lengths=(40, 25)):
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    features = torch.randn(len(lengths), max(lengths), 6, generator=generator)
    return Batch(features * mask.unsqueeze(2), mask)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ASOT(CONFIG)


def expected_plan(model, features, mask, alpha, rho_b, epsilon):
    """The problem of the paper, written down once more."""
    unit = normalize(model.encoder(features), dim=2)
    cost = 1 - unit @ normalize(model.prototypes.weight, dim=1).T
    frame = (torch.arange(features.shape[1]) + 0.5) / mask.sum(1, keepdim=True)
    action = (torch.arange(3) + 0.5) / 3
    cost = cost + 0.2 * (frame.unsqueeze(2) - action).abs()
    return otseg.solve(
        ((1 - alpha) * cost).detach(),
        epsilon=epsilon,
        rho_b=rho_b,
        mask=mask,
        priors=[TemporalSmoothness(alpha, 0.04)],
        solver=mirror_descent,
        max_iter=25,
    ).plan


def test_segment_solves_the_problem_of_the_paper(model, generator):
    data = batch(generator)
    plan = model.segment(data.features, data.mask).plan
    expected = expected_plan(model, data.features, data.mask, 0.7, 0.01, 0.04)
    torch.testing.assert_close(plan, expected, atol=1e-6, rtol=1e-4)


def test_loss_is_the_cross_entropy_against_the_training_plan(model, generator):
    data = batch(generator)
    plan = expected_plan(model, data.features, data.mask, 0.4, 0.1, 0.07)
    similarity = normalize(model.encoder(data.features), dim=2) @ normalize(model.prototypes.weight, dim=1).T
    log_p = torch.log_softmax(similarity / 0.1, dim=2)
    target = plan / plan.sum(2, keepdim=True)
    rows = [-(t[m] * p[m]).sum() / m.sum() for t, p, m in zip(target, log_p, data.mask, strict=True)]
    terms = model.loss(data)
    assert list(terms) == ["frames"]
    torch.testing.assert_close(terms["frames"], torch.stack(rows).mean())


def test_gradient_reaches_encoder_and_prototypes_through_the_prediction_only(model, generator):
    data = batch(generator)
    model.loss(data)["frames"].backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    assert not model.segment(data.features).plan.requires_grad


def test_padding_and_neighbors_change_nothing(model, generator):
    data = batch(generator)
    together = model.segment(data.features, data.mask)
    alone = model.segment(data.features[1:, :25])
    torch.testing.assert_close(together.plan[1, :25], alone.plan[0], atol=1e-6, rtol=1e-4)
    assert not together.plan[1, 25:].any()


def test_loss_of_a_batch_is_the_mean_of_its_sequences(model, generator):
    data = batch(generator)
    alone = [
        model.loss(Batch(data.features[i : i + 1, :n], data.mask[i : i + 1, :n]))["frames"]
        for i, n in enumerate((40, 25))
    ]
    torch.testing.assert_close(model.loss(data)["frames"], torch.stack(alone).mean())


def test_prepare_orders_prototypes_by_time_and_ignores_padding(model, generator):
    # Three directions in the order 2, 0, 1 of time; padding holds a fourth, which must not become a prototype.
    frames = torch.eye(6)[[2] * 10 + [0] * 10 + [1] * 10]
    padding = 5 * torch.eye(6)[[5] * 30]
    features = torch.cat([frames, padding]).unsqueeze(0)
    mask = (torch.arange(60) < 30).unsqueeze(0)
    model.prepare([Batch(features, mask)], generator=generator)
    expected = normalize(model.encoder(torch.eye(6)[None, [2, 0, 1]])[0], dim=1)
    torch.testing.assert_close(model.prototypes(), expected, atol=1e-5, rtol=0)


def test_prepare_reads_every_batch_and_refuses_none(model, generator):
    frames = torch.eye(6)[[0] * 10 + [1] * 10 + [2] * 10].unsqueeze(0)
    mask = torch.ones(1, 10, dtype=torch.bool)
    model.prepare([Batch(frames[:, i : i + 10], mask) for i in (0, 10, 20)], generator=generator)
    found = model.segment(frames).problem.cost.argmin(dim=2)[0]
    assert found.unique().numel() == 3
    with pytest.raises(ValueError, match="`batches` must be at least one batch"):
        model.prepare([])


def test_published_protocol_is_another_problem(model, generator):
    data = batch(generator, lengths=(50,))
    published = ASOT(replace(CONFIG, protocol="published"))
    published.load_state_dict(model.state_dict())
    result = published.segment(data.features)
    priors = {type(prior): prior for prior in result.problem.priors}
    assert priors[TemporalSmoothness].protocol == priors[LinearOrder].protocol == "published"
    assert not torch.allclose(result.plan, model.segment(data.features).plan, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_actions": 0}, "`n_actions` must be an integer >= 1; got 0"),
        ({"alpha": 1.5}, "`alpha` must be a number >= 0 and <= 1; got 1.5"),
        ({"epsilon_eval": 0.0}, "`epsilon_eval` must be a number > 0"),
        ({"layers": ()}, "`layers` must be at least one size"),
        ({"protocol": "paper"}, "`protocol` must be one of 'default', 'published'"),
    ],
)
def test_config_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)


def test_names_the_setting_for_another_number_of_features(model):
    with pytest.raises(ValueError, match=r"of dimension D = 6; got 5\. Set n_features"):
        model.segment(torch.zeros(1, 9, 5))
