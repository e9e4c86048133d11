import numpy as np
import pytest
import torch

from otseg.metrics import effective_actions
from otseg.plots import plot_durations


def outlines(ax):
    """Counts of the outlines, by how the legend calls them."""
    return {patch.get_label().partition(":")[0]: patch for patch in ax.patches if patch.get_label()}


def test_every_segment_is_counted_once():
    labels, target = [[0] * 4 + [1] * 9, [2] * 30], [[0] * 6 + [-1] + [1] * 6, [2] * 15 + [0] * 15]
    ax = plot_durations(labels, target, n_bins=5, frame_rate=2.0)
    patches = outlines(ax)
    for name, lengths in {"true": [6, 6, 15, 15], "predicted": [4, 9, 30]}.items():
        points = patches[name].get_xy()
        edges = np.unique(points[:, 0])
        counts, _ = np.histogram(np.array(lengths) / 2, edges)
        assert counts.sum() == len(lengths)
        assert points[:, 1].max() == counts.max()
        assert edges[0] <= 2 <= 15 <= edges[-1]
        assert f"{len(lengths)} segments, median {np.median(lengths) / 2:.3g} s" in patches[name].get_label()
    assert ax.get_xlabel() == "length of a segment (s)"


def test_effective_actions_are_those_of_the_metric():
    counts = np.array([10, 30, 5])
    label = next(iter(outlines(plot_durations(np.repeat([0, 1, 2], counts))).values())).get_label()
    assert label.endswith(f"effective actions {effective_actions(torch.tensor(counts)):.1f}")


def test_without_truth_and_without_segments():
    assert list(outlines(plot_durations([0, 0, 1]))) == ["predicted"]
    with pytest.raises(ValueError, match="`labels` must be of at least one segment"):
        plot_durations([-1, -1])
