"""scikit-learn's own checks of an estimator. They take rows for independent samples; here rows are frames in time."""

import pytest
from sklearn.base import clone

pytest.importorskip("lightning")
checks = pytest.importorskip("sklearn.utils.estimator_checks")
if not hasattr(checks, "estimator_checks_generator"):
    pytest.skip("needs scikit-learn >= 1.6", allow_module_level=True)

from otseg.estimators import OTSegmenter  # noqa: E402

#: The checks that fail, all of them, and why: one that starts to pass fails here, for xfail is strict.
NOT_FOR_SEQUENCES = {
    "check_methods_sample_order_invariance": "shuffled frames are another recording",
    "check_methods_subset_invariance": "a label depends on the frames before and after it",
    "check_fit2d_1sample": "one frame has no two actions: the error speaks of frames, not of samples",
}
#: Checks that scikit-learn keeps for its own estimators.
OF_COLUMNS = (
    checks.check_dataframe_column_names_consistency,
    checks.check_transformer_get_feature_names_out,
    checks.check_transformer_get_feature_names_out_pandas,
    checks.check_set_output_transform,
    checks.check_set_output_transform_pandas,
    checks.check_global_output_transform_pandas,
)
SEGMENTER = OTSegmenter(2, epochs=1, n_samples=32, random_state=0, device="cpu")


def name_of(check):
    return getattr(check, "func", check).__name__


def cases():
    generator = checks.estimator_checks_generator(SEGMENTER, legacy=True, mark=None)
    for i, (estimator, check) in enumerate(generator):
        name = name_of(check)
        reason = NOT_FOR_SEQUENCES.get(name)
        marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
        yield pytest.param(estimator, check, id=f"{i}-{name}", marks=marks)


CASES = list(cases())


def test_all_that_are_expected_to_fail_are_there():
    names = {name_of(case.values[1]) for case in CASES}
    assert set(NOT_FOR_SEQUENCES) <= names
    assert len(CASES) > 40


@pytest.mark.filterwarnings("default")  # random frames: degenerate solutions, and scikit-learn's own remarks
@pytest.mark.parametrize(("estimator", "check"), CASES)
def test_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("check", OF_COLUMNS, ids=name_of)
def test_columns(check):
    check("OTSegmenter", clone(SEGMENTER))
