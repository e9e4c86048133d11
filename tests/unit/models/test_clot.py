"""CLOT against its formulas, component by component; what each loss may and may not move; its switches."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

import otseg
from otseg.models import ASOT, CLOT, ASOTConfig, CLOTConfig
from otseg.priors import LinearOrder, TemporalSmoothness
from otseg.solvers import mirror_descent, sinkhorn
from otseg.types import Batch

CONFIG = CLOTConfig(n_actions=3, n_features=6, layers=(8, 4), n_projections=7, decoder_heads=2, decoder_hidden=6)
SWITCHES = [
    {"sliced": "none"},
    {"sliced": "published"},
    {"sliced": "published_unsorted"},
    {"dispatch": "none"},
    {"dispatch": "published"},
    {"decoder": False},
    {"refinement": False},
    {"n_segments": 5},
    {"protocol": "published"},
]


def batch(lengths=(40, 25)):
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    features = torch.randn(len(lengths), max(lengths), 6, generator=generator)
    return Batch(features * mask.unsqueeze(2), mask)


def build(**changes):
    """A model of float64; the same seed gives the same weights to the parts that two models share."""
    torch.manual_seed(0)
    model = CLOT(replace(CONFIG, **changes)).double()
    with torch.no_grad():
        model.prototypes.weight.mul_(3)  # not of length 1, as after a step of the optimizer
    return model


def double(data):
    return Batch(data.features.double(), data.mask)


def expected_embeddings(model, features, mask):
    """The paper's formulas, without a shared operation."""
    prototypes = normalize(model.prototypes.weight, dim=1)
    encoded = normalize(model.encoder(features), dim=2)
    phi = torch.sigmoid(model.dispatch.shift + model.dispatch.scale * encoded @ prototypes.T)
    frames = normalize(encoded + phi @ prototypes / 3, dim=2)
    segments = normalize(model.decoder(frames, mask), dim=2)
    weight = torch.softmax(frames @ segments.mT / (0.1 * math.sqrt(4)), dim=2)
    return encoded, frames, segments, frames + weight @ segments


def expected_plan(model, frames, mask, alpha, rho_b, epsilon, sliced):
    """ASOT's problem of the cosine cost plus, for T, the sliced distance."""
    prototypes = normalize(model.prototypes.weight, dim=1)
    cost = 1 - normalize(frames, dim=2) @ prototypes.T
    if sliced:
        theta = model.directions
        cost = cost + ((frames @ theta.T).unsqueeze(2) - prototypes @ theta.T).abs().mean(dim=3)
    time = (torch.arange(frames.shape[1]) + 0.5) / mask.sum(1, keepdim=True)
    cost = cost + 0.2 * (time.unsqueeze(2) - (torch.arange(3) + 0.5) / 3).abs()
    priors = [TemporalSmoothness(alpha, 0.04)]
    problem = {"epsilon": epsilon, "rho_b": rho_b, "mask": mask, "priors": priors, "solver": mirror_descent}
    return otseg.solve(((1 - alpha) * cost).detach(), **problem, max_iter=25).plan


def cross_entropy(model, embeddings, plan, mask):
    log_p = torch.log_softmax(normalize(embeddings, dim=2) @ normalize(model.prototypes.weight, dim=1).T / 0.1, dim=2)
    target = plan / plan.sum(2, keepdim=True)
    rows = [-(t[m] * p[m]).sum() / m.sum() for t, p, m in zip(target, log_p, mask, strict=True)]
    return torch.stack(rows).mean()


def test_embeddings_are_those_of_the_formulas():
    model, data = build(), double(batch())
    found = model.embed(data.features, data.mask)
    expected = expected_embeddings(model, data.features, data.mask)
    for value, right in zip((found.encoded, found.frames, found.segments, found.refined), expected, strict=True):
        if value.shape[1] == 40:
            value, right = value[data.mask], right[data.mask]
        torch.testing.assert_close(value, right)


def test_loss_is_three_cross_entropies_against_three_plans():
    model, data = build(), double(batch())
    _, frames, segments, refined = expected_embeddings(model, data.features, data.mask)
    plan = expected_plan(model, frames, data.mask, 0.4, 0.1, 0.07, sliced=True)
    refined_plan = expected_plan(model, refined, data.mask, 0.4, 0.1, 0.07, sliced=False)
    cost = 1 - segments @ normalize(model.prototypes.weight, dim=1).T
    slot = (torch.arange(3) + 0.5) / 3
    cost = 0.6 * (cost + 0.2 * (slot[:, None] - slot).abs()).detach()
    segment_plan = otseg.solve(cost, epsilon=0.07, rho_b=0.1, solver=sinkhorn, max_iter=25, tol=None).plan
    terms = model.loss(data)
    real = torch.ones(2, 3, dtype=torch.bool)
    assert list(terms) == ["frames", "segments", "refined"]
    torch.testing.assert_close(terms["frames"], cross_entropy(model, frames, plan, data.mask))
    torch.testing.assert_close(terms["segments"], cross_entropy(model, segments, segment_plan, real))
    torch.testing.assert_close(terms["refined"], cross_entropy(model, refined, refined_plan, data.mask))


