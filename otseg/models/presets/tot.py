"""Settings of TOT: the paper's tuned ones were not found, so its defaults stand, with the data as ASOT takes it."""

from dataclasses import replace

from otseg.models.presets.asot import ASOT_METHOD
from otseg.models.presets.method import Method
from otseg.models.tot import TOT

_DATA = ("n_features",)

TOT_METHOD = Method(
    "TOT",
    TOT,
    {
        benchmark: replace(
            preset,
            source=f"otseg's choice: TOT's defaults, features and training as in {preset.source}",
            model={name: preset.model[name] for name in _DATA if name in preset.model},
            published=False,
        )
        for benchmark, preset in ASOT_METHOD.presets.items()
    },
)
