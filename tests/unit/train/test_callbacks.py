import pytest
import torch

from otseg.data import Sequence, SequenceDataset
from otseg.metrics import DegenerateSolutionWarning
from otseg.metrics import effective_actions as from_metrics
from otseg.models import ASOT, ASOTConfig
from otseg.train import TrainConfig, fit, segment_dataset
from otseg.train.callbacks import effective_actions


def test_effective_actions_is_where_it_was():
    assert effective_actions is from_metrics


def test_warns_of_a_collapse_once(generator):
    # All frames are alike, nothing orders the actions or evens out their shares: one action takes all.
    frames = torch.ones(40, 3) + 1e-3 * torch.randn(40, 3, generator=generator)
    data = SequenceDataset([Sequence(frames, name=str(i)) for i in range(2)])
    torch.manual_seed(0)
    model = ASOT(ASOTConfig(n_actions=6, n_features=3, layers=(8, 4), order=0.0, rho_b_eval=0.0, rho_b=0.0))
    config = TrainConfig(epochs=1, standardize=False)
    with pytest.warns(DegenerateSolutionWarning, match=r"uses 1\.\d of 6 actions") as found:
        fit(model, data, config=config, enable_progress_bar=False)
    assert len(found) == 1
    with pytest.warns(DegenerateSolutionWarning, match=r"uses 1\.\d of 6 actions .* over 2 sequences") as found:
        segment_dataset(model, data, config=config)
    assert len(found) == 1


def test_tells_the_model_its_epoch(generator):
    frames = torch.randn(3, 20, 3, generator=generator)
    data = SequenceDataset([Sequence(x, name=str(i)) for i, x in enumerate(frames)])
    seen = []

    class Spy(ASOT):
        def loss(self, batch):
            seen.append(self.epoch)
            return super().loss(batch)

    model = Spy(ASOTConfig(n_actions=2, n_features=3, layers=(4,), n_iter=1))
    assert model.epoch == 0
    fit(model, data, config=TrainConfig(epochs=3), enable_progress_bar=False, accelerator="cpu")
    assert seen == [0, 0, 1, 1, 2, 2]
