import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from sklearn.decomposition import PCA

from otseg.plots import palette, plot_embedding
from otseg.plots.embedding import principal_plane
from otseg.plots.palette import NEUTRAL


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(40, 6)) * np.arange(6, 0, -1)


def test_the_plane_is_that_of_scikit_learn(points):
    places, others, shares = principal_plane(points, points[:3] + 1)
    pca = PCA(2, svd_solver="full").fit(points)
    signs = np.sign((pca.transform(points) * places).sum(axis=0))
    np.testing.assert_allclose(places, pca.transform(points) * signs, atol=1e-9)
    np.testing.assert_allclose(others, pca.transform(points[:3] + 1) * signs, atol=1e-9)
    np.testing.assert_allclose(shares, pca.explained_variance_ratio_)


def test_the_plane_does_not_depend_on_the_order_of_the_points(points):
    places, _, _ = principal_plane(points, points[:0])
    again, _, _ = principal_plane(points[::-1], points[:0])
    np.testing.assert_allclose(again[::-1], places, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 3), (4, 1), (5, 2)])
def test_degenerate_points_have_places(shape):
    places, _, shares = principal_plane(np.ones(shape), np.empty((0, shape[1])))
    assert places.shape == (shape[0], 2)
    assert not places.any()
    assert shares == (0, 0)


def test_dots_by_class_and_prototypes_by_number(points):
    labels = np.arange(40) % 3
    ax = plot_embedding(torch.tensor(points), points[:2], labels=labels, class_names=["a", "b", "c"])
    places = principal_plane(points, points[:2])[0]
    *dots, first, second = ax.collections
    for k, collection in enumerate(dots):
        np.testing.assert_allclose(collection.get_offsets(), places[labels == k])
        assert to_rgb(collection.get_facecolor()[0][:3]) == pytest.approx(palette(3)[k])
    np.testing.assert_allclose(first.get_offsets()[0], places[0])
    assert to_rgb(second.get_facecolor()[0][:3]) == pytest.approx(palette(2)[1])
    assert [text.get_text() for text in ax.texts] == ["0", "1"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "c"]
    assert ax.get_aspect() == 1


def test_prototypes_in_the_colors_of_given_classes(points):
    ax = plot_embedding(points[:, :2], points[:2, :2], prototype_labels=[4, -1], projection="given")
    colors = [to_rgb(marked.get_facecolor()[0][:3]) for marked in ax.collections[1:]]
    assert colors[0] == pytest.approx(palette(5)[4])
    assert colors[1] == pytest.approx(NEUTRAL)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), points[:, :2])
    assert ax.get_legend() is None


def test_tsne_is_deterministic(points):
    first, second = (plot_embedding(points, points[:2], projection="tsne").collections for _ in range(2))
    np.testing.assert_array_equal(first[0].get_offsets(), second[0].get_offsets())
    assert len(first) == 3


def test_mistakes(points):
    with pytest.raises(ValueError, match="`frames` must be of two columns"):
        plot_embedding(points, projection="given")
    with pytest.raises(ValueError, match="`prototypes` must be of the dimension"):
        plot_embedding(points, points[:2, :3])
    with pytest.raises(ValueError, match="`labels` must be one per frame"):
        plot_embedding(points, labels=[0, 1])
    with pytest.raises(ValueError, match="`prototype_labels` must be one per prototype"):
        plot_embedding(points, points[:2], prototype_labels=[0])
    with pytest.raises(ValueError, match="`frames` must be finite"):
        plot_embedding(points * np.nan)
    with pytest.raises(ValueError, match="at least 4 points"):
        plot_embedding(points[:3], projection="tsne")


def test_labels_may_end_without_a_class(points):
    ax = plot_embedding(points, labels=[0] * 38 + [-1, -1])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["no class", "0"]
