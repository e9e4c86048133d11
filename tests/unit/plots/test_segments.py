import numpy as np
import pytest
import torch
from matplotlib import pyplot
from matplotlib.colors import to_rgb

from otseg.plots import palette, plot_segments
from otseg.plots.palette import NEUTRAL


def bars(collection):
    """``(left, width, bottom, top)`` of every bar, and their colors."""
    boxes = [path.get_extents() for path in collection.get_paths()]
    return [(box.x0, box.width, box.y0, box.y1) for box in boxes], [to_rgb(c) for c in collection.get_facecolors()]


def legend(ax):
    return {t.get_text(): p for t, p in zip(ax.get_legend().get_texts(), ax.get_legend().get_patches(), strict=True)}


def test_widths_equal_segment_lengths_and_colors_the_classes():
    ax = plot_segments([2, 2, 2, 0, 1, 1], frame_rate=2.0)
    places, colors = bars(ax.collections[0])
    assert [(left, width) for left, width, _, _ in places] == [(0, 1.5), (1.5, 0.5), (2, 1)]
    assert colors == pytest.approx(np.array([palette(3)[k] for k in (2, 0, 1)]))
    assert ax.get_xlim() == (0, 3)


def test_truth_is_drawn_above_the_prediction():
    ax = plot_segments([0, 0, 0, 1], [0, 1, 1, 1])
    true, predicted = (bars(collection)[0] for collection in ax.collections[::2])
    assert [width for _, width, _, _ in true] == [1, 3]
    assert [width for _, width, _, _ in predicted] == [3, 1]
    assert max(top for *_, top in true) <= min(bottom for _, _, bottom, _ in predicted)
    assert ax.yaxis_inverted()


def test_many_videos_are_aligned_and_cropped():
    labels = torch.tensor([[0, 1, -1, -1], [1, 1, 2, 2], [0, 0, 0, -1]])
    ax = plot_segments(labels, labels, names=["a", "b", "c"])
    outlines = [bars(collection)[0][0] for collection in ax.collections[1::2]]
    assert [(left, width) for left, width, _, _ in outlines] == [
        (0, 2),
        (0, 2),
        (0, 4),
        (0, 4),
        (0, 3),
        (0, 3),
    ]
    assert [round((low + high) / 2) for _, _, low, high in outlines] == [0, 0, 1, 1, 2, 2]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b", "c"]
    assert set(legend(ax)) == {"0", "1", "2"}


def test_frames_without_a_class_are_hatched_and_the_background_is_gray():
    ax = plot_segments([0, 1, -1, -2, -2, 1], background=[0])
    known, unknown, _ = ax.collections
    assert bars(known)[1][0] == pytest.approx(NEUTRAL)
    assert [place[:2] for place in bars(unknown)[0]] == [(2, 1), (3, 2)]
    assert unknown.get_hatch()
    entries = legend(ax)
    assert list(entries) == ["0", "1", "no class"]
    assert to_rgb(entries["0"].get_facecolor()) == pytest.approx(NEUTRAL)


def test_a_class_keeps_its_color_and_its_name():
    ax = plot_segments([7, 7, 3], class_names={3: "pour"})
    entries = legend(ax)
    assert list(entries) == ["pour", "7"]
    assert to_rgb(entries["7"].get_facecolor()) == pytest.approx(palette(8)[7])


def test_two_classes_of_one_name_both_have_an_entry():
    ax = plot_segments([0, 1], class_names=["turn", "turn"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["turn", "turn"]


def test_a_video_without_any_class():
    ax = plot_segments([-1, -1])
    assert list(legend(ax)) == ["no class"]


def test_legend_is_outside_of_the_axes_and_inside_of_the_figure():
    labels = [np.arange(48).repeat(3)] * 20
    ax = plot_segments(labels, labels, class_names=[f"a rather long name of class {k}" for k in range(48)])
    ax.figure.canvas.draw()
    box, figure = ax.get_legend().get_window_extent(), ax.figure.bbox
    assert box.x0 >= ax.bbox.x1
    assert box.x1 <= figure.x1
    assert box.y0 >= 0
    assert ax.bbox.width > 0.4 * figure.width


def test_draws_on_the_given_axes():
    _, ax = pyplot.subplots()
    before = pyplot.get_fignums()
    assert plot_segments([0, 1], ax=ax) is ax
    assert pyplot.get_fignums() == before


def test_refuses_names_that_do_not_fit_without_leaving_a_figure():
    before = pyplot.get_fignums()
    with pytest.raises(ValueError, match="`names` must be as many as there are sequences; got 1 against 2"):
        plot_segments([[0], [1]], names=["a"])
    assert pyplot.get_fignums() == before
