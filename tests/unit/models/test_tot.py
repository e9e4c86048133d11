from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

import otseg
from otseg.models import TOT, TOTConfig
from otseg.nn import temporal_coherence_loss
from otseg.types import Batch

CONFIG = TOTConfig(n_actions=3, n_features=6, layers=(8, 4))


def batch(generator, lengths=(40, 25)):
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    features = torch.randn(len(lengths), max(lengths), 6, generator=generator)
    return Batch(features * mask.unsqueeze(2), mask)


def make(config=CONFIG):
    torch.manual_seed(0)
    return TOT(config)


def similarity(model, features):
    return normalize(model.encoder(features), dim=2) @ normalize(model.prototypes.weight, dim=1).T


def balanced(kernel, sweeps):
    """Sinkhorn's iterations on a kernel of one sequence, on the plan itself, as the paper has them."""
    plan, (n, k) = kernel / kernel.sum(), kernel.shape
    for _ in range(sweeps):
        plan = plan / plan.sum(0) / k
        plan = plan / plan.sum(1, keepdim=True) / n
    return plan


def gaussian(n, k, sigma, shift):
    """The Gaussian of the paper."""
    frame, action = (torch.arange(n) + shift) / n, (torch.arange(k) + shift) / k
    distance = (frame[:, None] - action).abs() / (1 / n**2 + 1 / k**2) ** 0.5
    return torch.exp(-(distance**2) / (2 * sigma**2)).double()


def cross_entropy(plan, scores):
    target = plan / plan.sum(1, keepdim=True)
    return -(target * torch.log_softmax(scores / 0.1, dim=1)).sum(1).mean()


def test_pseudo_labels_are_the_balanced_plan_of_every_sequence(generator):
    model, data = make(), batch(generator)
    rows = []
    for features, n in zip(data.features, (40, 25), strict=True):
        scores = similarity(model, features[None, :n])[0].double()
        rows.append(cross_entropy(balanced(torch.exp(scores / 0.08) * gaussian(n, 3, 1.5, 0.5), 2000), scores))
    terms = model.loss(data)
    assert list(terms) == ["frames", "coherence"]
    torch.testing.assert_close(terms["frames"], torch.stack(rows).mean().float(), atol=1e-4, rtol=0)
    expected = temporal_coherence_loss(model.encoder(data.features), data.mask, radius=1 / 32, temperature=0.1)
    torch.testing.assert_close(terms["coherence"], expected)


def test_published_pseudo_labels_share_the_actions_of_the_batch(generator):
    model, data = make(replace(CONFIG, protocol="published", coherence=0.0)), batch(generator)
    scores = [
        similarity(model, features[None, :n])[0].double() for features, n in zip(data.features, (40, 25), strict=True)
    ]
    kernels = [torch.exp(s / 0.08) * gaussian(len(s), 3, 1.5, 0.0) for s in scores]
    plans = balanced(torch.cat(kernels), 3).split((40, 25))
    rows = [cross_entropy(plan, s) for plan, s in zip(plans, scores, strict=True)]
    terms = model.loss(data)
    assert list(terms) == ["frames"]
    torch.testing.assert_close(terms["frames"], torch.stack(rows).mean().float(), atol=1e-5, rtol=0)


def test_coherence_is_weighted(generator):
    data = batch(generator)
    once, thrice = make().loss(data), make(replace(CONFIG, coherence=3.0)).loss(data)
    torch.testing.assert_close(thrice["coherence"], 3 * once["coherence"])
    torch.testing.assert_close(thrice["frames"], once["frames"])


def test_segments_by_the_best_path_through_all_actions(generator):
    model, data = make(), batch(generator)
    result = model.segment(data.features, data.mask)
    assert result.converged.all()
    for features, labels, n in zip(data.features, result.labels(), (40, 25), strict=True):
        log_p = torch.log_softmax(similarity(model, features[None, :n])[0] / 0.1, dim=1).detach()
        # All ways to cut n frames into three parts that are not empty.
        _, first, second = max(
            (float(log_p[:i, 0].sum() + log_p[i:j, 1].sum() + log_p[j:, 2].sum()), i, j)
            for i in range(1, n - 1)
            for j in range(i + 1, n)
        )
        assert labels[:n].tolist() == [0] * first + [1] * (second - first) + [2] * (n - second)
        assert (labels[n:] == -1).all()
    torch.testing.assert_close(result.marginal_a, data.mask / data.mask.sum(1, keepdim=True))
    torch.testing.assert_close(result.problem.cost[1, :25], 1 - similarity(model, data.features)[1, :25])