def test_segments_by_the_plan_that_the_config_names():
    data = double(batch())
    model, by_frames = build(), build(inference="frames")
    by_frames.load_state_dict(model.state_dict())
    _, frames, _, refined = expected_embeddings(model, data.features, data.mask)
    found = model.segment(data.features, data.mask).plan
    torch.testing.assert_close(found, expected_plan(model, refined, data.mask, 0.7, 0.01, 0.04, sliced=False))
    found = by_frames.segment(data.features, data.mask).plan
    torch.testing.assert_close(found, expected_plan(model, frames, data.mask, 0.7, 0.01, 0.04, sliced=True))
    assert not found.requires_grad


@pytest.mark.parametrize(
    ("term", "moved"),
    [
        ("frames", {"encoder", "prototypes", "dispatch"}),
        ("segments", {"encoder", "prototypes", "dispatch", "decoder"}),
        ("refined", {"encoder", "prototypes", "dispatch", "decoder"}),
    ],
)
def test_a_term_moves_what_its_embeddings_come_from(term, moved):
    model, data = build(), double(batch())
    model.loss(data)[term].backward()
    for name, parameter in model.named_parameters():
        reached = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        assert reached == (name.split(".")[0] in moved), name


def test_no_gradient_flows_through_a_plan(monkeypatch):
    """With constants of the same values for plans, all gradients are the same: nothing passes T, T_S or T_R."""
    model, data = build(), double(batch())
    plans = []

    def recorded(logits, plan, mask):
        assert not plan.requires_grad
        plans.append(plan.clone())
        return otseg.nn.pseudo_label_cross_entropy(logits, plan, mask)

    monkeypatch.setattr("otseg.models.clot.pseudo_label_cross_entropy", recorded)
    torch.stack(list(model.loss(data).values())).sum().backward()
    whole = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    embeddings = model.embed(data.features, data.mask)
    prototypes = normalize(model.prototypes.weight, dim=1)
    masks = (data.mask, torch.ones(2, 3, dtype=torch.bool), data.mask)
    model.zero_grad()
    loss = 0
    for x, plan, mask in zip((embeddings.frames, embeddings.segments, embeddings.refined), plans, masks, strict=True):
        loss = loss + cross_entropy(model, x, plan, mask)
    loss.backward()
    assert prototypes.requires_grad
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, whole[name])


def test_plans_are_solved_without_recording():
    model, data = build(), double(batch())
    embeddings = model.embed(data.features, data.mask)
    assert embeddings.frames.requires_grad
    assert embeddings.refined.requires_grad
    for plan in (
        model.frame_plan(embeddings.frames, data.mask, training=True),
        model.refined_plan(embeddings.refined, data.mask, training=True),
    ):
        assert not plan.plan.requires_grad


@pytest.mark.parametrize("changes", [{}, *SWITCHES[:-1]], ids=str)
def test_padding_and_neighbors_change_nothing(changes):
    model, data = build(**changes), double(batch())
    together = model.segment(data.features, data.mask).plan
    alone = model.segment(data.features[1:, :25]).plan
    torch.testing.assert_close(together[1, :25], alone[0])
    assert not together[1, 25:].any()
    losses = [model.loss(Batch(data.features[i : i + 1, :n], data.mask[i : i + 1, :n])) for i, n in enumerate((40, 25))]
    for name, value in model.loss(data).items():
        torch.testing.assert_close(value, (losses[0][name] + losses[1][name]) / 2)


def test_garbage_in_padding_changes_no_loss_and_no_gradient():
    model, data = build(), double(batch())
    gradients = []
    for value in (0.0, 1e3):
        features = data.features.masked_fill(~data.mask.unsqueeze(2), value)
        model.zero_grad()
        torch.stack(list(model.loss(Batch(features, data.mask)).values())).sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_a_switch_changes_the_result(changes):
    model, other, data = build(), build(**changes), double(batch())
    state = {name: value for name, value in model.state_dict().items() if name in other.state_dict()}
    if "n_segments" not in changes:
        other.load_state_dict(state)
    found, before = other.loss(data), model.loss(data)
    assert any(name not in found or not torch.allclose(found[name], value) for name, value in before.items())
    assert all(torch.isfinite(value) for value in found.values())


