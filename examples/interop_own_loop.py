"""otseg in a training loop of your own: your data, your encoder, your optimizer; otseg solves and scores.

    python examples/interop_own_loop.py

The recordings are NumPy arrays of three channels, as of an accelerometer: four movements, each a frequency and a
direction. A small convolutional network embeds the frames. Every step asks otseg for two things:

1. pseudo-labels: the plan between frames and prototypes that ``gromov_ot`` finds, without a gradient, is the target of
   a cross-entropy;
2. a loss that is a transport problem: the value of ``sinkhorn`` with a soft share for every movement, differentiated
   through the solver, pulls the frames of a batch toward the prototypes.

Nothing else of otseg takes part: no model, no trainer, no data set. Labels are used for the score alone.
"""

import time

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import nn
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

import otseg
from otseg.costs import cosine
from otseg.nn import pseudo_label_cross_entropy

N_ACTIONS = 4
TEMPERATURE = 0.1


def make_recordings(n: int, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Your data: signals ``(n_frames, 3)`` and the movement of every frame."""
    frequencies = np.array([0.02, 0.06, 0.12, 0.25])  # cycles per frame
    directions = np.array([[1.0, 0.2, 0.2], [0.2, 1.0, 0.2], [0.2, 0.2, 1.0], [0.7, 0.7, 0.1]])
    signals, labels = [], []
    for _ in range(n):
        order = np.concatenate([rng.permutation(N_ACTIONS) for _ in range(2)])
        label = np.repeat(order, rng.integers(40, 90, size=len(order)))
        phase = 2 * np.pi * np.cumsum(frequencies[label])
        signal = np.sin(phase)[:, None] * directions[label]
        signals.append((signal + 0.3 * rng.standard_normal(signal.shape)).astype(np.float32))
        labels.append(label)
    return signals, labels


class Encoder(nn.Module):
    """Your encoder: the energy of learned filters, averaged over half a second of frames."""

    def __init__(self, n_channels: int, size: int) -> None:
        super().__init__()
        self.filters = nn.Conv1d(n_channels, 48, kernel_size=25, padding=12)
        self.head = nn.Sequential(nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, size))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Signals ``(B, N, C)`` to embeddings ``(B, N, size)``."""
        energy = self.filters(signal.transpose(1, 2)).square()
        smooth = nn.functional.avg_pool1d(energy, 25, stride=1, padding=12, count_include_pad=False)
        return self.head(torch.log1p(smooth).transpose(1, 2))


def collate(signals: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """A padded batch, and the mask that otseg wants beside it: True on real frames."""
    lengths = torch.tensor([len(x) for x in signals])
    features = pad_sequence(signals, batch_first=True)
    return features, torch.arange(features.shape[1]) < lengths[:, None]


def segment(encoder: Encoder, prototypes: torch.Tensor, signals: list[np.ndarray]) -> list[np.ndarray]:
    """The movement of every frame: the plan again, over all frames."""
    found = []
    with torch.no_grad():
        for signal in signals:
            cost = cosine(encoder(torch.from_numpy(signal)[None]), prototypes)
            plan = otseg.gromov_ot(cost, epsilon=0.05, alpha=0.6, radius=0.04, rho_b=0.1, grad="none")
            found.append(plan.labels()[0].numpy())
    return found


def main() -> None:
    begin = time.perf_counter()
    torch.manual_seed(0)
    signals, labels = make_recordings(12, np.random.default_rng(0))
    loader = torch.utils.data.DataLoader(
        [torch.from_numpy(x) for x in signals], batch_size=4, shuffle=True, collate_fn=collate
    )
    encoder = Encoder(3, 16)
    with torch.no_grad():
        frames = torch.cat([encoder(torch.from_numpy(x)[None])[0] for x in signals])
    centers = KMeans(N_ACTIONS, n_init=5, random_state=0).fit(normalize(frames, dim=1).numpy()).cluster_centers_
    prototypes = nn.Parameter(torch.from_numpy(centers))
    optimizer = torch.optim.AdamW([*encoder.parameters(), prototypes], lr=3e-3)

    before = otseg.metrics.evaluate(segment(encoder, prototypes, signals), labels)
    for epoch in range(12):
        sums = torch.zeros(2)
        for features, mask in loader:
            cost = cosine(encoder(features), prototypes)  # (B, N, K), differentiable
            target = otseg.gromov_ot(
                cost.detach(), epsilon=0.07, alpha=0.3, radius=0.04, rho_b=0.1, mask=mask, grad="none"
            ).plan
            frames = pseudo_label_cross_entropy(-cost / TEMPERATURE, target, mask)
            transport = otseg.sinkhorn(cost, epsilon=0.1, rho_b=0.5, mask=mask, grad="envelope").value.mean()
            optimizer.zero_grad()
            (frames + transport).backward()
            optimizer.step()
            sums += torch.stack([frames, transport]).detach()
        if epoch % 3 == 2:
            frames, transport = (sums / len(loader)).tolist()
            print(f"epoch {epoch + 1:>2}: cross-entropy {frames:.3f}, transport {transport:.3f}")
    after = otseg.metrics.evaluate(segment(encoder, prototypes, signals), labels)

    print(f"\n{'':>10} {'MoF':>6} {'F1@50':>6} {'edit':>6}")
    for name, found in (("untrained", before), ("trained", after)):
        values = found.values
        print(f"{name:>10} {values['mof']:>6.1%} {values['f1_50']:>6.1%} {values['edit']:>6.1%}")
    print(f"\n{time.perf_counter() - begin:.0f} s. Untrained: random filters, prototypes by k-means of what they see.")
    print("Both losses fall, and most frames end with the others of their movement, though no label was looked at.")
    assert after.mof > before.mof
    assert after.mof > 0.6


if __name__ == "__main__":
    main()
