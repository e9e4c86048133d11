import pytest
import torch

from otseg.data import Sequence, SequenceDataset
from otseg.models import ASOT, METHODS, ASOTConfig, Method
from otseg.train import TrainConfig, make_settings


def data(n_features=64, n_labels=4):
    labels = torch.arange(12) % n_labels
    return SequenceDataset([Sequence(torch.ones(12, n_features), labels, name="a")])


def test_later_settings_replace_earlier_ones(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[model]\nalpha = 0.2\nepsilon = 0.05\n[train]\nepochs = 7\n")
    overrides = ["model.epsilon=0.06", "train.learning_rate=1e-2", "model.protocol=published", "model.layers=[16, 8]"]
    settings = make_settings("asot", "50salads-eval", file=path, overrides=overrides)
    model, train = settings.configs(data())
    expected = ASOTConfig(
        n_actions=4,
        order=0.15,
        alpha=0.2,
        alpha_eval=0.6,
        rho_b=0.11,
        epsilon=0.06,
        protocol="published",
        layers=(16, 8),
    )
    assert model == expected
    assert train == TrainConfig(epochs=7, standardize=False, learning_rate=1e-2)
    assert not settings.published
    assert str(path) in settings.source
    assert "model.epsilon=0.06" in settings.source
    assert make_settings("asot", "50salads-eval").published


def test_numbers_of_the_data_unless_they_are_set():
    assert make_settings("clot").configs(data(9, 3))[0].n_features == 9
    assert make_settings("clot").configs(data(9, 3))[0].n_actions == 3
    assert make_settings("clot", overrides=["model.n_actions=5"]).configs(data(9, 3))[0].n_actions == 5
    with pytest.raises(ValueError, match="`n_features` must be 9, as in the data; got 64"):
        make_settings("clot", "breakfast").configs(data(9, 3))


def test_a_method_of_ones_own():
    method = Method("Mine", ASOT)
    assert make_settings(method, overrides=["train.epochs=2"]).configs(data())[1].epochs == 2
    assert METHODS["asot"].title == "ASOT"


@pytest.mark.parametrize("text", ["epochs=3", "train.epochs", "optimizer.lr=1", "train.=3", "model.a b=3"])
def test_overrides_of_another_form_are_refused(text):
    with pytest.raises(ValueError, match=r"`overrides` must be model\.<field>=<value>"):
        make_settings("asot", overrides=[text])


def test_names_the_choices():
    with pytest.raises(ValueError, match="`method` must be one of 'asot', 'clot'"):
        make_settings("hmm")
    with pytest.raises(ValueError, match="`benchmark` must be one of 'breakfast'"):
        make_settings("asot", "imagenet")
    with pytest.raises(TypeError, match="`alpha` must be a number"):
        make_settings("asot", overrides=["model.alpha=high"]).configs(data())


def test_a_number_of_actions_that_is_estimated(generator):
    """Four actions far apart, found without the labels, which say two."""
    centers = 10 * torch.eye(4, 6)
    frames = [centers.repeat_interleave(25, dim=0) + torch.randn(100, 6, generator=generator) for _ in range(4)]
    labels = torch.arange(100) // 50
    found = SequenceDataset([Sequence(x, labels, name=str(i)) for i, x in enumerate(frames)])
    settings = make_settings("asot", overrides=["model.n_actions=auto"])
    assert settings.configs(found)[0].n_actions == 4
    assert settings.configs(found) == settings.configs(found)
