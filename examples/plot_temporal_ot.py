"""One sequence under every order prior
=======================================

What each prior believes about time, and the plan that comes out: seven segments of six actions; "stir" comes twice, and
"stir" and "pour" look alike. Needs the extra ``plots``.
"""

import sys
from pathlib import Path

import torch
from matplotlib import pyplot

import otseg
from otseg.plots import plot_cost, plot_plan
from otseg.priors import OrderBand, TranscriptOrder

NAMES = ["open", "stir", "heat", "cut", "pour", "serve"]
TRANSCRIPT = [0, 1, 2, 3, 1, 4, 5]
DURATIONS = [34, 46, 28, 52, 24, 40, 36]
SETTINGS = {"epsilon": 0.12, "rho_b": 0.1}


def sequence() -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine cost of noisy frames against the actions' prototypes, and the true labels."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.tensor(TRANSCRIPT).repeat_interleave(torch.tensor(DURATIONS))
    prototypes = torch.randn(len(NAMES), 16, generator=generator)
    prototypes[4] = prototypes[1] + 0.35 * prototypes[4]  # pouring looks like stirring
    noise = torch.randn(len(labels), 16, generator=generator)
    features = prototypes[labels] + 1.5 * noise
    return otseg.costs.cosine(features[None], prototypes), labels


# %%
# Five solutions of the same problem. :func:`otseg.temporal_ot` knows the order on average or roughly,
# :class:`otseg.priors.TranscriptOrder` every place, :class:`otseg.priors.OrderBand` what cannot be.
cost, labels = sequence()
transcript = TranscriptOrder(weight=SETTINGS["epsilon"], order=torch.tensor(TRANSCRIPT), sigma=0.5)
results = {
    "No prior": otseg.sinkhorn(cost, **SETTINGS),
    "Gaussian order (TOT)": otseg.temporal_ot(cost, sigma=0.8, **SETTINGS),
    "Inverse difference moment (OPW)": otseg.temporal_ot(cost, sigma=2.0, moment=1.5, **SETTINGS),
    "Transcript, “stir” twice (UFSA)": otseg.solve(cost, priors=[transcript], **SETTINGS),
    "Band around the diagonal": otseg.solve(cost, priors=[OrderBand(width=0.1)], **SETTINGS),
}
# %%
# Bright: where the mass of every frame goes. Black ticks: true boundaries.
figure, axes = pyplot.subplots(3, 2, figsize=(13, 8.5), layout="constrained", sharex=True)
plot_cost(cost, ax=axes.flat[0], class_names=NAMES).set_title("Cost: noisy frames, “stir” and “pour” look alike")
for ax, (title, result) in zip(axes.flat[1:], results.items(), strict=True):
    right = (result.labels()[0] == labels).float().mean()
    plot_plan(result, ax=ax, class_names=NAMES, target=labels, boundaries=False)
    ax.set_title(f"{title}: {100 * right:.0f} % of frames right", pad=12)
for ax in axes[:2].flat:
    ax.set_xlabel("")

# %%
# The picture is saved into the folder that the script is given, ``pictures`` if none.
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
folder.mkdir(parents=True, exist_ok=True)
path = folder / "temporal_ot.png"
figure.savefig(path, dpi=130)
print(f"{path}: bright, where the mass of every frame goes; black ticks, true boundaries. From left to right and down,")
print("the priors know more: nothing, the order on average, the order roughly, every place, what cannot be.")
