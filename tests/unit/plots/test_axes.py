import builtins

import pytest
from matplotlib import pyplot

from otseg.plots import _axes


def test_new_axes_makes_one_figure_of_that_size():
    before = len(pyplot.get_fignums())
    ax = _axes.new_axes(None, 5, 2)
    assert tuple(ax.figure.get_size_inches()) == (5, 2)
    assert len(pyplot.get_fignums()) == before + 1


def test_new_axes_returns_the_given_axes_and_makes_no_figure():
    _, ax = pyplot.subplots()
    before = pyplot.get_fignums()
    assert _axes.new_axes(ax, 5, 2) is ax
    assert pyplot.get_fignums() == before


def test_new_axes_refuses_an_array_of_axes():
    _, axes = pyplot.subplots(1, 2)
    with pytest.raises(TypeError, match=r"`ax` must be matplotlib axes; got .*Choose one of the axes, such as"):
        _axes.new_axes(axes, 5, 2)


def test_missing_matplotlib_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'otseg\[plots\]'"):
        _axes.new_axes(None, 5, 2)


def test_label_rows_names_all_rows_or_thins_them():
    names = [f"name {i}" for i in range(60)]
    tall, low = pyplot.subplots(figsize=(4, 9))[1], pyplot.subplots(figsize=(4, 1))[1]
    _axes.label_rows(tall, names)
    assert [tick.get_text() for tick in tall.get_yticklabels()] == names
    _axes.label_rows(low, names)
    shown = low.get_yticks()
    assert 2 <= len(shown) < 15
    assert [tick.get_text() for tick in low.get_yticklabels()] == [names[int(i)] for i in shown]
    size = low.get_yticklabels()[0].get_fontsize()
    assert size <= (shown[1] - shown[0]) * _axes.height_of(low) / 60


@pytest.mark.parametrize(
    ("names", "expected"), [(None, "1"), (["a", "b"], "b"), (["a"], "1"), ({1: "x"}, "x"), ({0: "x"}, "1")]
)
def test_class_name(names, expected):
    assert _axes.class_name(names, 1) == expected


def test_frame_length():
    assert _axes.frame_length(None) == 1
    assert _axes.frame_length(15) == 1 / 15
    with pytest.raises(ValueError, match="`frame_rate` must be a number > 0"):
        _axes.frame_length(0)
