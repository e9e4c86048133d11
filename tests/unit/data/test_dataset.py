import pickle

import pytest
import torch

from otseg.data import LabelMap, LengthMismatch, Sequence, SequenceDataset


def sequences():
    return [
        Sequence(torch.full((4, 3), 1.0), torch.tensor([0, 0, 1, -1]), "a", "tea"),
        Sequence(torch.full((5, 3), 2.0), torch.tensor([2, 2, 2, 1, 1]), "b", "coffee"),
        Sequence(torch.full((2, 3), 3.0), None, "c", "tea"),
    ]


class Counting:
    """A source that counts how often it is read."""

    name, activity, labels = "x", "", None

    def __init__(self):
        self.reads = 0

    def read(self):
        self.reads += 1
        return Sequence(torch.tensor([[1.0], [3.0]]), None, self.name, self.activity)


def test_properties():
    data = SequenceDataset(sequences(), ["zero", "one", "two"])
    assert len(data) == 3
    assert data.names == ("a", "b", "c")
    assert data.activities == ("coffee", "tea")
    assert data.n_features == 3
    assert data.n_actions == 3
    assert [s.name for s in data] == ["a", "b", "c"]
    assert data[-1].name == "c"
    with pytest.raises(IndexError):
        data[3]


def test_subset_and_select():
    mismatches = [LengthMismatch("b", 5, 6, "truncate")]
    data = SequenceDataset(sequences(), ["zero", "one", "two"], {"coffee": 9}, mismatches=mismatches)
    tea = data.subset("tea")
    assert tea.names == ("a", "c")
    assert tea.n_actions == 2  # background is no action
    assert tea.mismatches == []
    assert data.subset("coffee").n_actions == 9  # declared
    assert data.subset("coffee").mismatches == mismatches
    assert data.select([2, 0]).names == ("c", "a")
    with pytest.raises(ValueError, match="`activity` must be one of 'coffee', 'tea'; got 'milk'"):
        data.subset("milk")


def test_n_actions_without_labels():
    data = SequenceDataset([Sequence(torch.zeros(2, 1))])
    with pytest.raises(ValueError, match="`actions`"):
        _ = data.n_actions
    assert SequenceDataset([Sequence(torch.zeros(2, 1))], actions={"": 4}).n_actions == 4


def test_label_map_is_applied_to_the_ground_truth_at_evaluation_only():
    names = ["zero", "one", "two"]
    coarse = LabelMap.make(names, {"zero": "low", "one": "low", "two": "high"})
    data = SequenceDataset(sequences(), names, label_map=coarse)
    assert data[0].labels.tolist() == [0, 0, 1, -1]
    assert data.evaluation_labels(data[0].labels).tolist() == [0, 0, 0, -1]
    assert data.evaluation_names == ("low", "high")
    assert data.n_actions == 2
    plain = SequenceDataset(sequences(), names)
    assert plain.evaluation_names == names
    assert plain.evaluation_labels(data[0].labels) is data[0].labels


def test_sources_are_read_one_at_a_time_and_once_by_load():
    first, second = Counting(), Counting()
    second.name = "y"
    data = SequenceDataset([first, second]).standardize()
    assert (first.reads, second.reads) == (0, 0)
    assert data[1].features.tolist() == [[-1], [1]]
    assert (first.reads, second.reads) == (0, 1)
    loaded = data.load()
    assert [s.features.tolist() for s in loaded] == [[[-1], [1]]] * 2
    assert [s.features.tolist() for s in loaded] == [[[-1], [1]]] * 2
    assert (first.reads, second.reads) == (1, 2)


def test_transforms_run_in_order_and_leave_the_original_alone():
    data = SequenceDataset(sequences())
    doubled = data.map(lambda s: Sequence(2 * s.features, s.labels, s.name, s.activity))
    both = doubled.map(lambda s: Sequence(s.features + 1, s.labels, s.name, s.activity))
    assert data[0].features[0, 0] == 1
    assert both[0].features[0, 0] == 3
    assert both.load()[0].features[0, 0] == 3


def test_standardized_data_can_be_sent_to_workers():
    data = pickle.loads(pickle.dumps(SequenceDataset(sequences()).standardize()))
    assert (data[0].features == 0).all()


def test_bad_sets_are_refused():
    with pytest.raises(ValueError, match="at least one sequence"):
        SequenceDataset([])
    with pytest.raises(ValueError, match="'a' twice"):
        SequenceDataset([sequences()[0], sequences()[0]])
    with pytest.raises(ValueError, match="a map of the 2 classes; got a map of 1"):
        SequenceDataset(sequences(), ["x", "y"], label_map=LabelMap.make(["x"], {"x": "z"}))
