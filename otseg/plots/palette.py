"""Colors of classes that also a color-blind reader tells apart."""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from otseg import checks

#: Red, green and blue in [0, 1].
Color: TypeAlias = tuple[float, float, float]

#: Fill of frames without a class and of the background; :func:`palette` keeps away from it.
NEUTRAL: Color = (0.90, 0.90, 0.90)

# Okabe and Ito (2008), "Color Universal Design", without black.
_OKABE_ITO = ("0072B2", "E69F00", "009E73", "CC79A7", "56B4E9", "D55E00", "F0E442")

# Severe red and green blindness in linear RGB: Machado, Oliveira and Fernandes (2009), Table 1, severity 1.0.
_PROTANOPIA = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
_DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
VISIONS = {"normal": np.eye(3), "protanopia": np.array(_PROTANOPIA), "deuteranopia": np.array(_DEUTERANOPIA)}

# OKLab, Ottosson (2020): linear RGB to the cones' response, its cube root to lightness and two opponents.
_CONES = ((0.4122214708, 0.5363325363, 0.0514459929), (0.2119034982, 0.6806995451, 0.1073969566))
_LMS = np.array((*_CONES, (0.0883024619, 0.2817188376, 0.6299787005)))
_OPPONENT = ((1.9779984951, -2.4285922050, 0.4505937099), (0.0259040371, 0.7827717662, -0.8086757660))
_LAB = np.array(((0.2104542553, 0.7936177850, -0.0040720468), *_OPPONENT))


def palette(n: int) -> tuple[Color, ...]:
    """The colors of classes ``0 .. n - 1``; the color of a class does not depend on ``n``.

    The first seven are the palette of Okabe and Ito. Each further color is the one of a regular grid in RGB
    that is farthest from all colors taken, from white, black and the background's gray. The distance is
    Euclidean in OKLab, the smallest of normal vision, protanopia and deuteranopia.

    Args:
        n: Number of classes.

    Returns:
        One ``(red, green, blue)`` in [0, 1] per class.

    Raises:
        ValueError: If ``n`` is negative, or larger than 200, where colors cannot be told apart.

    Example:
        >>> [tuple(round(x, 2) for x in color) for color in palette(2)]
        [(0.0, 0.45, 0.7), (0.9, 0.62, 0.0)]
    """
    checks.number("n", n, 0, 200, integer=True)
    return _palette()[:n]


@lru_cache(maxsize=1)
def _palette() -> tuple[Color, ...]:
    first = np.array([[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)] for code in _OKABE_ITO])
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 16)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    taken = np.concatenate((first, [(0, 0, 0), (1, 1, 1), NEUTRAL]))
    lightness = _oklab(grid, VISIONS["normal"])[:, 0]
    grid = grid[(lightness > 0.35) & (lightness < 0.93)]
    distance = color_distance(grid, taken).min(axis=1)
    colors = list(first)
    while len(colors) < 200:
        color = grid[distance.argmax()]
        colors.append(color)
        distance = np.minimum(distance, color_distance(grid, color[None])[:, 0])
    return tuple((float(r), float(g), float(b)) for r, g, b in colors)


def color_distance(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Distance of every color of ``x`` from every one of ``y``, in OKLab, to whom they look most alike.

    Args:
        x: Colors, ``(n, 3)``, in [0, 1].
        y: Colors, ``(m, 3)``, in [0, 1].

    Returns:
        Distances, ``(n, m)``; black and white are about 1 apart.
    """
    seen = np.stack([_oklab(x, v)[:, None] - _oklab(y, v) for v in VISIONS.values()])  # (vision, n, m, 3)
    nearest: npt.NDArray[np.float64] = np.sqrt(np.square(seen).sum(axis=3).min(axis=0))
    return nearest


def _oklab(rgb: npt.NDArray[np.float64], vision: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1
    lab: npt.NDArray[np.float64] = np.cbrt(np.clip(linear @ vision.T, 0, 1) @ _LMS.T) @ _LAB.T
    return lab
