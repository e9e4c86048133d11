import pytest
import torch
from scipy.optimize import linear_sum_assignment

from otseg.data import LabelMap, Sequence, SequenceDataset

FINE = ["cut_a", "cut_b", "mix", "junk"]
GROUPS = {"mix": "mix", "cut_a": "cut", "cut_b": "cut", "junk": None}


def test_apply():
    coarse = LabelMap.make(FINE, GROUPS)
    assert coarse.names == ("mix", "cut")
    assert coarse.index == (1, 1, 0, -1)
    labels = torch.tensor([[0, 1, 2], [3, -1, 0]])
    assert coarse.apply(labels).tolist() == [[1, 1, 0], [-1, -1, 1]]
    assert coarse.apply(labels).dtype == labels.dtype
    assert coarse.apply(torch.zeros(0, dtype=torch.int64)).shape == (0,)


def test_bad_groups_are_refused():
    with pytest.raises(ValueError, match=r"none for \['mix', 'junk'\]"):
        LabelMap.make(FINE, {"cut_a": "cut", "cut_b": "cut"})
    with pytest.raises(ValueError, match=r"also \['stir'\]"):
        LabelMap.make(FINE, {**GROUPS, "stir": "mix"})
    coarse = LabelMap.make(FINE, GROUPS)
    with pytest.raises(ValueError, match="got -1 to 4"):
        coarse.apply(torch.tensor([-1, 4]))
    with pytest.raises(ValueError, match="got -2 to 0"):
        coarse.apply(torch.tensor([-2, 0]))


def accuracy(cluster, truth):
    """Fraction of frames that are right under the best one-to-one matching of clusters with classes."""
    counts = torch.zeros(int(cluster.max()) + 1, int(truth.max()) + 1)
    counts.index_put_((cluster, truth), torch.ones(len(truth)), accumulate=True)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum()) / len(truth), dict(zip(rows, columns, strict=True))


def test_mapping_before_and_after_matching_are_different_protocols():
    """Three clusters equal the three fine classes: only the matching with fine classes finds all of them."""
    truth = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    names = ["cut_a", "cut_b", "mix"]
    coarse = LabelMap.make(names, {"cut_a": "cut", "cut_b": "cut", "mix": "mix"})
    data = SequenceDataset([Sequence(torch.zeros(9, 1), truth)], names, label_map=coarse)
    (sequence,) = data
    cluster = torch.tensor([1, 1, 1, 0, 0, 0, 2, 2, 2])
    mapped_first, _ = accuracy(cluster, data.evaluation_labels(sequence.labels))
    fine, matching = accuracy(cluster, sequence.labels)
    matched = torch.tensor([matching[int(k)] for k in cluster])
    mapped_last = (data.evaluation_labels(matched) == data.evaluation_labels(sequence.labels)).double().mean()
    assert fine == 1
    assert mapped_last == 1
    assert mapped_first == pytest.approx(6 / 9)
