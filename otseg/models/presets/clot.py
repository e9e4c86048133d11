"""Settings of CLOT and D-CLOT: theirs are not public, so ASOT's are inherited, as CLOT's README says."""

from dataclasses import replace

from otseg.models.clot import CLOT
from otseg.models.dclot import DCLOT
from otseg.models.presets.asot import ASOT_METHOD
from otseg.models.presets.method import Method

# The table of CLOT is in the supplement of the ICCV paper, which is not public. Its README: "follow the baseline
# implementation", which is ASOT. What ASOT does not have are the defaults of the configs.
_INHERITED = {
    benchmark: replace(preset, source=f"otseg's choice: inherits {preset.source}", published=False)
    for benchmark, preset in ASOT_METHOD.presets.items()
}

CLOT_METHOD = Method("CLOT", CLOT, _INHERITED)
DCLOT_METHOD = Method("D-CLOT", DCLOT, _INHERITED)

#: D-CLOT with prototypes from barycenters of the plans.
DCLOT_B_METHOD = Method(
    "D-CLOT_B",
    DCLOT,
    {
        benchmark: replace(preset, model={**preset.model, "prototypes": "barycenter"})
        for benchmark, preset in _INHERITED.items()
    },
)
