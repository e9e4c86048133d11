"""Settings of every model on every benchmark, one file per method, and the table of methods."""

from otseg.models.presets.benchmarks import BENCHMARKS, activities_of
from otseg.models.presets.method import Method, Preset
from otseg.models.presets.methods import METHODS, model_preset

__all__ = [
    "BENCHMARKS",
    "METHODS",
    "Method",
    "Preset",
    "activities_of",
    "model_preset",
]
