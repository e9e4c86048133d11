"""Prototypes from plans, and the mean of histograms
====================================================

Barycenters in transport. Six sequences pass through four actions; prototypes that start at random frames move to the
means of the frames that their plans give them, for all sequences at once. Then four people do the same action at their
own pace: the barycenter of their distributions over time is one distribution at the mean time, where the plain mean is
a smear. Needs the extra ``plots``.
"""

import sys
from functools import partial
from pathlib import Path

import torch
from matplotlib import pyplot as plt

import otseg
from otseg.plots import palette
from otseg.solvers import fixed_support_barycenter, free_support_barycenter, sinkhorn

B, N, K = 6, 80, 4


def sequences(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Padded frames ``(B, N, 2)`` of different numbers, the mask, and the true actions."""
    centers = torch.tensor([[0.0, 0.0], [3.0, 1.0], [1.0, 3.5], [4.5, 4.5]])
    lengths = torch.randint(N // 2, N + 1, (B, 1), generator=generator)
    frame = torch.arange(N)
    labels = (frame * K // lengths).clamp(max=K - 1)
    noise = 0.55 * torch.randn(B, N, 2, generator=generator) + 0.3 * torch.randn(B, 1, 2, generator=generator)
    return centers[labels] + noise, frame < lengths, labels


def durations(time: torch.Tensor) -> torch.Tensor:
    """Four distributions over time, ``(4, T)``."""
    peaks = torch.tensor([[0.16, 0.04], [0.30, 0.07], [0.52, 0.05], [0.78, 0.08]])
    density = torch.exp(-0.5 * ((time - peaks[:, :1]) / peaks[:, 1:]) ** 2)
    return density / density.sum(dim=1, keepdim=True)


# %%
# :func:`otseg.solvers.free_support_barycenter` alternates plans and means.
features, mask, labels = sequences(torch.Generator().manual_seed(0))
run = partial(
    free_support_barycenter, features, cost=partial(otseg.costs.euclidean, squared=True), epsilon=0.5, rho_b=2.0,
    mask=mask, solver=partial(sinkhorn, tol=1e-6), tol=1e-3,
)  # fmt: skip
start = run(K, max_iter=0, generator=torch.Generator().manual_seed(1)).support
found = run(start)
steps = torch.stack([run(start, max_iter=i).support for i in range(found.n_iter + 1)])  # (steps, K, 2)
# %%
# :func:`otseg.solvers.fixed_support_barycenter` makes one distribution over time out of four.
time = torch.linspace(0, 1, 100)
histograms = durations(time)
mean = fixed_support_barycenter(histograms, (time[:, None] - time) ** 2, epsilon=5e-4, max_iter=5000)

# %%
# Left, each prototype ends in the middle of one cloud; middle, the objective falls at every iteration; right, the
# barycenter has one peak, about as wide as a person's, at the mean of the four times.
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.8), layout="constrained")
colors = palette(K)
for k in range(K):
    left.scatter(*features[mask & (labels == k)].T, s=7, alpha=0.4, color=colors[k], label=f"frame of action {k}")
for k in range(K):
    left.plot(*steps[:, k].T, color="black", marker=".", linewidth=1.2, label="path" if k == 0 else None)
    left.scatter(*start[k], s=50, marker="s", color="white", edgecolor="black", zorder=3)
    left.scatter(*found.support[k], s=220, marker="*", color="white", edgecolor="black", zorder=4)
left.set(title="Prototypes from plans: start (square), end (star)", xlabel="feature 1", ylabel="feature 2")
left.legend(fontsize=8, loc="upper left")
middle.plot(found.objective, marker="o", color=colors[0])
middle.set(title="The objective never rises", xlabel="iteration", ylabel="mean objective of the sequences")

for i, histogram in enumerate(histograms):
    right.plot(time, histogram, color="gray", linewidth=1, label="four people" if i == 0 else None)
right.plot(time, histograms.mean(dim=0), color=colors[1], linestyle="--", linewidth=2, label="plain mean")
right.fill_between(time, mean.histogram, color=colors[0], alpha=0.3)
right.plot(time, mean.histogram, color=colors[0], linewidth=2, label="barycenter")
right.set(title="When an action happens", xlabel="time, as a share of the video", ylabel="mass", ylim=(0, None))
right.legend(fontsize=8)

# %%
# The picture is saved into the folder that the script is given, ``pictures`` if none.
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
folder.mkdir(parents=True, exist_ok=True)
path = folder / "barycenter.png"
figure.savefig(path, dpi=130)
print(f"prototypes: converged {found.converged} after {found.n_iter} iterations")
print(f"histograms: converged {bool(mean.converged)} after {mean.n_iter} sweeps")
print(f"{path}: left, each prototype ends in the middle of one cloud; middle, the objective falls; right, one peak.")
