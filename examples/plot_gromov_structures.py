"""One noisy cost under four structures of frames
=================================================

:func:`otseg.gromov_ot` asks frames that a structure relates to share an action. None, a window, a shaped window, and an
affinity of features, on the same cost. Needs the extra ``plots``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import otseg
from otseg.plots import plot_plan, plot_segments
from otseg.priors import FeatureAffinity, ShapedWindow, TemporalWindow

LENGTHS = (60, 12, 48, 70, 10, 50, 50)  # frames of the segments: two of them are shorter than the window reaches
ACTIONS = (0, 1, 2, 3, 0, 4, 2)
N_FEATURES, FEATURE_NOISE, COST_NOISE = 24, 0.7, 0.6
RADIUS, ALPHA = 0.06, 0.75
SHOWN = slice(40, 100)  # frames whose structure is drawn


def recording(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features (1, N, D) that tell actions apart, a cost (1, N, K) that hardly does, and labels (N,)."""
    labels = torch.repeat_interleave(torch.tensor(ACTIONS), torch.tensor(LENGTHS))
    prototypes = torch.nn.functional.normalize(torch.randn(5, N_FEATURES, generator=generator), dim=1)
    noise = torch.randn(len(labels), N_FEATURES, generator=generator) / N_FEATURES**0.5
    features = (prototypes[labels] + FEATURE_NOISE * noise)[None]
    cost = otseg.costs.cosine(features, prototypes)
    return features, cost + COST_NOISE * torch.randn(cost.shape, generator=generator), labels


# %%
# Seven segments of five actions, two of them shorter than the window reaches.
features, cost, labels = recording(torch.Generator().manual_seed(3))
n = len(labels)
mask = torch.ones(1, n, dtype=torch.bool)
structures = {
    "no structure": None,
    "window": TemporalWindow(RADIUS),
    "shaped window": ShapedWindow(RADIUS, lambda t: torch.exp(-4 * t)),
    "feature affinity": FeatureAffinity(features, RADIUS, strength=10.0, bandwidth=0.2),
}
# %%
# A window joins the fragments of the noisy cost and swallows the two short actions at frames 60 and 190; a shape that
# falls with distance, and an affinity that relates frames that look alike, keep both.
figure = plt.figure(figsize=(11, 10.5), layout="constrained")
grid = figure.add_gridspec(len(structures) + 1, 2, width_ratios=(1, 4.2), height_ratios=(1, 1, 1, 1, 1.45))
found = {}
for row, (name, structure) in enumerate(structures.items()):
    if structure is None:
        result = otseg.sinkhorn((1 - ALPHA) * cost, epsilon=0.05, rho_b=0.1, tol=1e-6, grad="none")
    else:
        result = otseg.gromov_ot(
            cost, epsilon=0.05, alpha=ALPHA, structure=structure, rho_b=0.1, max_iter=200, tol=1e-4, grad="none"
        )
    found[name] = result.labels()[0]
    left, right = figure.add_subplot(grid[row, 0]), figure.add_subplot(grid[row, 1])
    left.set_title(name, fontsize="medium", loc="left")
    if structure is None:
        left.text(0.5, 0.5, "frames are\nindependent", ha="center", va="center", transform=left.transAxes)
        left.set(xticks=[], yticks=[], box_aspect=1)
    else:
        matrix = structure.apply(torch.eye(n)[None], mask)[0]
        extent = (SHOWN.start, SHOWN.stop, SHOWN.stop, SHOWN.start)
        left.imshow(matrix[SHOWN, SHOWN].numpy(), cmap="cividis", vmin=0, extent=extent)
        left.set_ylabel("frame")
    plot_plan(result, ax=right, target=labels)
    right.set_title(f"plan{', true boundaries as triangles' if row == 0 else ''}", fontsize="medium", loc="left")
    if row < len(structures) - 1:
        right.set_xlabel("")
    else:
        left.set_xlabel("frame")
ribbons = figure.add_subplot(grid[len(structures), :])
plot_segments([labels, *found.values()], names=["truth", *found], ax=ribbons)

# %%
# The picture is saved into the folder that the script is given, ``pictures`` if none.
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
folder.mkdir(parents=True, exist_ok=True)
path = folder / "gromov_structures.png"
figure.savefig(path, dpi=110)
print(f"{path}: a window joins the fragments of the noisy cost and swallows two short actions; others keep them.")
for name, row in found.items():
    segments = 1 + int((row.diff() != 0).sum())
    right_frames = (row == labels).float().mean()
    print(f"{name:17s} right frames {right_frames:.1%}, {segments} segments ({len(LENGTHS)} true)")
