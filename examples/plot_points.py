"""The colors of one picture given to another
=============================================

Transport between 7200 and 7200 pixels, without their cost matrix. Every pixel is a point of red, green and blue. The
plan between the pixels of a day and those of an evening would fill 200 MB; :func:`otseg.solvers.sinkhorn_points`
computes only its averages. Needs the extra ``plots``.
"""

import sys
import time
from pathlib import Path

import torch
from matplotlib import pyplot as plt

from otseg.solvers import PointResult, sinkhorn_points

HEIGHT, WIDTH = 60, 120


def landscape(sky: list, sun: list, hills: list, generator: torch.Generator) -> torch.Tensor:
    """A sky that brightens toward the horizon, a sun, three ranges of hills; ``(HEIGHT, WIDTH, 3)``."""
    row = torch.linspace(0, 1, HEIGHT)[:, None]
    column = torch.linspace(0, 1, WIDTH)[None, :]
    top, bottom = torch.tensor(sky)
    picture = top + (bottom - top) * (row.unsqueeze(2) / 0.7).clamp(max=1) + torch.zeros(HEIGHT, WIDTH, 3)
    glow = (-((row - 0.25) ** 2 + 4 * (column - 0.7) ** 2) / 0.012).exp().unsqueeze(2)
    picture = picture + glow * (torch.tensor(sun) - picture)
    for i, color in enumerate(torch.tensor(hills)):
        ridge = 0.52 + 0.14 * i + 0.07 * torch.sin((7 + 4 * i) * column + 2 * i) + 0.02 * torch.sin(31 * column + i)
        shade = 1 - 0.5 * (row - ridge).clamp(min=0)
        picture = torch.where((row > ridge).unsqueeze(2), color * shade.unsqueeze(2), picture)
    return (picture + 0.02 * torch.randn(picture.shape, generator=generator)).clamp(0, 1)


def recolor(result: PointResult, colors: torch.Tensor) -> torch.Tensor:
    """Barycentric projection: every pixel takes the average color of where its mass goes."""
    moved = result.apply(colors) / result.marginal_a.unsqueeze(2)
    return moved.reshape(HEIGHT, WIDTH, 3).clamp(0, 1)


# %%
# A day and an evening.
generator = torch.Generator().manual_seed(0)
day = landscape(
    [[0.25, 0.5, 0.85], [0.75, 0.88, 0.97]],
    [1.0, 1.0, 0.9],
    [[0.45, 0.6, 0.6], [0.3, 0.55, 0.3], [0.2, 0.38, 0.15]],
    generator,
)
evening = landscape(
    [[0.17, 0.1, 0.32], [0.98, 0.55, 0.25]],
    [1.0, 0.9, 0.5],
    [[0.5, 0.22, 0.33], [0.3, 0.12, 0.28], [0.1, 0.05, 0.14]],
    generator,
)
# %%
# Exact marginals hand over the whole palette, however much of each color there is; a penalty (finite ``rho_b``) leaves
# out what lies far away.
x, y = day.reshape(1, -1, 3), evening.reshape(1, -1, 3)
begin = time.perf_counter()
exact = sinkhorn_points(x, y, epsilon=0.01, start=0.1, tol=5e-2)
relaxed = sinkhorn_points(x, y, epsilon=0.01, rho_b=0.05, init=exact, tol=5e-2)
pictures = {"exact marginals": recolor(exact, y), "penalized: rho_b = 0.05": recolor(relaxed, y)}
seconds = time.perf_counter() - begin

# %%
# Top, the day takes the colors of the evening, once all of them and once those near its own. Bottom, the same pixels by
# their color: exact marginals cover the whole palette of the evening.
shown = {"day (x)": day, "evening (y)": evening, **pictures}
figure, axes = plt.subplots(2, 4, figsize=(15, 6), layout="constrained", height_ratios=(1, 1.5))
some = torch.randperm(HEIGHT * WIDTH, generator=generator)[:4000]
for (title, picture), (top, bottom) in zip(shown.items(), axes.T, strict=True):
    top.imshow(picture.numpy())
    top.set(title=title, xticks=[], yticks=[])
    colors = picture.reshape(-1, 3)[some]
    bottom.scatter(colors[:, 0], colors[:, 2], c=colors.numpy(), s=5)
    bottom.set(xlabel="red", ylabel="blue", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
figure.suptitle(f"{len(x[0])} x {len(y[0])} pixels, two solutions in {seconds:.0f} s")

# %%
# The picture is saved into the folder that the script is given, ``pictures`` if none.
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
folder.mkdir(parents=True, exist_ok=True)
path = folder / "points.png"
figure.savefig(path, dpi=110)
print(f"{path}: top, the day takes the colors of the evening, once all of them and once those near its own.")
print("Bottom, the same pixels by their color: exact marginals cover the whole palette of the evening.")