def test_without_sliced_cost_only_the_first_plan_changes():
    model, other, data = build(), build(sliced="none"), double(batch())
    other.load_state_dict({name: value for name, value in model.state_dict().items() if name != "directions"})
    with_sliced, without = model.loss(data), other.loss(data)
    assert not torch.allclose(with_sliced["frames"], without["frames"])
    assert torch.equal(with_sliced["segments"], without["segments"])
    assert torch.equal(with_sliced["refined"], without["refined"])


def test_without_refinement_the_other_terms_stay():
    model, other, data = build(), build(refinement=False), double(batch())
    other.load_state_dict(model.state_dict())
    terms, fewer = model.loss(data), other.loss(data)
    assert list(fewer) == ["frames", "segments"]
    assert all(torch.equal(terms[name], value) for name, value in fewer.items())
    expected = model.frame_plan(model.embed(data.features, data.mask).frames, data.mask, training=False)
    assert torch.equal(other.segment(data.features, data.mask).plan, expected.plan)


def test_without_decoder_frames_are_refined_by_prototypes():
    model, data = build(decoder=False), double(batch())
    assert list(model.loss(data)) == ["frames", "refined"]
    assert not any(name.startswith("decoder") for name, _ in model.named_parameters())
    embeddings = model.embed(data.features, data.mask)
    prototypes = normalize(model.prototypes.weight, dim=1)
    weight = torch.softmax(embeddings.frames @ prototypes.T / 0.2, dim=2)
    expected = embeddings.frames + weight @ prototypes
    torch.testing.assert_close(embeddings.refined[data.mask], expected[data.mask])


def test_without_any_component_it_is_asot():
    off = {"sliced": "none", "dispatch": "none", "decoder": False, "refinement": False}
    model, data = build(**off), double(batch())
    asot = ASOT(ASOTConfig(n_actions=3, n_features=6, layers=(8, 4))).double()
    asot.load_state_dict(model.state_dict())
    torch.testing.assert_close(model.loss(data)["frames"], asot.loss(data)["frames"])
    plan = asot.segment(data.features, data.mask).plan
    torch.testing.assert_close(model.segment(data.features, data.mask).plan, plan)


def test_published_protocol_reaches_every_problem(monkeypatch):
    problems = []

    def recorded(cost, **options):
        problems.append(options["priors"])
        return otseg.solve(cost, **options)

    monkeypatch.setattr("otseg.models.clot.solve", recorded)
    monkeypatch.setattr("otseg.models._frames.solve", recorded)
    build(protocol="published").loss(double(batch()))
    assert len(problems) == 3
    assert all(prior.protocol == "published" for priors in problems for prior in priors)
    assert sum(isinstance(prior, TemporalSmoothness) for priors in problems for prior in priors) == 2
    assert sum(isinstance(prior, LinearOrder) for priors in problems for prior in priors) == 3


def test_prepare_orders_prototypes_by_time():
    frames = torch.eye(6, dtype=torch.float64)[[2] * 10 + [0] * 10 + [1] * 10].unsqueeze(0)
    model = build()
    model.prepare([Batch(frames, torch.ones(1, 30, dtype=torch.bool))], generator=torch.Generator().manual_seed(0))
    expected = normalize(model.encoder(frames[:, [0, 10, 20]])[0], dim=1)
    torch.testing.assert_close(model.prototypes(), expected, atol=1e-6, rtol=0)


def test_directions_are_saved_and_never_redrawn():
    model, data = build(), double(batch())
    assert "directions" in model.state_dict()
    assert torch.equal(model.loss(data)["frames"], model.loss(data)["frames"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": 1.5}, "`alpha` must be a number >= 0 and <= 1; got 1.5"),
        ({"sliced": "sorted"}, "`sliced` must be one of 'none', 'paper', 'published', 'published_unsorted'"),
        ({"dispatch": True}, "`dispatch` must be one of"),
        ({"decoder_heads": 3}, r"`layers\[-1\]` must be a multiple of decoder_heads = 3; got 4"),
        ({"n_segments": 0}, "`n_segments` must be an integer >= 1"),
        ({"refinement": False, "inference": "refined"}, "`inference` must be 'frames' without a refinement"),
    ],
)
def test_config_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)


def test_config_refuses_words_for_switches():
    with pytest.raises(TypeError, match="`decoder` must be true or false"):
        replace(CONFIG, decoder="no")
