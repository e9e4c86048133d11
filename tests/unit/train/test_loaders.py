import torch

from otseg.data import Sequence, SequenceDataset
from otseg.train import TrainConfig
from otseg.train.loaders import full_batches, model_input, training_batches


def dataset(generator, lengths=(30, 9, 14)):
    return SequenceDataset([Sequence(5 + 3 * torch.randn(n, 4, generator=generator), name=str(n)) for n in lengths])


def test_model_input_is_standardized_to_unit_length_on_average(generator):
    data = model_input(dataset(generator), TrainConfig())
    for sequence in data:
        assert torch.allclose(sequence.features.mean(0), torch.zeros(4), atol=1e-6)
        torch.testing.assert_close(sequence.features.square().sum(1).mean(), torch.tensor(1.0))


def test_model_input_keeps_raw_features_if_so_set(generator):
    data = dataset(generator)
    assert model_input(data, TrainConfig(standardize=False)) is data


def test_training_batches_show_every_sequence_once_with_drawn_frames(generator):
    batches = list(training_batches(dataset(generator), TrainConfig(n_samples=12)))
    assert sorted(name for batch in batches for name in batch.names) == ["14", "30", "9"]
    lengths = {name: int(n) for batch in batches for name, n in zip(batch.names, batch.lengths, strict=True)}
    assert lengths == {"30": 12, "9": 9, "14": 12}


def test_full_batches_hold_all_frames_in_order(generator):
    data = dataset(generator)
    batches = list(full_batches(data))
    assert [batch.names for batch in batches] == [("30",), ("9",), ("14",)]
    torch.testing.assert_close(batches[1].features[0], data[1].features)
