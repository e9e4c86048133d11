"""Costs against independent formulas."""

import numpy as np
import scipy.spatial.distance as sp
import torch

from otseg.costs import cosine, euclidean


def test_values_of_scipy(generator):
    x = torch.randn(1, 9, 4, generator=generator, dtype=torch.float64)
    y = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    for ours, metric in (
        (cosine(x, y), "cosine"),
        (euclidean(x, y), "euclidean"),
        (euclidean(x, y, squared=True), "sqeuclidean"),
    ):
        np.testing.assert_allclose(ours[0].numpy(), sp.cdist(x[0], y, metric), atol=1e-12)


def test_euclidean_far_from_the_origin(generator):
    x, y = torch.randn(1, 9, 4, generator=generator), torch.randn(5, 4, generator=generator)
    torch.testing.assert_close(euclidean(x + 1000, y + 1000), euclidean(x, y), atol=2e-3, rtol=0)
