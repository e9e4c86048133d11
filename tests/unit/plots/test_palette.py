import numpy as np
import pytest

from otseg.plots.palette import NEUTRAL, color_distance, palette


def test_palette_is_prefix_stable_and_in_range():
    colors = palette(60)
    assert palette(7) == colors[:7]
    assert len(set(colors)) == 60
    assert np.min(colors) >= 0
    assert np.max(colors) <= 1


def test_palette_starts_with_okabe_and_ito():
    assert palette(1) == ((0.0, 0x72 / 255, 0xB2 / 255),)
    assert palette(7)[6] == (0xF0 / 255, 0xE4 / 255, 0x42 / 255)


@pytest.mark.parametrize(("n", "least"), [(20, 0.07), (48, 0.045)])
def test_colors_stay_apart_for_color_blind_readers(n, least):
    colors = np.array(palette(n))
    assert color_distance(colors, colors)[np.triu_indices(n, k=1)].min() >= least
    others = np.array([NEUTRAL, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)])
    assert color_distance(colors, others).min() >= least


def test_distance_is_one_from_black_to_white_and_symmetric():
    black, white, red = np.zeros((1, 3)), np.ones((1, 3)), np.array([[1.0, 0.0, 0.0]])
    assert color_distance(black, white)[0, 0] == pytest.approx(1, abs=1e-3)
    assert color_distance(white, red) == pytest.approx(color_distance(red, white))


def test_distance_sees_that_red_and_green_are_alike_to_the_color_blind():
    brown, olive = np.array([[0.55, 0.35, 0.2]]), np.array([[0.35, 0.4, 0.2]])
    light, dark = np.array([[0.7, 0.7, 0.7]]), np.array([[0.3, 0.3, 0.3]])
    assert color_distance(brown, olive)[0, 0] < 0.05 < color_distance(light, dark)[0, 0]


@pytest.mark.parametrize("n", [-1, 201])
def test_palette_refuses(n):
    with pytest.raises(ValueError, match="`n` must be an integer >= 0"):
        palette(n)
