import pytest
import torch

from otseg.metrics import evaluate
from otseg.models import cte
from otseg.models._sequences import relative_time
from otseg.models.cte import _time_embedding


def walk(generator, lengths=(60, 45)):
    """Three actions in order, plain in the features."""
    truth = [torch.tensor([0, 1, 2]).repeat_interleave(n // 3) for n in lengths]
    means = 2 * torch.eye(3, 4)
    return [means[y] + 0.1 * torch.randn(len(y), 4, generator=generator) for y in truth], truth


def test_finds_ordered_actions(generator):
    sequences, truth = walk(generator)
    labels = cte(sequences, 3, learning_rate=1e-2, generator=generator)
    assert evaluate(labels, truth).values["mof"] > 0.95
    assert all(x.unique_consecutive().tolist() == [0, 1, 2] for x in labels)


def test_the_embedding_tells_time(generator):
    sequences, _ = walk(generator)
    frames, time = torch.cat(sequences), relative_time(sequences).float()
    embed = _time_embedding(frames, time, 8, 1e-2, 80, 64, generator)
    with torch.no_grad():
        points = embed(frames).sigmoid()
    fit = torch.linalg.lstsq(torch.cat([points, torch.ones(len(points), 1)], 1), time[:, None]).solution
    left = torch.cat([points, torch.ones(len(points), 1)], 1) @ fit - time[:, None]
    # Within an action nothing tells the time, so the best is the variance inside of thirds: 1/9 of the whole.
    assert left.square().mean() < 0.15 * time.var()
    assert embed[2].out_features == 8
    assert embed[0].out_features == 16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_embedding": 0}, "`n_embedding` must be an integer >= 1"),
        ({"epochs": 0}, "`epochs` must be an integer >= 1"),
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1"),
        ({"learning_rate": 0.0}, "`learning_rate` must be a number > 0"),
        ({"floor": 0.0}, "`floor` must be a number > 0"),
    ],
)
def test_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        cte([torch.zeros(4, 2)], 2, **settings)
