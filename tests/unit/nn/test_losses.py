import math

import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax, normalize

from otseg.nn import alignment_loss, pseudo_label_cross_entropy


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


def pairs(generator, n=(6, 3), m=(4, 5)):
    """Embeddings of two sequences, the mass between their frames and dummies, and their masks."""
    x = torch.randn(len(n), max(n), 3, generator=generator, dtype=torch.float64)
    y = torch.randn(len(m), max(m), 3, generator=generator, dtype=torch.float64)
    masks = [torch.arange(max(sizes)) < torch.tensor(sizes)[:, None] for sizes in (n, m)]
    plan = torch.rand(len(n), max(n) + 1, max(m) + 1, generator=generator, dtype=torch.float64)
    real = [torch.nn.functional.pad(mask, (1, 0), value=True) for mask in masks]
    return x, y, plan * real[0].unsqueeze(2) * real[1].unsqueeze(1), *masks


def one_way(x, y, plan, temperature):
    """The cross-entropy of one direction, one frame of one pair at a time."""
    rows = []
    for i in range(len(x)):
        log_p = log_softmax(normalize(x[i], dim=0) @ normalize(y, dim=1).T / temperature, dim=0)
        rows.append(-(plan[i + 1, 1:] * log_p).sum() / plan[i + 1].sum())
    return torch.stack(rows).mean()


def test_alignment_equals_frame_by_frame(generator):
    x, y, plan, mask_x, mask_y = pairs(generator)
    total = 0.0
    for b, (n, m) in enumerate(((6, 4), (3, 5))):
        block = plan[b, : n + 1, : m + 1]
        total += one_way(x[b, :n], y[b, :m], block, 0.3) + one_way(y[b, :m], x[b, :n], block.T, 0.3)
    loss = alignment_loss(x, y, plan, mask_x, mask_y, temperature=0.3)
    torch.testing.assert_close(loss, total / 4)


def test_alignment_counts_unmatched_frames_less(generator):
    x, y, plan, mask_x, mask_y = pairs(generator)
    plan[:, 1:, 1:] = 0
    assert float(alignment_loss(x, y, plan, mask_x, mask_y)) == 0


def test_alignment_gradient_reaches_embeddings_not_plan(generator):
    x, y, plan, mask_x, mask_y = pairs(generator)

    def loss(x, y):
        return alignment_loss(x, y, plan, mask_x, mask_y)

    assert torch.autograd.gradcheck(loss, (x.requires_grad_(), y.requires_grad_()))
    assert torch.autograd.gradgradcheck(loss, (x, y))
    plan.requires_grad_()
    loss(x, y).backward()
    assert plan.grad is None


def test_alignment_padding_changes_nothing_even_where_it_is_not_finite(generator):
    x, y, plan, mask_x, mask_y = pairs(generator)
    clean = alignment_loss(x, y, plan, mask_x, mask_y)
    x = x.masked_fill(~mask_x.unsqueeze(2), torch.nan).requires_grad_()
    y = y.masked_fill(~mask_y.unsqueeze(2), torch.inf).requires_grad_()
    loss = alignment_loss(x, y, plan, mask_x, mask_y)
    torch.testing.assert_close(loss, clean)
    loss.backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(y.grad).all()


def test_alignment_refuses(generator):
    x, y, plan, mask_x, mask_y = pairs(generator)
    with pytest.raises(ValueError, match=r"`plan` must be of shape \(B, 1 \+ N, 1 \+ M\)"):
        alignment_loss(x, y, plan[:, 1:], mask_x, mask_y)
    with pytest.raises(ValueError, match="`mask_y` must be of shape"):
        alignment_loss(x, y, plan, mask_x, mask_x)
    with pytest.raises(ValueError, match="`y` must be of shape"):
        alignment_loss(x, y[:, :, 1:], plan, mask_x, mask_y)
    with pytest.raises(ValueError, match="`temperature` must be a number > 0"):
        alignment_loss(x, y, plan, mask_x, mask_y, temperature=0.0)
