"""The table of methods: which model a name stands for."""

from collections.abc import Mapping
from typing import Any

from otseg import checks
from otseg.models.config import from_mapping
from otseg.models.presets.asot import ASOT_METHOD
from otseg.models.presets.benchmarks import activities_of
from otseg.models.presets.clot import CLOT_METHOD, DCLOT_B_METHOD, DCLOT_METHOD
from otseg.models.presets.method import Method
from otseg.models.presets.tot import TOT_METHOD

#: Every method by its name on the command line; a new one adds its line here.
METHODS: Mapping[str, Method] = {
    "asot": ASOT_METHOD,
    "clot": CLOT_METHOD,
    "dclot": DCLOT_METHOD,
    "dclot-b": DCLOT_B_METHOD,
    "tot": TOT_METHOD,
}


def model_preset(method: str, benchmark: str, activity: str = "") -> Any:
    """The config of a model for a benchmark.

    :func:`otseg.train.train_preset` has the part of the training. Change a field with :func:`dataclasses.replace`.

    Args:
        method: One of :data:`METHODS`, such as ``"asot"``.
        benchmark: ``"breakfast"``, ``"yti"``, ``"50salads-eval"``, ``"50salads-mid"`` or ``"desktop-assembly"``.
        activity: Activity of Breakfast or YouTube Instructional, such as ``"coffee"``: one model is trained for
            each, and the number of actions is the activity's. The other benchmarks have none.

    Returns:
        The config, of the type that the model names in ``config_class``.

    Raises:
        ValueError: If the method, the benchmark or the activity is unknown.

    Example:
        >>> model_preset("asot", "breakfast", "coffee").n_actions
        7
    """
    checks.choice("method", method, tuple(METHODS))
    checks.choice("benchmark", benchmark, tuple(METHODS[method].presets))
    actions = activities_of(benchmark)
    if "" in actions:
        checks.require(not activity, "activity", f"left out for {benchmark!r}", repr(activity))
    else:
        checks.choice("activity", activity, tuple(actions))
    values = {"n_actions": actions[activity], **METHODS[method].presets[benchmark].model}
    return from_mapping(METHODS[method].model.config_class, values)
