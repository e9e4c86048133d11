import numpy as np
import pytest
import torch

from otseg.data import FeatureBlocks, FeatureStatistics, Sequence, standardize


@pytest.fixture
def features(generator):
    """Frames of a large offset, a constant feature, and rows that a feature extractor left zero."""
    x = torch.randn(50, 4, generator=generator) * torch.tensor([1.0, 100.0, 1e-3, 1.0]) + 1000
    x[:, 3] = 7.0
    x[[0, 20, 21, 22, 23, 24, 49]] = 0.0
    return x


@pytest.mark.parametrize("size", [1, 5, 7, 50, 1000])
def test_blocks_are_the_file(features, tmp_path, size):
    path = tmp_path / "x.npy"
    np.save(path, features.numpy())
    blocks = FeatureBlocks(path, size)
    assert (blocks.n_frames, blocks.n_features) == (50, 4)
    for _ in range(2):  # it can be read again
        parts = list(blocks)
        assert all(len(part) == size for part in parts[:-1])
        assert torch.equal(torch.cat(parts), features)
    np.save(path, features.numpy().T)
    assert torch.equal(torch.cat(list(FeatureBlocks(path, size, transposed=True))), features)


@pytest.mark.parametrize("size", [1, 5, 7, 50])
def test_standardized_blocks_are_the_standardized_sequence(features, tmp_path, size):
    np.save(tmp_path / "x.npy", features.numpy())
    expected = standardize(Sequence(features), scale=0.5).features
    found = torch.cat(list(FeatureBlocks(tmp_path / "x.npy", size).standardize(scale=0.5)))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert (found[features.eq(0).all(dim=1)] == 0).all()
    assert (found[:, 3] == 0).all()


def test_a_sequence_of_zero_rows_stays_zero():
    zeros = torch.zeros(6, 3)
    assert torch.equal(FeatureStatistics.of([zeros[:2], zeros[2:]]).standardize(zeros), zeros)
    with pytest.raises(ValueError, match="`blocks` must be at least one"):
        FeatureStatistics.of([])


def test_numbers_that_are_not_finite_are_located(features, tmp_path):
    features[33, 2] = torch.nan
    np.save(tmp_path / "x.npy", features.numpy())
    with pytest.raises(ValueError, match=r"x.npy: feature 2 of frame 33 is nan"):
        list(FeatureBlocks(tmp_path / "x.npy", 10))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "x.txt").write_text("1 2\n")
    with pytest.raises(ValueError, match=r"`path` must be a .npy file"):
        FeatureBlocks(tmp_path / "x.txt", 10)
    with pytest.raises(FileNotFoundError):
        FeatureBlocks(tmp_path / "none.npy", 10)
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(ValueError, match="must have shape"):
        FeatureBlocks(tmp_path / "x.npy", 10)
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match="`size` must be"):
        FeatureBlocks(tmp_path / "x.npy", 0)
