"""scikit-learn's own checks of an estimator. They take rows for independent samples; here rows are frames in time."""

import pytest

pytest.importorskip("lightning")
checks = pytest.importorskip("sklearn.utils.estimator_checks")
if not hasattr(checks, "estimator_checks_generator"):
    pytest.skip("needs scikit-learn >= 1.6", allow_module_level=True)

from otseg.estimators import OTSegmenter  # noqa: E402

NOT_FOR_SEQUENCES = {
    "check_methods_sample_order_invariance": "shuffled frames are another recording",
    "check_methods_subset_invariance": "a label depends on the frames before and after it",
    "check_fit2d_1sample": "one frame has no two actions: the error speaks of frames, not of samples",
    "check_array_api_input": "needs an environment variable that scipy reads when it is imported",
}
SEGMENTER = OTSegmenter(2, epochs=1, n_samples=32, random_state=0, device="cpu")


def name_of(check):
    return getattr(check, "func", check).__name__


CASES = [
    pytest.param(estimator, check, id=f"{i}-{name_of(check)}")
    for i, (estimator, check) in enumerate(checks.estimator_checks_generator(SEGMENTER, legacy=True, mark=None))
    if name_of(check) not in NOT_FOR_SEQUENCES
]


def test_most_checks_apply():
    assert len(CASES) > 35


@pytest.mark.filterwarnings("default")  # random frames: degenerate solutions, and scikit-learn's own remarks
@pytest.mark.parametrize(("estimator", "check"), CASES)
def test_check(estimator, check):
    check(estimator)
