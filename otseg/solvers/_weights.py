"""Weights of the sequences of a batch."""

from torch import Tensor

from otseg import checks


def normalized(weights: Tensor | None, batch: Tensor) -> Tensor:
    """Checked weights of sum 1, ``(B,)``, of the dtype and on the device of the batch; equal if ``None``."""
    size = len(batch)
    if weights is None:
        return batch.new_full((size,), 1 / max(size, 1))
    checks.tensor("weights", weights, "B")
    checks.shape("weights", weights, (size,), "(B,)")
    checks.require(weights.device == batch.device, "weights", f"on {batch.device}", checks.describe(weights))
    if checks.readable(weights):
        fine = bool((weights >= 0).all()) and 0 < float(weights.detach().sum()) < float("inf")
        checks.require(fine, "weights", "at least 0, finite and not all 0", weights.tolist() if not fine else "")
    weights = weights.to(batch)
    return weights / weights.sum()