def test_segments_by_the_plan(generator):
    model, data = make(replace(CONFIG, decode="plan")), batch(generator)
    result = model.segment(data.features, data.mask)
    cost = 1 - similarity(model, data.features)
    expected = otseg.temporal_ot(cost, epsilon=0.08, sigma=1.5, mask=data.mask, grad="none")
    torch.testing.assert_close(result.plan, expected.plan, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(result.marginal_b, torch.full((2, 3), 1 / 3), atol=1e-4, rtol=0)


def test_gradient_reaches_encoder_and_prototypes_through_the_prediction_only(generator):
    model, data = make(), batch(generator)
    terms = model.loss(data)
    terms["coherence"].backward(retain_graph=True)
    assert model.prototypes.weight.grad is None
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.encoder.parameters())
    scores = similarity(model, data.features)
    plan = otseg.temporal_ot(1 - scores.detach(), epsilon=0.08, sigma=1.5, mask=data.mask, grad="none").plan
    rows = [cross_entropy(p[:n], s[:n]) for p, s, n in zip(plan, scores, (40, 25), strict=True)]
    wanted = torch.autograd.grad(torch.stack(rows).mean(), list(model.parameters()))
    found = torch.autograd.grad(terms["frames"], list(model.parameters()))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert not model.segment(data.features).plan.requires_grad


@pytest.mark.parametrize("decode", ["viterbi", "plan"])
def test_padding_and_neighbors_change_nothing(decode, generator):
    model, data = make(replace(CONFIG, decode=decode)), batch(generator)
    together = model.segment(data.features, data.mask)
    alone = model.segment(data.features[1:, :25])
    torch.testing.assert_close(together.plan[1, :25], alone.plan[0], atol=1e-6, rtol=1e-4)
    assert not together.plan[1, 25:].any()
    losses = [model.loss(Batch(data.features[i : i + 1, :n], data.mask[i : i + 1, :n])) for i, n in enumerate((40, 25))]
    for name, value in model.loss(data).items():
        torch.testing.assert_close(value, torch.stack([loss[name] for loss in losses]).mean())


def test_prepare_orders_prototypes_by_time(generator):
    model = make()
    frames = torch.eye(6)[[2] * 10 + [0] * 10 + [1] * 10].unsqueeze(0)
    model.prepare([Batch(frames, torch.ones(1, 30, dtype=torch.bool))], generator=generator)
    expected = normalize(model.encoder(torch.eye(6)[None, [2, 0, 1]])[0], dim=1)
    torch.testing.assert_close(model.prototypes(), expected, atol=1e-5, rtol=0)
    assert torch.equal(model.segment(frames).labels()[0], torch.arange(30) // 10)


def test_a_sequence_needs_a_frame_for_every_action():
    with pytest.raises(ValueError, match="at most as long as the sequence"):
        make().segment(torch.zeros(1, 2, 6))
    assert make(replace(CONFIG, decode="plan")).segment(torch.zeros(1, 2, 6)).plan.shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_actions": 0}, "`n_actions` must be an integer >= 1; got 0"),
        ({"sigma": 0.0}, "`sigma` must be a number > 0"),
        ({"coherence": -1.0}, "`coherence` must be a number >= 0"),
        ({"radius": 2.0}, "`radius` must be a number > 0 and <= 1"),
        ({"layers": ()}, "`layers` must be at least one size"),
        ({"decode": "argmax"}, "`decode` must be one of 'viterbi', 'plan'"),
        ({"protocol": "paper"}, "`protocol` must be one of 'default', 'published'"),
    ],
)
def test_config_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)
