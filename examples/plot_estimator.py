"""A sensor log divided into its activities
===========================================

Without a label, in three lines. A synthetic log, as of a phone: three recordings, six channels, four activities that
recur in any order. Needs the extras ``train`` and ``plots``.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt

import otseg
from otseg.data import make_activity

RATE = 10.0  # frames per second
NAMES = ["sit", "walk", "climb", "run"]


# %%
# Arrays of frames and channels, as recordings come; the truth is used to draw and score alone.
log = make_activity(
    3,
    len(NAMES),
    6,
    n_frames=(600, 900),
    order_variation=1.0,
    repeat_probability=0.8,
    difficulty=0.3,
    video_offset=0.0,
    generator=torch.Generator().manual_seed(4),
)
recordings = [sequence.features.numpy() for sequence in log]
truth = [sequence.labels.numpy() for sequence in log]

# %%
# Three lines.
begin = time.perf_counter()
segmenter = otseg.OTSegmenter(n_actions=4, random_state=0, model_options={"order": 0.0})
labels = segmenter.fit_predict(recordings)
seconds = time.perf_counter() - begin

# %%
# Activities have numbers, not names; to compare them with the truth, they are matched with it.
matched = otseg.metrics.match(labels, truth, 4).apply(labels)
print(f"{'recording':>9} {'start':>8} {'stop':>8}  activity")
for i, row in enumerate(matched):
    for start, stop, action in otseg.decode.segments(torch.as_tensor(row)):
        print(f"{i:>9} {start / RATE:>6.1f} s {stop / RATE:>6.1f} s  {NAMES[action]}")

# %%
# Every recording twice, the truth above what was found: the colors agree almost everywhere.
figure, (top, bottom) = plt.subplots(2, 1, figsize=(11, 6), layout="constrained", height_ratios=(1, 1.4))
seconds_of = np.arange(len(recordings[0])) / RATE
for channel in range(6):
    top.plot(seconds_of, recordings[0][:, channel] - 8 * channel, color="0.3", linewidth=0.7)
top.set(title="recording 0: six channels", yticks=[], xlim=(0, seconds_of[-1]), xlabel="time (s)")
names = [f"recording {i}" for i in range(len(log))]
otseg.plots.plot_segments(matched, truth, ax=bottom, names=names, class_names=NAMES, frame_rate=RATE)
score = segmenter.score(recordings, truth)
bottom.set_title(f"truth above, OTSegmenter below: {score:.0%} of the frames agree, after {seconds:.0f} s")

# %%
# The picture is saved into the folder that the script is given, ``pictures`` if none.
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
folder.mkdir(parents=True, exist_ok=True)
path = folder / "estimator.png"
figure.savefig(path, dpi=110)
print(f"{path}: every recording twice, the truth above what was found; the colors should agree almost everywhere.")
