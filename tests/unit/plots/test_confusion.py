import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from otseg.plots import plot_confusion


def names(labels):
    return [tick.get_text() for tick in labels]


def test_rows_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    target = [generator.integers(0, 5, n) for n in (30, 50)]
    labels = [generator.integers(0, 5, n) for n in (30, 50)]
    ax = plot_confusion(labels, target)
    expected = confusion_matrix(np.concatenate(target), np.concatenate(labels), normalize="true")
    np.testing.assert_allclose(ax.images[0].get_array(), expected)
    assert names(ax.get_xticklabels()) == names(ax.get_yticklabels()) == list("01234")
    assert len(ax.texts) == (expected >= 0.005).sum()


def test_leftovers_and_missing_predictions_stand_to_the_right():
    ax = plot_confusion([0, -1, -2, -4, 3, 0], [0, 0, 0, 0, 1, -1], class_names=["sit", "walk"])
    assert names(ax.get_xticklabels()) == ["sit", "walk", "3", "cluster 0", "cluster 2", "no prediction"]
    assert names(ax.get_yticklabels()) == ["sit", "walk"]
    rows = ax.images[0].get_array()
    np.testing.assert_allclose(rows, [[0.25, 0, 0, 0.25, 0.25, 0.25], [0, 0, 1, 0, 0, 0]])
    assert ax.lines[0].get_xdata() == [2.5, 2.5]  # between classes and leftovers


def test_a_mapping_names_leftovers():
    ax = plot_confusion([0, -2], [0, 0], class_names={-2: "no class"})
    assert names(ax.get_xticklabels()) == ["0", "no class"]


def test_many_classes_have_no_numbers_in_the_cells_and_legible_names():
    labels = np.arange(50).repeat(3)
    ax = plot_confusion(labels, labels, class_names=[f"action {k}" for k in range(50)])
    assert not ax.texts
    assert len(ax.get_xticklabels()) == len(ax.get_yticklabels()) == 50
    assert min(tick.get_fontsize() for tick in ax.get_xticklabels()) >= 5


def test_no_true_class():
    with pytest.raises(ValueError, match="`target` must be of at least one frame with a class"):
        plot_confusion([0, 1], [-1, -1])
