import pytest

from otseg.data import LAYOUTS, layout_help, load_dataset


def test_numbers_of_the_literature():
    """Numbers of actions and features that all papers use (ASOT, run_*.sh)."""
    numbers = {name: (layout.n_features, sum(layout.actions.values())) for name, layout in LAYOUTS.items()}
    assert numbers == {
        "breakfast": (64, 84),
        "yti": (3000, 48),
        "50salads-mid": (64, 19),
        "50salads-eval": (64, 12),
        "desktop-assembly": (512, 22),
    }
    assert len(LAYOUTS["breakfast"].actions) == 10
    assert len(LAYOUTS["yti"].actions) == 5


def test_eval_classes_of_50_salads():
    groups = LAYOUTS["50salads-eval"].label_map
    assert len(groups) == LAYOUTS["50salads-mid"].actions[""]
    assert len(set(groups.values())) == LAYOUTS["50salads-eval"].actions[""]
    assert groups["cut_tomato"] == groups["cut_lettuce"] != groups["peel_cucumber"]


def test_breakfast(folder):
    for path in (folder.root / "features").iterdir():
        path.unlink()
    folder.video("P03_cam01_P03_coffee", ["take", "pour"], n_features=64)
    folder.video("P03_cam01_P03_tea", ["take", "stir"], n_features=64, activity="tea")
    data = load_dataset("breakfast", folder.root)
    assert data.activities == ("coffee", "tea")
    assert data.subset("coffee").n_actions == 7
    assert load_dataset("breakfast", folder.root, activity="tea").names == ("P03_cam01_P03_tea",)
    with pytest.raises(ValueError, match=r"coffee\.npy: has shape \(2, 64\), and neither"):
        load_dataset("breakfast", folder.root, n_features=65)


def test_youtube_instructions(folder):
    for path in (folder.root / "features").iterdir():
        path.unlink()
    folder.video("changing_tire_0001", ["background", "pour"], n_features=3000)
    data = load_dataset("yti", folder.root)
    assert data.activities == ("changing_tire",)
    assert data[0].labels.tolist() == [-1, 1]
    assert data.n_actions == 11


def test_50_salads_at_both_granularities(folder):
    fine = list(LAYOUTS["50salads-eval"].label_map)
    folder.write("mapping/mapping.txt", "".join(f"{i} {name}\n" for i, name in enumerate(fine)))
    for path in (folder.root / "features").iterdir():
        path.unlink()
    folder.video("rgb-01-1", ["cut_tomato", "cut_cheese", "add_salt"], n_features=64)
    mid = load_dataset("50salads-mid", folder.root)
    coarse = load_dataset("50salads-eval", folder.root)
    assert mid[0].labels.tolist() == coarse[0].labels.tolist()
    assert (mid.n_actions, coarse.n_actions) == (19, 12)
    names = [coarse.evaluation_names[k] for k in coarse.evaluation_labels(coarse[0].labels)]
    assert names == ["cut", "cut", "null"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_help_says_what_goes_where(name):
    text = layout_help(name)
    for word in ("features/", "groundTruth/", "mapping/mapping.txt", str(LAYOUTS[name].n_features)):
        assert word in text
    for activity, n in LAYOUTS[name].actions.items():
        assert f"{activity} {n}".strip() in text


def test_unknown_names():
    with pytest.raises(ValueError, match=r"`name` must be one of 'breakfast', .*; got 'ikea'"):
        load_dataset("ikea", ".")
    with pytest.raises(ValueError, match="`name`"):
        layout_help("ikea")
