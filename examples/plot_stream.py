"""A sequence that comes bit by bit
===================================

Labels of streams that see 0, 20 or 60 frames ahead, beside those of the whole sequence: the more frames a stream sees
ahead, the fewer labels differ, and the later they come. :class:`otseg.streaming.Stream` says how. Needs the extra
``plots``.
"""

import sys
from pathlib import Path

import torch
from matplotlib import pyplot

import otseg
from otseg.plots import palette, plot_segments
from otseg.streaming import Stream, StreamProblem

NAMES = ["walk", "sit", "stand", "climb"]
SETTINGS = {"epsilon": 0.05, "alpha": 0.5, "radius": 20, "rho_b": 0.05}
LOOKAHEADS, BLOCK = (0, 20, 60), 10

# %%
# Noisy frames of twelve segments of unequal length, and the prototypes of their actions.
generator = torch.Generator().manual_seed(4)
actions = torch.tensor([0, 1, 0, 2, 3, 0, 2, 1, 0, 3, 2, 0])
durations = torch.randint(40, 160, actions.shape, generator=generator)
labels = actions.repeat_interleave(durations)
prototypes = torch.randn(len(NAMES), 12, generator=generator)
frames = prototypes[labels] + 2.2 * torch.randn(len(labels), 12, generator=generator)


def cost(x: torch.Tensor) -> torch.Tensor:
    """Cosine cost of frames and the prototypes."""
    return otseg.costs.cosine(x, prototypes)


# %%
# The whole sequence at once, and as a stream in blocks of ten frames. The delay of a frame is how many frames had come
# after it when its label was decided.
whole = otseg.gromov_ot(cost(frames[None]), **SETTINGS).labels()[0]
ribbons, delays = {"truth": labels, "whole sequence": whole}, {}
for lookahead in LOOKAHEADS:
    stream = Stream(StreamProblem(cost, **SETTINGS), window=lookahead + 60, lookahead=lookahead)
    parts, delay, seen = [], [], 0
    for block in torch.split(frames, BLOCK):
        seen += len(block)
        parts.append(stream.push(block))
        delay += [seen - 1 - n for n in range(parts[-1].start, parts[-1].start + len(parts[-1].labels))]
    parts.append(stream.finish())
    delay += [seen - 1 - n for n in range(parts[-1].start, seen)]
    name = f"stream, lookahead {lookahead}"
    ribbons[name] = torch.cat([part.labels for part in parts])
    delays[name] = delay

# %%
# Labels on top, then the frames that a stream labels differently from the whole sequence, then the delays.
layout = {"height_ratios": [3, 1.2, 1.5]}
figure, axes = pyplot.subplots(3, 1, figsize=(12, 7.5), sharex=True, layout="constrained", gridspec_kw=layout)
plot_segments(list(ribbons.values()), names=list(ribbons), class_names=NAMES, ax=axes[0])
axes[0].set(title="A stream decides with a bounded delay, and hardly differs from the whole sequence", xlabel="")
colors = palette(len(delays))
for i, (name, color) in enumerate(zip(delays, colors, strict=True)):
    different = (ribbons[name] != whole).nonzero().flatten()
    axes[1].vlines(different, i - 0.4, i + 0.4, color=color)
    share = 100 * (1 - len(different) / len(labels))
    axes[1].text(1.01, i, f"{share:.1f} % the same", transform=axes[1].get_yaxis_transform(), va="center")
    axes[2].plot(delays[name], color=color, label=name, linewidth=1)
axes[1].set(yticks=range(len(delays)), yticklabels=list(delays), ylim=(len(delays) - 0.5, -0.5))
axes[1].set_title("Frames whose label differs from that of the whole sequence", fontsize="medium")
axes[2].set(xlabel="frame", ylabel="delay in frames")
axes[2].set_title("Frames that had come after a frame when it was decided", fontsize="medium")
axes[2].legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))

# %%
# The picture is saved into the folder that the script is given, ``pictures`` if none.
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
folder.mkdir(parents=True, exist_ok=True)
path = folder / "stream.png"
figure.savefig(path, dpi=130)
print(f"{path}: the more frames a stream sees ahead, the fewer labels differ, and the later they come.")
