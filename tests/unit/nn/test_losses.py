import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from otseg.nn import pseudo_label_cross_entropy


def problem(generator, b=3, n=6, k=4):
    logits = torch.randn(b, n, k, generator=generator, dtype=torch.float64)
    plan = torch.rand(b, n, k, generator=generator, dtype=torch.float64)
    mask = torch.arange(n) < torch.tensor([6, 2, 4])[:b, None]
    return logits, plan * mask.unsqueeze(2), mask


def test_equals_torch_sequence_by_sequence(generator):
    logits, plan, mask = problem(generator)
    rows = []
    for x, target, real in zip(logits, plan, mask, strict=True):
        rows.append(cross_entropy(x[real], target[real] / target[real].sum(1, keepdim=True)))
    torch.testing.assert_close(pseudo_label_cross_entropy(logits, plan, mask), torch.stack(rows).mean())


def test_by_hand():
    logits = torch.tensor([[[math.log(3.0), 0.0], [9.0, 9.0]]])  # P = (3/4, 1/4) on the real frame
    plan = torch.tensor([[[0.2, 0.6], [0.0, 0.0]]])  # T* = (1/4, 3/4)
    expected = -(0.25 * math.log(0.75) + 0.75 * math.log(0.25))
    loss = pseudo_label_cross_entropy(logits, plan, torch.tensor([[True, False]]))
    assert float(loss) == pytest.approx(expected)


def test_padding_changes_nothing_even_where_it_is_not_finite(generator):
    logits, plan, mask = problem(generator)
    padding = ~mask.unsqueeze(2)
    dirty = pseudo_label_cross_entropy(
        logits.masked_fill(padding, torch.inf), plan.masked_fill(padding, torch.nan), mask
    )
    torch.testing.assert_close(dirty, pseudo_label_cross_entropy(logits, plan, mask))


def test_gradient_reaches_logits_not_plan(generator):
    logits, plan, mask = problem(generator)
    logits.requires_grad_()
    plan.requires_grad_()
    pseudo_label_cross_entropy(logits, plan, mask).backward()
    assert plan.grad is None
    target = (plan / plan.sum(2, keepdim=True)).detach()
    expected = (logits.softmax(2) - target).detach() / mask.sum(1)[:, None, None] / len(mask)
    torch.testing.assert_close(logits.grad, expected.masked_fill(~mask.unsqueeze(2), 0))


def test_stays_finite_for_extreme_logits_and_frames_without_mass():
    logits = torch.tensor([[[1e4, -1e4], [0.0, 0.0]]], requires_grad=True)
    plan = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    loss = pseudo_label_cross_entropy(logits, plan, torch.ones(1, 2, dtype=torch.bool))
    assert float(loss.detach()) == pytest.approx(1e4)  # (2e4 + 0) / 2; log(P + 1e-11) would say about 13
    loss.backward()
    assert torch.isfinite(logits.grad).all()


def test_refuses_shapes_that_differ():
    with pytest.raises(ValueError, match="`plan` must be of shape"):
        pseudo_label_cross_entropy(torch.zeros(1, 2, 3), torch.zeros(1, 2, 2), torch.ones(1, 2, dtype=torch.bool))
