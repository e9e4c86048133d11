"""Synthetic features of frames whose actions are known."""

from collections.abc import Sequence as Seq

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from otseg import checks


def draw_features(
    labels: Seq[Int[Tensor, " _"]],
    n_actions: int,
    n_features: int,
    *,
    difficulty: float = 0.5,
    noise_correlation: float = 0.9,
    video_offset: float = 0.5,
    generator: torch.Generator | None = None,
) -> list[Float[Tensor, "_ D"]]:
    r"""Features of every frame: the mean of its action, an offset of its video, and noise that remembers.

    .. math::  x_n = s \mu_{k_n} + s \, o \, \nu + z_n, \qquad z_n = r z_{n-1} + \sqrt{1 - r^2} \, \xi_n

    with :math:`\mu, \nu, \xi` standard normal: the means are shared by all videos, the offset :math:`\nu` is
    one for each video, and the noise is stationary with variance 1. The scale
    :math:`s = 8^{1 - d} / \sqrt{2D}` makes the expected distance of two means
    :math:`8^{1 - d}` standard deviations of the noise. Every segment of background (label -1) has a mean of
    its own.

    Args:
        labels: Action of every frame of every video, -1 for background.
        n_actions: Number of actions ``K``.
        n_features: Number of features ``D``.
        difficulty: :math:`d`, from 0 (means 8 deviations apart: single frames tell their action) to 1 (one
            deviation apart: only many frames together do).
        noise_correlation: :math:`r` between neighboring frames, in [0, 1).
        video_offset: Size :math:`o` of the offset in units of the means, >= 0.
        generator: Source of randomness; torch's own if ``None``.

    Returns:
        Float32 features of every video.
    """
    checks.number("n_features", n_features, low=1, integer=True)
    checks.number("difficulty", difficulty, low=0.0, high=1.0)
    checks.number("noise_correlation", noise_correlation, low=0.0, high=1.0)
    checks.require(noise_correlation < 1.0, "noise_correlation", "below 1", noise_correlation)
    checks.number("video_offset", video_offset, low=0.0)
    scale = 8.0 ** (1.0 - difficulty) / (2.0 * n_features) ** 0.5
    means = torch.randn(n_actions, n_features, generator=generator)  # (K, D)
    features = []
    for video in labels:
        segment = torch.cat([torch.zeros(1, dtype=torch.int64), (video.diff() != 0).cumsum(0)])  # (N,)
        own = torch.randn(int(segment[-1]) + 1, n_features, generator=generator)  # one mean for each segment
        mean = torch.where((video < 0)[:, None], own[segment], means[video.clamp(min=0)])  # (N, D)
        offset = video_offset * torch.randn(n_features, generator=generator)
        white = torch.randn(len(video), n_features, generator=generator)
        features.append(scale * (mean + offset) + autoregressive(white, noise_correlation))
    return features


def autoregressive(white: Float[Tensor, "N D"], correlation: float) -> Float[Tensor, "N D"]:
    r"""Stationary noise :math:`z_n = r z_{n-1} + \sqrt{1 - r^2} \, \xi_n` with :math:`z_0 = \xi_0`.

    Args:
        white: Independent standard normal numbers :math:`\xi`.
        correlation: :math:`r`, in [0, 1).

    Returns:
        Noise of variance 1 with correlation :math:`r^t` between frames ``t`` apart.
    """
    gain = (1.0 - correlation**2) ** 0.5
    start = (1.0 - gain) * white[:1].double().numpy()  # the state of the filter for which z_0 is xi_0
    from scipy.signal import lfilter  # only here: it takes as long to import as torch

    z, _ = lfilter([gain], [1.0, -correlation], white.double().numpy(), axis=0, zi=start)
    return torch.from_numpy(np.ascontiguousarray(z)).float()
