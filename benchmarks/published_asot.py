"""The published ASOT iteration, written from its formulas as a baseline for speed.

As in the released code: the band is a convolution of ``2 N radius + 1`` taps per action, the actions' structure a dense
matrix product, the plan lives in the linear domain, and the objective is evaluated in every iteration with a
convolution of its own. Frames are exact, actions relaxed.
"""

import torch
from torch import Tensor


def published_asot(cost: Tensor, *, epsilon: float, alpha: float, radius: float, rho_b: float, max_iter: int) -> Tensor:
    batch, frames, actions = cost.shape
    reach = int(frames * radius)
    kernel = cost.new_full((1, 1, 2 * reach + 1), 1 / radius)
    kernel[..., reach] = 0
    different = 1 - torch.eye(actions, dtype=cost.dtype, device=cost.device)
    a, b = 1 / frames, 1 / actions
    plan = torch.full_like(cost, a * b)

    def structure(plan: Tensor) -> Tensor:  # C^v T C^a
        signal = plan.transpose(1, 2).reshape(batch * actions, 1, frames)
        window = torch.nn.functional.conv1d(signal, kernel, padding=reach)
        return window.reshape(batch, actions, frames).transpose(1, 2) @ different

    def objective(plan: Tensor) -> Tensor:
        column = plan.sum(dim=1)
        linear = (plan * (alpha * structure(plan) / 2 + (1 - alpha) * cost)).sum(dim=(1, 2))
        entropy = (plan * (plan + 1e-12).log()).sum(dim=(1, 2))
        return linear + epsilon * entropy + rho_b * (column * (column / b + 1e-12).log()).sum(dim=1)

    step = None
    for _ in range(max_iter):
        column = plan.sum(dim=1, keepdim=True)
        gradient = alpha * structure(plan) + (1 - alpha) * cost + epsilon * (plan + 1e-12).log()
        gradient = gradient + rho_b * ((column / b + 1e-12).log() + 1)
        if step is None:
            step = 4 / gradient.max().item()
        plan = plan * (-step * gradient).exp()
        plan = plan * (a / plan.sum(dim=2, keepdim=True))
        objective(plan)
    return plan
