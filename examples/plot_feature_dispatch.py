"""What dispatching and cross-attention do to frames
====================================================

Frames of three actions are drawn in 16 dimensions, with much noise. :func:`otseg.feature_dispatch` moves every frame
toward the prototypes that it resembles. :func:`otseg.nn.cross_attention` then moves it toward the segments of its own
sequence; a model takes those from a decoder, here they are the means of a transport plan. Needs the extra ``plots``.
"""

import sys
from pathlib import Path

import torch
from matplotlib import pyplot as plt
from torch.nn.functional import normalize

import otseg
from otseg.nn import cross_attention
from otseg.plots import palette, plot_cost
from otseg.solvers import plan_means

N, K, D = 150, 3, 16


def draw(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Frames ``(1, N, D)``, unit prototypes ``(K, D)`` and true actions ``(N,)``."""
    prototypes = torch.linalg.qr(torch.randn(D, K, generator=generator)).Q.T.contiguous()
    labels = torch.arange(K).repeat_interleave(N // K)
    frames = prototypes[labels] + 0.42 * torch.randn(N, D, generator=generator)
    return frames[None], prototypes, labels


def describe(frames: torch.Tensor, prototypes: torch.Tensor, labels: torch.Tensor) -> str:
    cost = otseg.costs.cosine(frames, prototypes)[0]
    right = (cost.argmin(dim=1) == labels).float().mean()
    own = cost[torch.arange(N), labels].mean()
    return f"nearest prototype is right: {100 * right:.0f} %\nmean cost of the own action: {own:.2f}"


# %%
# Dispatch, transport, refine.
frames, prototypes, labels = draw(torch.Generator().manual_seed(3))
dispatched = otseg.feature_dispatch(frames, prototypes, scale=12.0, shift=-4.0)
plan = otseg.sinkhorn(otseg.costs.cosine(dispatched, prototypes), epsilon=0.1).plan
segments = plan_means(plan, dispatched)[None]  # (1, K, D)
refined = cross_attention(dispatched, segments, temperature=0.3)
stages = {"1. Frames": frames, "2. After dispatching": dispatched, "3. After cross-attention": refined}

# %%
# Above, the three clouds move toward their prototypes (stars) and apart; a thin line shows where a frame came from.
# Below, the cost of the own action becomes low (dark), that of the others high. Directions of the embeddings are seen
# in the plane through the three prototypes.
plane = torch.linalg.svd(prototypes - prototypes.mean(dim=0)).Vh[:2].T  # (D, 2)
view = {title: normalize(x[0], dim=1) @ plane for title, x in stages.items()}
stars = prototypes @ plane

figure, axes = plt.subplots(2, 3, figsize=(12.5, 7.0), layout="constrained", height_ratios=[2.3, 1])
colors = palette(K)
before = None
for title, top, bottom in zip(stages, *axes, strict=True):
    now = view[title]
    for k in range(K):
        mine = labels == k
        if before is not None:  # where each frame came from
            path = torch.stack([before[mine], now[mine]])  # (2, n, 2)
            top.plot(*path.permute(2, 0, 1), color=colors[k], alpha=0.5, linewidth=1.0)
        top.scatter(*now[mine].T, s=14, color=colors[k], label=f"frame of action {k}")
        top.scatter(*stars[k], s=280, marker="*", color=colors[k], edgecolor="black", zorder=3)
    top.set(title=title, aspect="equal", xlim=(-0.85, 0.85), ylim=(-0.8, 0.9), xticks=[], yticks=[])
    text = describe(stages[title], prototypes, labels)
    top.set_xlabel(text)
    plot_cost(otseg.costs.cosine(stages[title], prototypes), ax=bottom)
    bottom.images[0].set_clim(0, 1.5)
    print(f"{title}: " + text.replace("\n", ", "))
    before = now
star = axes[0, 0].scatter([], [], s=160, marker="*", color="white", edgecolor="black")
handles, names = axes[0, 0].get_legend_handles_labels()
figure.legend([*handles, star], [*names, "prototype"], loc="outside lower center", ncols=K + 1, frameon=False)
figure.suptitle("Directions of the embeddings in the plane of the prototypes (above), cosine cost over time (below)")

# %%
# The picture is saved into the folder that the script is given, ``pictures`` if none.
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
folder.mkdir(parents=True, exist_ok=True)
path = folder / "feature_dispatch.png"
figure.savefig(path, dpi=130)
print(f"{path}: above, the three clouds move toward their prototypes (stars) and apart; a thin line shows where a")
print("frame came from. Below, the cost of the own action becomes low (dark), that of the others high.")
