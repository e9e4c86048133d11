import numpy as np
import pytest

from otseg.plots import palette, plot_ribbons
from otseg.plots.palette import NEUTRAL


def ticks(ax):
    return [tick.get_text() for tick in ax.get_yticklabels()]


def test_truth_on_the_left_prediction_on_the_right_in_the_colors_of_the_classes():
    ax = plot_ribbons([[0, 0, 2, 2], [0, 0, 0, 2]], [[0, 0, 0, 2], [0, 0, 0, 2]], names=["a", "b"])
    true, predicted = ax.images
    assert true.get_extent()[1] < predicted.get_extent()[0]
    colors = np.array([palette(3)[k] for k in (0, 0, 2, 2)])
    np.testing.assert_allclose(predicted.get_array()[0], colors)
    np.testing.assert_allclose(true.get_array()[0], colors[[0, 0, 0, 2]])
    assert [text.get_text() for text in ax.texts] == ["true", "predicted"]
    assert ticks(ax) == ["a", "b"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0", "2"]


@pytest.mark.parametrize(
    ("sort", "order"), [("given", ["x", "y", "z"]), ("length", ["y", "x", "z"]), ("agreement", ["y", "z", "x"])]
)
def test_order(sort, order):
    target = [[0, 0, 0], [1, 1, 1, 1], [1, 1, -1]]
    labels = [[0, 0, 0], [0, 0, 0, 1], [1, 0, 0]]  # right: all, a quarter, half
    ax = plot_ribbons(labels, target, sort=sort, names=["x", "y", "z"])
    assert ticks(ax) == order
    assert ax.images[0].get_array().shape[0] == 3


def test_frames_without_a_class_are_gray_and_the_background_is_light():
    ax = plot_ribbons([[-1, -2, 0, 1]], background=[1])
    row = ax.images[0].get_array()[0]
    np.testing.assert_allclose(row[0], row[1])
    np.testing.assert_allclose(row[2], palette(1)[0])
    np.testing.assert_allclose(row[3], NEUTRAL)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0", "1", "no class"]


def test_one_scale_for_all_leaves_the_end_of_short_videos_white():
    ax = plot_ribbons([[0] * 10, [0] * 5], relative=False, sort="given")
    rows = ax.images[0].get_array()
    np.testing.assert_allclose(rows[1, 5:], 1)
    np.testing.assert_allclose(rows[1, :5], rows[0, :5])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "10"]


def test_a_long_list_stays_on_a_page_and_names_what_there_is_room_for():
    labels = [np.arange(50).repeat(2)] * 500
    ax = plot_ribbons(labels, labels, names=[f"video {i}" for i in range(500)])
    assert ax.figure.get_size_inches()[1] <= 11
    assert 40 <= len(ticks(ax)) <= 250
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().x1 <= ax.figure.bbox.x1


def test_mistakes():
    with pytest.raises(ValueError, match="`names` must be as many"):
        plot_ribbons([[0, 1]], names=["a", "b"])
    with pytest.raises(ValueError, match="`sort` must be one of"):
        plot_ribbons([[0, 1]], sort="best")
