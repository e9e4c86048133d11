import math

import pytest

from otseg.models import ASOTConfig
from otseg.train import TrainConfig, read_config
from otseg.train.config import from_mapping


def write(tmp_path, text):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return path


def test_reads_both_tables(tmp_path):
    path = write(
        tmp_path,
        "[model]\nn_actions = 4\nlayers = [16, 8]\nrho_b = inf\nepsilon = 1\n"
        "[train]\nepochs = 3\nstandardize = false\n",
    )
    model, train = read_config(path, ASOTConfig)
    assert model == ASOTConfig(n_actions=4, layers=(16, 8), rho_b=math.inf, epsilon=1)
    assert train == TrainConfig(epochs=3, standardize=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nepoch = 3\n", r"`n_actions` must be given for ASOTConfig"),
        ("[model]\nn_actions = 3\n[train]\nepoch = 3\n", r"`epoch` must be a field of TrainConfig.*Known: \['epochs'"),
        ("[model]\nn_actions = 3\nalfa = 0.3\n", r"`alfa` must be a field of ASOTConfig.*'alpha'"),
        ("[model]\nn_actions = 'many'\n", "`n_actions` must be an integer; got 'many'"),
        ("[model]\nn_actions = 3\nalpha = 2\n", "`alpha` must be a number >= 0 and <= 1; got 2"),
        ("[model]\nn_actions = 3\n[optimizer]\n", "unknown table or key 'optimizer'"),
        ("[model\n", "not a TOML file"),
    ],
)
def test_refuses_with_the_file_and_the_key(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        read_config(write(tmp_path, text), ASOTConfig)
    assert "settings.toml" in str(error.value)


def test_names_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.toml: there is no such file"):
        read_config(tmp_path / "none.toml", ASOTConfig)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "`epochs` must be an integer >= 1"),
        ({"batch_size": 2.0}, TypeError, "`batch_size` must be an integer"),
        ({"learning_rate": 0.0}, ValueError, "`learning_rate` must be a number > 0"),
        ({"seed": -1}, ValueError, "`seed` must be an integer >= 0"),
        ({"standardize": "yes"}, TypeError, "`standardize` must be true or false"),
    ],
)
def test_train_config_refuses(values, error, message):
    with pytest.raises(error, match=message):
        from_mapping(TrainConfig, values)
