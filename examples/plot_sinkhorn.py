"""How firmly actions share the frames
======================================

One noisy cost under exact, penalized and free action marginals; and prototypes that are learned by gradient descent
through the plan (``grad="implicit"``), so that a few labeled frames come out right. Needs the extra ``plots``.
"""

import sys
from pathlib import Path

import torch
from matplotlib import pyplot

import otseg
from otseg.plots import plot_cost, plot_plan

DURATIONS = [60, 20, 90, 30]
EPSILON = 0.1


def sequence(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of one sequence, its labels, and the true prototypes."""
    labels = torch.arange(len(DURATIONS)).repeat_interleave(torch.tensor(DURATIONS))
    prototypes = torch.randn(len(DURATIONS), 16, generator=generator)
    features = prototypes[labels] + 1.2 * torch.randn(len(labels), 16, generator=generator)
    return features[None], labels, prototypes


def learn(features: torch.Tensor, labels: torch.Tensor, generator: torch.Generator) -> tuple[list[float], torch.Tensor]:
    """Accuracy over all frames while prototypes are fitted to every tenth label, through the plan."""
    prototypes = torch.randn(len(DURATIONS), 16, generator=generator).requires_grad_()
    optimizer = torch.optim.Adam([prototypes], lr=0.05)
    known = torch.arange(0, len(labels), 10)
    accuracy = []
    for _ in range(80):
        result = otseg.sinkhorn(otseg.costs.cosine(features, prototypes), epsilon=EPSILON, rho_b=0.1, grad="implicit")
        posterior = result.plan[0, known] / result.marginal_a[0, known, None]
        loss = -posterior.gather(1, labels[known, None]).clamp(min=1e-6).log().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        accuracy.append(float((result.labels()[0] == labels).float().mean()))
    return accuracy, result.plan.detach()


# %%
# A sequence of four actions that last 60, 20, 90 and 30 frames, under :func:`otseg.sinkhorn` with three values of
# ``rho_b``. Exact action marginals give every action a quarter, and so cut long actions short; a penalty lets them be.
# Below, gradients of the plan are good enough to learn the prototypes that make it.
generator = torch.Generator().manual_seed(1)
features, labels, prototypes = sequence(generator)
cost = otseg.costs.cosine(features, prototypes)
figure, axes = pyplot.subplots(3, 2, figsize=(13, 8), layout="constrained")
plot_cost(cost, ax=axes[0, 0]).set_title("Cost: four actions of 60, 20, 90 and 30 frames")
panels = {"exact: every action gets a quarter": torch.inf, "penalized, rho_b = 0.1": 0.1, "free, rho_b = 0": 0.0}
for ax, (title, rho) in zip((axes[0, 1], axes[1, 0], axes[1, 1]), panels.items(), strict=True):
    result = otseg.sinkhorn(cost, epsilon=EPSILON, rho_b=rho)
    shares = ", ".join(f"{200 * share:.0f}" for share in result.marginal_b[0])
    plot_plan(result, ax=ax, target=labels, boundaries=False)
    ax.set_title(f"Action marginal {title}\nframes per action: {shares}", pad=12)
accuracy, plan = learn(features, labels, generator)
axes[2, 0].plot([100 * a for a in accuracy], color="black")
axes[2, 0].set(xlabel="step of gradient descent", ylabel="frames right (%)", ylim=(0, 101))
axes[2, 0].set_title("Prototypes learned through the plan from every tenth label")
plot_plan(plan, ax=axes[2, 1], target=labels, boundaries=False)
axes[2, 1].set_title("Plan of the learned prototypes", pad=12)

# %%
# The picture is saved into the folder that the script is given, ``pictures`` if none.
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
folder.mkdir(parents=True, exist_ok=True)
path = folder / "sinkhorn.png"
figure.savefig(path, dpi=130)
print(f"{path}: exact action marginals cut long actions short; a penalty lets them be; and gradients of the plan")
print("are good enough to learn the prototypes that make it.")
