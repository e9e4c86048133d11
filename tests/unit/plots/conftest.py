import pytest
from matplotlib import pyplot


@pytest.fixture(autouse=True)
def no_global_effect():
    """Close what a test drew, and fail if a plot changed a global setting."""
    with pyplot.rc_context():
        before = dict(pyplot.rcParams)
        yield
        assert dict(pyplot.rcParams) == before
    pyplot.close("all")
