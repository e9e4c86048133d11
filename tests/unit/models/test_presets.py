from pathlib import Path

import pytest

from otseg.data import LAYOUTS
from otseg.models import BENCHMARKS, METHODS, activities_of, model_preset
from otseg.models.config import from_mapping
from otseg.train import TrainConfig, train_preset
from otseg.train.config import read_tables

CONFIGS = Path(__file__).resolve().parents[3] / "examples" / "configs"
ACTIVITY = {"breakfast": "coffee", "yti": "changing_tire"}

# benchmark: epochs, rho, radius, alpha, alpha_eval, lambda, standardized, layers, actions (published settings)
PUBLISHED = {
    "breakfast": (15, 0.20, 0.04, 0.4, 0.7, 0.10, True, (64, 128, 40), 7),
    "yti": (10, 0.15, 0.04, 0.3, 0.6, 0.12, False, (3000, 32, 32), 11),
    "50salads-eval": (30, 0.15, 0.04, 0.3, 0.6, 0.11, False, (64, 128, 40), 12),
    "50salads-mid": (30, 0.15, 0.04, 0.3, 0.6, 0.15, False, (64, 128, 40), 19),
    "desktop-assembly": (30, 0.25, 0.02, 0.3, 0.6, 0.16, False, (512, 128, 40), 22),
}


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_preset_is_what_was_published(benchmark):
    model, train = model_preset("asot", benchmark, ACTIVITY.get(benchmark, "")), train_preset("asot", benchmark)
    found = (train.epochs, model.order, model.radius, model.alpha, model.alpha_eval, model.rho_b, train.standardize)
    sizes = (model.n_features, *model.layers)
    assert (*found, sizes, model.n_actions) == PUBLISHED[benchmark]
    assert (model.rho_b_eval, model.epsilon, model.epsilon_eval, model.n_iter) == (0.01, 0.07, 0.04, 25)
    assert (train.batch_size, train.n_samples, train.learning_rate, train.weight_decay) == (2, 256, 1e-3, 1e-4)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_file_of_the_examples_says_the_same(path):
    method, _, rest = path.stem.partition("_")
    benchmark = rest.replace("_", "-")
    tables, activity = read_tables(path), ACTIVITY.get(benchmark, "")
    preset = model_preset(method, benchmark, activity)
    assert ("n_actions" in tables["model"]) == (not activity)
    assert from_mapping(type(preset), {"n_actions": preset.n_actions, **tables["model"]}) == preset
    assert from_mapping(TrainConfig, tables["train"]) == train_preset(method, benchmark)


def test_every_method_has_every_benchmark_and_says_whose_settings_they_are():
    for name, method in METHODS.items():
        assert set(method.presets) == set(BENCHMARKS)
        for benchmark, preset in method.presets.items():
            for activity in activities_of(benchmark):
                model_preset(name, benchmark, activity)
            train_preset(name, benchmark)
            assert preset.published != preset.source.startswith("otseg's choice")
    assert {name for name, method in METHODS.items() if method.presets["breakfast"].published} == {"asot"}


def test_names_the_choices():
    with pytest.raises(ValueError, match="`benchmark` must be one of 'breakfast', 'yti'"):
        model_preset("asot", "imagenet")
    with pytest.raises(ValueError, match="`activity` must be one of 'coffee', 'cereals'"):
        model_preset("asot", "breakfast", "toast")
    with pytest.raises(ValueError, match="`activity` must be left out for '50salads-mid'"):
        model_preset("asot", "50salads-mid", "salad")


def test_agrees_with_the_layouts_of_the_data_sets():
    assert set(BENCHMARKS) == set(LAYOUTS)
    for benchmark, layout in LAYOUTS.items():
        for activity, n_actions in layout.actions.items():
            config = model_preset("asot", benchmark, activity)
            assert (config.n_actions, config.n_features) == (n_actions, layout.n_features)


def test_every_method_has_a_file_for_every_benchmark():
    stems = {path.stem for path in CONFIGS.glob("*.toml")}
    assert stems == {f"{method}_{benchmark.replace('-', '_')}" for method in METHODS for benchmark in BENCHMARKS}
