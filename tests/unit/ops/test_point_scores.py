"""Coordinates against the dense costs of the library, and the tiling."""

import pytest
import torch

from otseg.costs import cosine, euclidean
from otseg.ops.point_scores import COSTS, TEMPORARIES, coordinates, tile, tiles

DENSE = {
    "sqeuclidean": lambda x, y: euclidean(x, y, squared=True),
    "euclidean": euclidean,
    "cosine": cosine,
}


@pytest.mark.parametrize("cost", COSTS)
def test_scores_are_those_of_the_dense_cost(cost, generator):
    x = torch.randn(2, 7, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    x[0, 0] = 0
    x[1, 2] = y[1, 3]
    epsilon = torch.tensor([0.3, 2.0], dtype=torch.float64)
    u, v, row, column, rooted = coordinates(x, y, epsilon, cost)
    score = row.unsqueeze(2) + tile(u, v, column, rooted)
    # Two equal points have the square root of the rounding of their squared distance between them.
    torch.testing.assert_close(-score * epsilon[:, None, None], DENSE[cost](x, y), atol=1e-7, rtol=0)
    score[1, 2, 3] = 0
    expected = DENSE[cost](x, y)
    expected[1, 2, 3] = 0
    torch.testing.assert_close(-score * epsilon[:, None, None], expected, atol=1e-13, rtol=0)


def test_points_far_from_the_origin_keep_their_digits(generator):
    x = torch.rand(1, 20, 2, generator=generator)
    one = torch.ones(1)
    near, far = coordinates(x, x + 0.25, one, "sqeuclidean"), coordinates(x + 4096, x + 4096.25, one, "sqeuclidean")
    scores = [c.row.unsqueeze(2) + tile(c.u, c.v, c.column, False) for c in (near, far)]
    torch.testing.assert_close(scores[1], scores[0], atol=2e-3, rtol=0)  # the inputs are rounded to 5e-4


@pytest.mark.parametrize("memory", [1, 100, 2000, 10**5, None])
@pytest.mark.parametrize(("batch", "n", "m"), [(1, 1, 1), (2, 7, 5), (3, 1, 50), (1, 60, 2)])
def test_tiles_cover_everything_once_and_fit(memory, batch, n, m):
    u, v = torch.zeros(batch, n, 2), torch.zeros(batch, m, 2)
    rows, columns = tiles(u, v, memory)
    seen = torch.zeros(n, m)
    for i in rows:
        for j in columns:
            seen[i, j] += 1
            entries = batch * seen[i, j].numel()
            assert memory is None or seen[i, j].numel() == 1 or entries * 4 * TEMPORARIES <= memory
    assert (seen == 1).all()
