"""A training run in pictures
=============================

Three seeds of ASOT on synthetic recordings: what they found, where they err, how much seeds differ, and what the plan
of one recording looks like. ``otseg report`` makes a page of the same for any run (:doc:`/howto/report`). Needs the
extras ``train`` and ``plots``.
"""

import sys
import tempfile
from pathlib import Path

import torch
from matplotlib import pyplot

import otseg
from otseg.costs import cosine
from otseg.data import make_activity
from otseg.metrics import match
from otseg.plots import (
    plot_confusion,
    plot_convergence,
    plot_embedding,
    plot_plan,
    plot_priors,
    plot_ribbons,
    plot_spread,
)
from otseg.priors import LinearOrder, TemporalSmoothness
from otseg.solvers import mirror_descent
from otseg.train import load_model, make_settings, run_experiment, segment_dataset
from otseg.train.loaders import model_input

METRICS = {"mof": "MoF", "miou": "mIoU", "f1_50": "F1@50", "edit": "Edit"}

# %%
# Twenty recordings, three seeds; the model of the first seed segments all of them, and its actions are matched with the
# true classes.
generator = torch.Generator().manual_seed(1)
data = make_activity(20, 6, n_features=24, n_frames=(80, 200), difficulty=0.4, generator=generator)
settings = make_settings("asot", overrides=["train.epochs=6", "model.layers=[32, 16]"])
with tempfile.TemporaryDirectory() as runs:
    results = run_experiment(settings, data, folder=runs, seeds=(0, 1, 2), progress=False, accelerator="cpu")
    model, config = load_model(Path(runs) / "all" / "seed_0")
labels = segment_dataset(model, data, config=config)
target = [sequence.labels for sequence in data]
matching = match(labels, target, model.config.n_actions)
matched = matching.apply(labels)

# %%
# The plan of the first recording, and how it was reached: a descent that is stopped after 1, 2, 4, ... iterations.
inputs = model_input(data, config)
parts = [model.embed_frames(sequence.features[None]) for sequence in inputs]
frames, prototypes = torch.cat([part[0][0] for part in parts]), parts[0][1]
cost = cosine(frames[None, : len(target[0])], prototypes).detach()
priors = [TemporalSmoothness(weight=0.3, radius=0.04), LinearOrder(weight=0.2)]
problem = otseg.Problem.make(cost.double(), epsilon=0.07, rho_b=0.1, priors=priors)
solved = [mirror_descent(problem, max_iter=2**i, grad="none") for i in range(9)]

# %%
# Gray: clusters without a class. Diamonds: prototypes, in the color of the class that they were matched with. The plan
# follows the order that its prior favors where the features leave a choice; black ticks are the truth.
figure, axes = pyplot.subplots(3, 2, figsize=(14, 14), layout="constrained")
plot_ribbons(matched, target, ax=axes[0, 0], names=data.names, class_names=data.class_names)
axes[0, 0].set_title("All videos, the worst first", pad=18)
plot_confusion(matched, target, ax=axes[0, 1], class_names=data.class_names)
axes[0, 1].set_title("Where the frames of every class went, in percent")
plot_embedding(
    frames,
    prototypes,
    labels=torch.cat(target),
    prototype_labels=[matching.mappings[""].get(k, -1) for k in range(len(prototypes))],
    ax=axes[1, 0],
    class_names=data.class_names,
)
axes[1, 0].set_title("Frames (true classes) and prototypes")
scores = {METRICS[k]: [100 * x for x in v] for k, v in results.per_seed().items() if k in METRICS}
plot_spread({results.title: scores}, ax=axes[1, 1], ylabel="percent")
axes[1, 1].set_title("Three seeds: every run, mean and standard deviation")
plan = plot_plan(solved[-1], ax=axes[2, 0], boundaries=False, target=target[0])
plot_priors(solved[-1], ax=plan)
axes[2, 0].set_title(f"{data.names[0]}: plan, and what its priors ask for", pad=12)
plot_convergence({"mirror descent": solved}, ax=axes[2, 1])
axes[2, 1].set_title("How far that plan is from stationary")

# %%
# The picture is saved into the folder that the script is given, ``pictures`` if none.
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
folder.mkdir(parents=True, exist_ok=True)
path = folder / "run.png"
figure.savefig(path, dpi=100)
print(f"{path}: segments, confusion, embedding, scores of three seeds, and the plan of one recording.")
