import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from otseg.data import Sequence, SequenceDataset
from otseg.models import ASOT, ASOTConfig
from otseg.train import TrainConfig, fit, fit_restarts
from otseg.train.restarts import best_start

CONFIG = TrainConfig(epochs=2, n_samples=20, seed=5)
QUIET = {"accelerator": "cpu", "enable_progress_bar": False}


def build():
    return ASOT(ASOTConfig(n_actions=2, n_features=3, layers=(4, 4), rho_b_eval=1.0))


@pytest.fixture
def data(generator):
    return SequenceDataset([Sequence(torch.randn(20, 3, generator=generator), name=str(i)) for i in range(3)])


def test_keeps_the_start_of_the_lowest_loss(data, tmp_path):
    found = fit_restarts(build, data, n_restarts=3, config=CONFIG, folder=tmp_path, **QUIET)
    assert list(found.losses) == [5, 1014, 2023]
    assert found.losses[found.seed] == min(found.losses.values())
    assert len(set(found.losses.values())) == 3
    for seed in found.losses:  # every one is the training of fit, with that seed
        assert (tmp_path / f"seed_{seed}" / "checkpoints").is_dir()
        torch.manual_seed(seed)
        model = build()
        history = fit(model, data, config=replace(CONFIG, seed=seed), **QUIET).lightning_module.history
        assert history["train/loss"][2] == found.losses[seed]
        same = all(torch.equal(a, b) for a, b in zip(model.parameters(), found.model.parameters(), strict=True))
        assert same == (seed == found.seed)


def test_labels_take_no_part(data):
    labeled = SequenceDataset(
        [replace(sequence, labels=torch.arange(20) // 10) for sequence in data], class_names=["a", "b"]
    )
    losses = [fit_restarts(build, each, n_restarts=2, config=CONFIG, **QUIET).losses for each in (data, labeled)]
    assert losses[0] == losses[1]


def test_refuses(data):
    with pytest.raises(ValueError, match="`n_restarts` must be an integer >= 1; got 0"):
        fit_restarts(build, data, n_restarts=0)


def test_a_start_that_diverges_loses():
    losses = {0: math.nan, 1009: 3.0, 2018: math.nan, 3027: 2.0, 4036: 2.0}

    def start(seed):
        module = SimpleNamespace(history={"train/loss": {2: losses[seed]}}, config=CONFIG, model=str(seed))
        return SimpleNamespace(lightning_module=module)

    found = best_start(start, 0, 5)
    assert (found.seed, found.model) == (3027, "3027")
    assert list(found.losses) == list(losses)
    assert best_start(start, 0, 1).seed == 0


def test_goes_on_where_it_was(data, tmp_path):
    whole = fit_restarts(build, data, n_restarts=2, config=CONFIG, **QUIET)
    fit_restarts(build, data, n_restarts=1, config=CONFIG, folder=tmp_path, **QUIET)
    before = (tmp_path / "seed_5" / "metrics.csv").stat().st_mtime_ns
    again = fit_restarts(build, data, n_restarts=2, config=CONFIG, folder=tmp_path, resume=True, **QUIET)
    assert (tmp_path / "seed_5" / "metrics.csv").stat().st_mtime_ns == before
    assert (again.seed, again.losses) == (whole.seed, whole.losses)
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), whole.model.parameters(), strict=True))
