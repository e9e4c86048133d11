import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otseg.data import Sequence, collate, unpad, unpad_tensor


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    n_features=st.integers(1, 4),
    labelled=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_unpad_inverts_collate(lengths, n_features, labelled, seed):
    generator = torch.Generator().manual_seed(seed)
    sequences = [
        Sequence(
            torch.randn(n, n_features, generator=generator),
            torch.randint(-1, 5, (n,), generator=generator) if labelled else None,
            f"s{i}",
            f"activity {i % 2}",
        )
        for i, n in enumerate(lengths)
    ]
    batch = collate(sequences)
    assert batch.features.shape == (len(lengths), max(lengths), n_features)
    assert batch.lengths.tolist() == lengths
    assert (batch.features[~batch.mask] == 0).all()
    assert (batch.labels is None) == (not labelled)
    if labelled:
        assert (batch.labels[~batch.mask] == -1).all()
    for before, after in zip(sequences, unpad(batch), strict=True):
        assert torch.equal(before.features, after.features)
        assert (before.name, before.activity) == (after.name, after.activity)
        if labelled:
            assert torch.equal(before.labels, after.labels)
        else:
            assert after.labels is None


def test_mask_is_true_on_real_frames_at_the_start():
    batch = collate([Sequence(torch.ones(n, 1), name=str(n)) for n in (1, 3, 2)])
    assert batch.mask.int().tolist() == [[1, 0, 0], [1, 1, 1], [1, 1, 0]]


def test_sequences_without_labels_among_others():
    batch = collate([Sequence(torch.ones(2, 1), torch.tensor([0, 1])), Sequence(torch.ones(3, 1), name="b")])
    assert batch.labels.tolist() == [[0, 1, -1], [-1, -1, -1]]


def test_unpad_tensor():
    mask = torch.tensor([[True, False], [True, True]])
    found = unpad_tensor(torch.arange(8.0).reshape(2, 2, 2), mask)
    assert [row.tolist() for row in found] == [[[0, 1]], [[4, 5], [6, 7]]]
    with pytest.raises(ValueError, match="`mask`"):
        unpad_tensor(torch.zeros(2, 3), mask)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at least one sequence"):
        collate([])
    with pytest.raises(ValueError, match=r"sequences\[1\].features.*of 2 features.*got 3 \(sequence 'b'\)"):
        collate([Sequence(torch.ones(1, 2), name="a"), Sequence(torch.ones(1, 3), name="b")])
    with pytest.raises(TypeError, match="dtype"):
        collate([Sequence(torch.ones(1, 2)), Sequence(torch.ones(1, 2).double())])
