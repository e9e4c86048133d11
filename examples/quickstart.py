"""# otseg: the quick start

Temporal segmentation by optimal transport: every frame of a sequence is assigned to an action, without labels.
This is `examples/quickstart.ipynb`, made from `examples/quickstart.py`, which runs as a script, too; it takes half a
minute on one core and downloads nothing. Needs the extras `train` and `plots`: `pip install 'otseg[train,plots]'`.
"""

# %% [markdown]
# ## The whole library in one example
#
# Eight recordings of one activity, drawn by a generator: four actions, roughly in the same order, now and then swapped
# or repeated. Two of them go into one batch, with a `mask` that is true on real frames. For now the prototypes, one for
# every action, are known: the means of the true frames.

# %%
import torch
from matplotlib import pyplot as plt

import otseg
from otseg.data import collate, make_activity
from otseg.models import CLOT, CLOTConfig, uniform_split
from otseg.priors import LinearOrder, TemporalSmoothness
from otseg.solvers import mirror_descent
from otseg.train import TrainConfig, evaluate_model, fit_restarts

generator = torch.Generator().manual_seed(1)
varied = {"order_variation": 0.4, "repeat_probability": 0.2}
activity = make_activity(8, 4, 16, n_frames=(150, 240), difficulty=0.3, **varied, generator=generator)
batch = collate([activity[0], activity[1]])
prototypes = torch.stack([batch.features[batch.labels == k].mean(dim=0) for k in range(4)])
batch.features.shape, batch.mask.sum(dim=1)

# %% [markdown]
# A cost says how badly a frame fits an action. A prior is an energy of the plan: here, neighboring frames like to share
# an action, and the actions like to come in order. A solver finds the plan.

# %%
cost = otseg.costs.cosine(batch.features, prototypes)
priors = [TemporalSmoothness(weight=0.3, radius=0.04), LinearOrder(weight=0.1)]
problem = {"epsilon": 0.07, "rho_b": 0.05, "mask": batch.mask}
result = otseg.solve(cost, priors=priors, solver=mirror_descent, max_iter=1000, tol=1e-4, **problem)
alone = otseg.solve(cost, **problem)  # the same without priors, by Sinkhorn

figure, axes = plt.subplots(3, 1, figsize=(9, 6), layout="constrained")
otseg.plots.plot_cost(result, ax=axes[0])
otseg.plots.plot_plan(alone, ax=axes[1])
otseg.plots.plot_plan(result, ax=axes[2])
for ax, title in zip(axes, ["cost", "plan without priors: it flickers", "plan with priors"], strict=True):
    ax.set_title(title)

# %% [markdown]
# A result holds the plan, its labels (-1 on padding), the value of the objective, both marginals, and says of every
# sequence whether the solver converged.

# %%
print("objective", result.value.tolist())
print("converged", result.converged.tolist(), "after", result.n_iter.tolist(), "iterations")
print("share of every action", result.marginal_b[0].tolist())
for name, found in (("without priors", alone), ("with priors", result)):
    print(f"{name}: {(found.labels() == batch.labels)[batch.mask].float().mean():.1%} of the frames are right")

# %% [markdown]
# ## Gradients
#
# Every solver is differentiable, in everything: here, how the share of action 0 in the first quarter of the sequence
# depends on the entropy and on every entry of the cost.

# %%
epsilon = torch.tensor(0.07, requires_grad=True)
free = cost.detach().requires_grad_()
plan = otseg.sinkhorn(free, epsilon=epsilon, rho_b=0.05, mask=batch.mask).plan
share = plan[0, : len(activity[0].features) // 4, 0].sum()
share.backward()
print(f"share {share:.3f}, its slope in epsilon {epsilon.grad:.3f}, in the cost {tuple(free.grad.shape)}")

# %% [markdown]
# ## Without prototypes: the estimator
#
# In three lines, in the manner of scikit-learn: a list of arrays in, a list of labels out. It trains an encoder and the
# prototypes from transport plans. Actions have numbers, not names: to compare with the truth, they are matched with it.

# %%
recordings = [sequence.features.numpy() for sequence in activity]
truth = [sequence.labels.numpy() for sequence in activity]

segmenter = otseg.OTSegmenter(n_actions=4, epochs=8, random_state=0)
labels = segmenter.fit_predict(recordings)

matched = otseg.metrics.match(labels, truth, 4).apply(labels)
figure, ax = plt.subplots(figsize=(9, 4), layout="constrained")
otseg.plots.plot_segments(matched, truth, ax=ax)
_ = ax.set_title(f"truth above, OTSegmenter below: {segmenter.score(recordings, truth):.0%} of the frames agree")

# %% [markdown]
# ## Train a model, and evaluate it
#
# The same in the words of the library: a model, its training, the metrics with their protocol. CLOT here; `ASOT`, `TOT`
# and `DCLOT` go the same way. Of three starts that with the lowest training loss is kept. Labels are used for scores
# alone.

# %%
config = TrainConfig(epochs=10)


def build():
    return CLOT(CLOTConfig(n_actions=4, n_features=activity.n_features, layers=(64, 32), n_projections=20))


best = fit_restarts(build, activity, activity, n_restarts=3, config=config, enable_progress_bar=False)
model = best.model

evaluation, labels = evaluate_model(model, activity, config=config)
uniform = otseg.metrics.evaluate([uniform_split(len(y), 4) for y in truth], truth)
print(evaluation.table())
print(f"\nMoF {evaluation.mof:.1%}; cutting every recording in four equal parts has {uniform.mof:.1%}")

# %%
history = best.trainer.lightning_module.history
figure, axes = plt.subplots(2, 1, figsize=(9, 7), layout="constrained", height_ratios=(1, 1.6))
otseg.plots.plot_curves({name: history[name] for name in ("train/loss", "val/mof")}, ax=axes[0])
otseg.plots.plot_segments(otseg.metrics.match(labels, truth, 4).apply(labels), truth, ax=axes[1])
_ = axes[1].set_title(f"truth above, CLOT below: MoF {evaluation.mof:.0%}")

# %% [markdown]
# ## Go on
#
# - Your own recordings: `otseg train my_recordings --model clot --n-actions auto`, see `docs/command_line.md`.
# - Your own training loop, Lightning, Hugging Face, POT and geomloss: `examples/interop_*.py`.
# - Which gradient, which convention, which metric: `docs/`.
