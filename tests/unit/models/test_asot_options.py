"""Parts of FIS-OT and VASOT in ASOT."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

import otseg
from otseg.models import ASOT, ASOTConfig, align_frames
from otseg.nn import affinity_triplet_loss, alignment_loss, pseudo_label_cross_entropy
from otseg.priors import FeatureAffinity
from otseg.types import Batch

CONFIG = ASOTConfig(n_actions=3, n_features=6, layers=(8, 4))


def batch(generator, lengths=(40, 25)):
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    features = torch.randn(len(lengths), max(lengths), 6, generator=generator)
    return Batch(features * mask.unsqueeze(2), mask)


def make(**changes):
    torch.manual_seed(0)
    return ASOT(replace(CONFIG, **changes))


def plan_by_features(model, data, alpha, rho_b, epsilon):
    embeddings = model.encoder(data.features).detach()
    cost = 1 - normalize(embeddings, dim=2) @ normalize(model.prototypes.weight, dim=1).T
    return otseg.gromov_ot(
        cost.detach(),
        epsilon=epsilon,
        alpha=alpha,
        structure=FeatureAffinity(embeddings, 0.04, 0.3, 0.1),
        order=0.2,
        rho_b=rho_b,
        mask=data.mask,
        grad="none",
    ).plan


def test_nothing_is_added_by_default(generator):
    model = make()
    assert list(model.loss(batch(generator))) == ["frames"]
    assert not hasattr(model, "mix")


def test_structure_of_features_segments_and_labels(generator):
    model, data = make(structure="features"), batch(generator)
    plan = model.segment(data.features, data.mask).plan
    torch.testing.assert_close(plan, plan_by_features(model, data, 0.7, 0.01, 0.04), atol=1e-6, rtol=1e-4)
    assert not torch.allclose(plan, make().segment(data.features, data.mask).plan, atol=1e-4)
    target = plan_by_features(model, data, 0.4, 0.1, 0.07)
    cost = 1 - normalize(model.encoder(data.features), dim=2) @ normalize(model.prototypes.weight, dim=1).T
    expected = pseudo_label_cross_entropy(-cost / 0.1, target, data.mask)
    torch.testing.assert_close(model.loss(data)["frames"], expected)
    found, wanted = (torch.autograd.grad(x, list(model.parameters())) for x in (model.loss(data)["frames"], expected))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)


def test_without_affinity_the_structure_is_the_window(generator):
    data = batch(generator)
    plans = [make(**options).segment(data.features, data.mask).plan for options in ({}, FLAT)]
    torch.testing.assert_close(*plans, atol=1e-6, rtol=1e-4)


FLAT = {"structure": "features", "affinity": 0.0}


def test_training_takes_the_window_in_the_warmup(generator):
    model, data = make(structure="features", warmup=2), batch(generator)
    losses = []
    for model.epoch in range(4):
        losses.append(float(model.loss(data)["frames"].detach()))
    assert losses[0] == losses[1] == float(make().loss(data)["frames"].detach())
    assert losses[2] == losses[3] == float(make(structure="features").loss(data)["frames"].detach())
    assert losses[1] != losses[2]


def test_triplet_loss_has_a_learned_mix_and_a_schedule(generator):
    model, data = make(triplet=0.3, warmup=2, triplet_decay=0.5), batch(generator)
    with torch.no_grad():
        model.mix.fill_(1.0)
    share = 1 / (1 + torch.exp(torch.tensor(-1.0)))
    loss = affinity_triplet_loss(model.encoder(data.features), data.mask, n_actions=3, mix=share, bandwidth=0.1)
    for model.epoch, weight in enumerate((0.0, 0.15, 0.3, 0.15, 0.075)):
        terms = model.loss(data)
        assert list(terms) == ["frames", "triplet"]
        torch.testing.assert_close(terms["triplet"], weight * loss)
    terms["triplet"].backward()
    assert model.mix.grad.abs() > 0
    assert model.prototypes.weight.grad is None
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.encoder.parameters())


@pytest.mark.parametrize("lengths", [(40, 25), (12, 20, 15)])
def test_alignment_pairs_every_sequence_with_the_next(lengths, generator):
    model, data = make(align=0.5), batch(generator, lengths)
    embeddings = model.encoder(data.features)
    problem = {"epsilon": 0.07, "alpha": 0.4, "radius": 0.04, "order": 0.2}
    rows = []
    for i, n in enumerate(lengths if len(lengths) > 2 else lengths[:1]):  # two sequences are one pair
        j = (i + 1) % len(lengths)
        x, y = embeddings[i : i + 1, :n], embeddings[j : j + 1, : lengths[j]]
        masks = [torch.ones(z.shape[:2], dtype=torch.bool) for z in (x, y)]
        plan = align_frames(x, y, *masks, **problem).plan
        rows.append(alignment_loss(x, y, plan, *masks, temperature=0.1))
    terms = model.loss(data)
    assert list(terms) == ["frames", "align"]
    torch.testing.assert_close(terms["align"], torch.stack(rows).mean() / 2, atol=1e-4, rtol=1e-4)
    terms["align"].backward()
    assert model.prototypes.weight.grad is None
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.encoder.parameters())


def test_a_batch_of_one_has_no_pair(generator):
    terms = make(align=0.5).loss(batch(generator, (20,)))
    assert float(terms["align"]) == 0
    torch.stack(list(terms.values())).sum().backward()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"structure": "frames"}, "`structure` must be one of 'window', 'features'"),
        ({"structure": "features", "protocol": "published"}, "`structure` must be 'window' where protocol='published'"),
        ({"affinity": -0.1}, "`affinity` must be a number >= 0"),
        ({"bandwidth": 0.0}, "`bandwidth` must be a number > 0"),
        ({"triplet": -1.0}, "`triplet` must be a number >= 0"),
        ({"triplet_decay": 1.1}, "`triplet_decay` must be a number > 0 and <= 1"),
        ({"warmup": -1}, "`warmup` must be an integer >= 0"),
        ({"align": -1.0}, "`align` must be a number >= 0"),
    ],
)
def test_config_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)
