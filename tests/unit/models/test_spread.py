import threading

import joblib
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otseg.models.spread import group_size, spread, weight


class Tagged(torch.nn.Linear):
    """A model that knows which groups it was applied to."""

    def __init__(self):
        super().__init__(3, 2)
        self.groups = []


def double(model, items):
    model.groups.append((list(items), threading.get_ident()))
    return [2 * item for item in items]


@pytest.mark.parametrize("n_items", [0, 1, 7, 40])
@pytest.mark.parametrize("n_jobs", [None, 1, 3])
def test_every_item_once_and_in_order(n_items, n_jobs):
    model = Tagged()
    with joblib.parallel_config("threading"):
        assert list(spread(double, model, range(n_items), n_jobs=n_jobs)) == [2 * i for i in range(n_items)]
    groups = sorted(group for group, _ in model.groups)
    assert [item for group in groups for item in group] == list(range(n_items))
    assert [len(group) for group in groups] == ([3] * 13 + [1] if (n_items, n_jobs) == (40, 3) else [1] * n_items)


def test_whoever_chose_a_backend_gets_it():
    model = Tagged()
    with joblib.parallel_config("threading", n_jobs=2):
        list(spread(double, model, range(16)))
    assert all(ident != threading.get_ident() for _, ident in model.groups)
    assert [len(group) for group, _ in model.groups] == [2] * 8


class AtOnce(joblib.parallel.ThreadingBackend):
    """Like Ray's, a backend that has results only when all are there."""

    supports_return_generator = False


def test_a_backend_that_cannot_give_results_one_by_one(monkeypatch):
    monkeypatch.setitem(joblib.parallel.BACKENDS, "at once", AtOnce)
    with joblib.parallel_config("at once", n_jobs=2):
        assert list(spread(double, Tagged(), range(5))) == [0, 2, 4, 6, 8]


def test_results_come_as_soon_as_they_are_known():
    model = Tagged()
    results = spread(double, model, range(3))
    assert next(results) == 0
    assert len(model.groups) < 3


def test_an_error_is_that_of_the_function():
    def fail(model, items):
        raise ValueError(f"item {items[0]}")

    with pytest.raises(ValueError, match="item 0"):
        list(spread(fail, Tagged(), range(2)))


def test_no_processes_are_refused():
    with pytest.raises(ValueError, match=r"`n_jobs` must be a number of processes, or -1 .*got 0"):
        list(spread(double, Tagged(), [1], n_jobs=0))
    with pytest.raises(TypeError, match="`n_jobs` must be an integer"):
        list(spread(double, Tagged(), [1], n_jobs="2"))


def test_weight_counts_parameters_and_buffers():
    model = torch.nn.BatchNorm1d(5, dtype=torch.float64)  # weight, bias, mean, variance, and an int64 counter
    assert weight(model) == 4 * 5 * 8 + 8


@given(st.integers(0, 500), st.floats(1, 1e8), st.one_of(st.just(0.0), st.floats(1e-3, 1e8)), st.integers(1, 20))
def test_groups_are_small_and_light(n_items, model_bytes, item_bytes, n_processes):
    size = group_size(n_items, model_bytes, item_bytes, n_processes)
    assert size >= 1
    if size > 1:
        assert n_items / size >= 4 * n_processes
        assert size * item_bytes <= model_bytes
        assert n_processes > 1
    if n_processes > 1 and item_bytes == 0:
        assert n_items / size < 8 * n_processes + 1  # the model is not sent more often than that
