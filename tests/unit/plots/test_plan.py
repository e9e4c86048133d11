import numpy as np
import pytest
import torch
from matplotlib import pyplot

import otseg
from otseg.plots import plot_cost, plot_plan


@pytest.fixture
def result():
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(2, 9, 3, generator=generator, dtype=torch.float64)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[1, 6:] = False
    return otseg.solve(cost, epsilon=0.2, mask=mask)


@pytest.mark.parametrize(("index", "length"), [(0, 9), (1, 6)])
def test_image_is_the_posterior_transposed_and_cropped(result, index, length):
    ax = plot_plan(result, index=index)
    plan = result.plan[index, :length].numpy()
    expected = plan.T / plan.sum(axis=1)
    np.testing.assert_allclose(ax.images[0].get_array(), expected, rtol=1e-12)
    assert tuple(ax.images[0].get_extent()) == (0, length, 2.5, -0.5)


def test_a_tensor_is_drawn_whole_and_frames_without_mass_are_blank(result):
    image = plot_plan(result.plan, index=1).images[0].get_array()
    assert image.shape == (3, 9)
    assert np.ma.getmaskarray(image).any(axis=0).tolist() == [False] * 6 + [True] * 3


def test_cost_image(result):
    ax = plot_cost(result, index=1, frame_rate=2.0)
    np.testing.assert_array_equal(ax.images[0].get_array(), result.problem.cost[1, :6].numpy().T)
    assert tuple(ax.images[0].get_extent()) == (0, 3, 2.5, -0.5)
    assert ax.get_xlabel() == "time (s)"
    whole = plot_cost(result.problem.cost, index=1)
    np.testing.assert_array_equal(whole.images[0].get_array(), result.problem.cost[1].numpy().T)


@pytest.fixture
def steps():
    """A plan whose labels are 0 0 2 2 2 1."""
    return torch.eye(3)[[0, 0, 2, 2, 2, 1]][None] + 0.1


def test_boundaries_are_where_the_labels_change(steps):
    (lines,) = plot_plan(steps, frame_rate=4.0).collections
    ends = [path.vertices.tolist() for path in lines.get_paths()]
    assert ends == [[[0.5, -0.5], [0.5, 2.5]], [[1.25, 0.5], [1.25, 2.5]]]
    assert not plot_plan(steps, boundaries=False).collections
    assert not plot_plan(steps[:, :1]).collections[0].get_paths()


def test_true_boundaries_are_marked_above(steps):
    (marks,) = plot_plan(steps, target=[0, 0, 0, 1, 1, 2], frame_rate=4.0).lines
    assert marks.get_xdata().tolist() == [0.75, 1.25]
    assert not plot_plan(steps).lines


def test_actions_are_named_and_the_colorbar_too(steps):
    ax = plot_plan(steps, class_names={1: "pour"})
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0", "pour", "2"]
    assert [other.get_ylabel() for other in ax.figure.axes] == ["action", "probability of the action"]


@pytest.mark.parametrize("plot", [plot_plan, plot_cost])
def test_draws_on_the_given_axes(plot, steps):
    figure, axes = pyplot.subplots(1, 2)
    before = pyplot.get_fignums()
    assert plot(steps, ax=axes[1]) is axes[1]
    assert pyplot.get_fignums() == before
    assert axes[1].images
    assert not axes[0].images
    inner = figure.subfigures(1, 2)[0].subplots()
    assert plot(steps, ax=inner) is inner


def test_gradients_and_half_precision_are_no_obstacle(steps):
    ax = plot_plan(steps.half().requires_grad_())
    assert ax.images[0].get_array().max() == pytest.approx(1.1 / 1.3, abs=1e-3)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"plan": torch.zeros(3, 2)}, r"`plan` must be of shape \(B, N, K\).*unsqueeze"),
        ({"plan": torch.zeros(1, 0, 2)}, "`plan` must be not empty"),
        ({"index": 1}, "`index` must be an integer >= 0 and <= 0; got 1"),
        ({"target": [0, 1]}, "`target` must be as long as the drawn sequence; got 2 frames against 6"),
        ({"target": [[0, 1], [0, 1]]}, "`target` must be the labels of the drawn sequence; got 2 sequences"),
    ],
)
def test_refuses(steps, kwargs, message):
    before = pyplot.get_fignums()
    with pytest.raises(ValueError, match=message):
        plot_plan(**{"plan": steps, **kwargs})
    assert pyplot.get_fignums() == before
