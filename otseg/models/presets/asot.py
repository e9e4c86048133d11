"""Settings of ASOT: those that its authors published."""

from otseg.models.asot import ASOT
from otseg.models.presets.method import Method, Preset

_CODE = "released code of ASOT (github.com/mingu6/action_seg_ot at 0c4c86b)"

#: What a row does not set is the default of the configs, which comes from the same code.
ASOT_METHOD = Method(
    title="ASOT",
    model=ASOT,
    presets={
        "breakfast": Preset(
            f"{_CODE}, run_bf.sh",
            model={"n_features": 64},
            train={"epochs": 15, "standardize": True},  # -s
        ),
        "yti": Preset(
            f"{_CODE}, run_yti.sh",
            model={
                "n_features": 3000,
                "layers": (32, 32),
                "order": 0.15,
                "alpha": 0.3,
                "alpha_eval": 0.6,
                "rho_b": 0.12,
            },
            train={"epochs": 10, "standardize": False},
        ),
        "50salads-eval": Preset(
            f"{_CODE}, README, 50 Salads (Eval)",
            model={"n_features": 64, "order": 0.15, "alpha": 0.3, "alpha_eval": 0.6, "rho_b": 0.11},
            train={"epochs": 30, "standardize": False},
        ),
        "50salads-mid": Preset(
            f"{_CODE}, README, 50 Salads (Mid)",
            model={"n_features": 64, "order": 0.15, "alpha": 0.3, "alpha_eval": 0.6, "rho_b": 0.15},
            train={"epochs": 30, "standardize": False},
        ),
        "desktop-assembly": Preset(
            f"{_CODE}, README, Desktop Assembly",
            model={
                "n_features": 512,
                "radius": 0.02,
                "order": 0.25,
                "alpha": 0.3,
                "alpha_eval": 0.6,
                "rho_b": 0.16,
            },
            train={"epochs": 30, "standardize": False},
        ),
    },
)
