"""Sliced plans, and what a sliced cost says
============================================

Two sets of points are coupled in the order of their projections to one line, by the average of such plans over 200
lines, and by the linear program. Then costs of a video whose actions follow each other in the order 2, 0, 3, 1: what a
sliced cost of frames and actions does and does not say. Needs the extra ``plots``.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from scipy.optimize import linprog

import otseg
from otseg.costs import cosine, euclidean, expected_sliced_plan, random_directions, sliced_pairwise
from otseg.plots import palette, plot_cost

ORDER, N_FRAMES = (2, 0, 3, 1), 30  # actions of the video, frames of each


def linear_program(cost: torch.Tensor) -> torch.Tensor:
    """Optimal plan of equal weights, ``(1, N, M)``."""
    n, m = cost.shape[1:]
    marginals = np.concatenate([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    found = linprog(cost.flatten().numpy(), A_eq=marginals, b_eq=np.repeat([1 / n, 1 / m], [n, m]))
    return torch.from_numpy(found.x).reshape(1, n, m)


def draw_plan(ax: plt.Axes, x: torch.Tensor, y: torch.Tensor, plan: torch.Tensor, title: str) -> None:
    """Both sets, and a line for every entry of the plan, the darker the more mass."""
    blue, orange = palette(2)
    for i, j in plan.nonzero().tolist():
        strength = float(plan[i, j] / plan.max())
        ax.plot(*torch.stack((x[i], y[j])).T, color="black", alpha=0.9 * strength**0.7, linewidth=0.4 + 1.4 * strength)
    ax.scatter(*x.T, s=34, color=blue, edgecolor="white", zorder=3, label="x, 18 points")
    ax.scatter(*y.T, s=46, color=orange, marker="s", edgecolor="white", zorder=3, label="y, 12 points")
    ax.set(title=title, xlabel="feature 1", ylabel="feature 2", aspect="equal", ylim=(-1.6, 2.2))


# %%
# Top: :func:`otseg.costs.expected_sliced_plan` spreads mass over more pairs and costs more than the linear program, but
# every plan gives each point its weight. Bottom: the cosine cost and the sliced distance of every pair
# (:func:`otseg.costs.sliced_pairwise`) are low on the dotted true actions; the sorted matrix that CLOT's released code
# returns is low on a staircase from action 0 to action 3 for every video, and for shuffled frames.
generator = torch.Generator().manual_seed(3)
figure, (top, bottom) = plt.subplots(2, 3, figsize=(15, 7.8), layout="constrained", height_ratios=(1.15, 1))

# Two sets: a ring of points and two clusters.
angle = torch.arange(18, dtype=torch.float64) / 18 * 2 * torch.pi
x = torch.stack((angle.cos(), angle.sin()), dim=1) + 0.08 * torch.randn(18, 2, generator=generator).double()
y = torch.tensor([[3.2, 0.8], [2.6, -0.9]]).repeat(6, 1).double()
y = y + 0.28 * torch.randn(12, 2, generator=generator).double()
cost = euclidean(x[None], y, squared=True)
line = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
plans = {
    "In the order of one line": expected_sliced_plan(x[None], y, directions=line),
    "Average over 200 lines": expected_sliced_plan(x[None], y, n_projections=200, generator=generator),
    "Linear program": linear_program(cost),
}
for ax, (name, plan) in zip(top, plans.items(), strict=True):
    draw_plan(ax, x, y, plan[0], f"{name}: cost {float((plan * cost).sum()):.2f}")
top[0].axline((1.2, -1.2), slope=4 / 3, color="gray", linestyle="--", linewidth=1, label="the line")
top[0].legend(loc="upper center", fontsize=8, ncols=3)

# One video: frames around the prototype of their action.
prototypes = torch.nn.functional.normalize(torch.randn(4, 16, generator=generator), dim=1)
labels = torch.tensor(ORDER).repeat_interleave(N_FRAMES)
frames = prototypes[labels] + 0.12 * torch.randn(len(labels), 16, generator=generator)
frames = torch.nn.functional.normalize(frames, dim=1)[None]
directions = random_directions(150, 16, generator=generator).float()
costs = {
    "Cosine cost": cosine(frames, prototypes),
    "Sliced distance of every pair: the same content": sliced_pairwise(frames, prototypes, directions=directions),
    "Published sorted matrix: an order, no content": sliced_pairwise(
        frames, prototypes, directions=directions, protocol="published"
    ),
}
for ax, (name, value) in zip(bottom, costs.items(), strict=True):
    plot_cost(value, ax=ax)
    middle = torch.arange(4) * N_FRAMES + N_FRAMES / 2
    ax.hlines(ORDER, middle - N_FRAMES / 2, middle + N_FRAMES / 2, color="white", linestyle=":", linewidth=2)
    ax.set_title(name)
bottom[0].text(
    N_FRAMES + 2, 0.35, "dotted: true action", color="white", fontsize=8, bbox={"color": "black", "alpha": 0.35}
)

# %%
# The picture is saved into the folder that the script is given, ``pictures`` if none.
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
folder.mkdir(parents=True, exist_ok=True)
path = folder / "sliced.png"
figure.savefig(path, dpi=130)
distance = float(otseg.sliced_wasserstein(x[None], y, n_projections=200, generator=generator))
print(f"{path}: the two costs on the left follow the true actions, the published sorted matrix does not.")
print(f"Sliced Wasserstein distance of the two sets: {distance:.2f}.")
