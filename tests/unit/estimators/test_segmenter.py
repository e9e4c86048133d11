import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from otseg.data import SequenceDataset, make_activity
from otseg.estimators import OTSegmenter
from otseg.models import estimate_n_actions

pytest.importorskip("lightning")
WITHOUT_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
METHODS = ("asot", "tot", "clot", "dclot")


@pytest.fixture(scope="module")
def log():
    """Three recordings of three actions that are easily told apart, and the truth."""
    generator = torch.Generator().manual_seed(0)
    data = make_activity(3, 3, 5, n_frames=(60, 90), difficulty=0.0, generator=generator)
    return [s.features.numpy() for s in data], [s.labels.numpy() for s in data]


def segmenter(n_actions=3, **options):
    return OTSegmenter(n_actions, **{"epochs": 2, "n_samples": 32, "random_state": 0, "device": "cpu", **options})


@pytest.fixture(scope="module")
def fitted(log):
    return segmenter(epochs=10).fit(log[0])


def same(x, y):
    return len(x) == len(y) and all(np.array_equal(a, b) for a, b in zip(x, y, strict=True))


def test_actions_are_found(log, fitted):
    assert fitted.score(*log) > 0.9
    assert fitted.n_features_in_ == 5
    assert fitted.n_actions_ == 3
    assert len(fitted.loss_curve_) == 10
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]


def test_score_is_that_of_the_best_matching(log, fitted):
    labels = fitted.predict(log[0])
    assert fitted.score(log[0], [2 - x for x in labels]) == 1.0
    some = [np.where(np.arange(len(x)) < 50, (x + 1) % 3, -1) for x in labels]
    assert fitted.score(log[0], some) == 1.0
    wrong = [np.where(np.arange(len(x)) < 6, (x + 1) % 3, x) for x in labels]
    assert fitted.score(log[0], wrong) == pytest.approx(1 - 18 / sum(map(len, labels)))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_in_every_output(log, method):
    X, _ = log
    model = segmenter(method=method)
    labels = model.fit_predict(X)
    assert [x.shape for x in labels] == [(len(x),) for x in X]
    assert all(x.dtype == np.int64 and x.min() >= 0 and x.max() < 3 for x in labels)
    shares = model.predict_proba(X)
    for row, label in zip(shares, labels, strict=True):
        np.testing.assert_allclose(row.sum(1), 1, atol=1e-5)
        np.testing.assert_array_equal(row.argmax(1), label)
    for row in model.transform(X):
        np.testing.assert_allclose(np.linalg.norm(row, axis=1), 1, atol=1e-5)


def test_all_forms_of_input_are_one(log, fitted, tmp_path):
    X, y = log
    labels, lengths = fitted.predict(X), [len(x) for x in X]
    long = fitted.predict(np.concatenate(X), lengths)
    assert isinstance(long, np.ndarray)
    np.testing.assert_array_equal(long, np.concatenate(labels))
    np.testing.assert_array_equal(fitted.predict(X[0]), labels[0])
    assert same(fitted.predict([torch.from_numpy(x).double() for x in X]), labels)
    for i, x in enumerate(X):
        np.save(tmp_path / f"log{i}.npy", x)
    found = fitted.predict(tmp_path)
    assert list(found) == ["log0", "log1", "log2"]
    assert same(list(found.values()), labels)
    by_name = dict(zip(found, y, strict=True))
    score = fitted.score(X, y)
    assert fitted.score(tmp_path, by_name) == fitted.score(np.concatenate(X), np.concatenate(y), lengths) == score
    for other in ((np.concatenate(X), lengths), (tmp_path, None)):
        again = segmenter().fit_predict(other[0], lengths=other[1])
        flat = again if isinstance(again, np.ndarray) else np.concatenate(list(again.values()))
        np.testing.assert_array_equal(flat, np.concatenate(segmenter().fit_predict(X)))


def test_data_frames(log, fitted):
    pandas = pytest.importorskip("pandas")
    assert same(fitted.predict([pandas.DataFrame(x) for x in log[0]]), fitted.predict(log[0]))
    with pytest.raises(ValueError, match="Leave out columns of text"):
        segmenter().fit(pandas.DataFrame({"a": ["walk"], "b": [1.0]}))


def test_names_of_columns(log, fitted):
    pandas = pytest.importorskip("pandas")
    columns = ["ax", "ay", "az", "gx", "gy"]
    frames = [pandas.DataFrame(x, columns=columns) for x in log[0]]
    model = segmenter().fit(frames)
    assert model.feature_names_in_.tolist() == columns
    assert model.feature_names_in_.dtype == object
    assert same(model.predict(frames), segmenter().fit_predict(log[0]))
    for method in (model.predict, model.predict_proba, model.transform):
        with pytest.raises(ValueError, match="must be in the same order"):
            method([frame[columns[::-1]] for frame in frames])
    wrong = [frame.rename(columns={"gy": "hr"}) for frame in frames]
    wrong[0].iloc[0, 0] = np.nan
    with pytest.raises(ValueError, match="unseen at fit time:\n- hr"):  # not about NaN
        model.score(wrong, log[1])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(log[0])
    with pytest.warns(UserWarning, match="fitted without feature names"):
        fitted.predict(frames)
    assert not hasattr(model.fit(log[0]), "feature_names_in_")


def test_embeddings_as_data_frames(log, fitted, tmp_path):
    pandas = pytest.importorskip("pandas")
    X = log[0]
    frames = [pandas.DataFrame(x, index=pandas.date_range("2024", periods=len(x), freq="s")) for x in X]
    arrays = fitted.transform(X)
    model = clone(clone(fitted).set_output(transform="pandas").set_output())  # clone keeps it, and so does no argument
    model.__dict__ |= {name: value for name, value in vars(fitted).items() if name.endswith("_")}
    names = [f"otsegmenter{i}" for i in range(40)]
    assert model.get_feature_names_out().tolist() == names
    found = model.transform(frames)
    for frame, table, array in zip(frames, found, arrays, strict=True):
        pandas.testing.assert_frame_equal(table, pandas.DataFrame(array, columns=names, index=frame.index))
    long = model.transform(pandas.concat(frames), [len(x) for x in X])
    pandas.testing.assert_frame_equal(long, pandas.concat(found))
    np.save(tmp_path / "a.npy", X[0])
    np.testing.assert_array_equal(model.transform(tmp_path)["a"], arrays[0])
    assert isinstance(model.predict(frames)[0], np.ndarray)
    assert isinstance(model.set_output(transform="default").transform(frames)[0], np.ndarray)
    with config_context(transform_output="pandas"):
        assert isinstance(fitted.transform(X)[0], pandas.DataFrame)
        assert isinstance(model.transform(X)[0], np.ndarray)
    with pytest.raises(ValueError, match="`transform` must be one of"):
        model.set_output(transform="xarray")


def test_names_of_classes(log, fitted):
    X, y = log
    names = np.array(["walk", "run", "sit"])
    score = fitted.score(X, y)
    assert fitted.score(X, [names[x] for x in y]) == score
    labels = fitted.predict(X)
    wrong = [np.where(np.arange(len(x)) < 6, names[(x + 1) % 3], names[x]) for x in labels]
    unknown = [np.where(np.arange(len(x)) < 6, None, names[x]) for x in labels]
    assert fitted.score(X, wrong) < fitted.score(X, unknown) == 1


def test_memory_maps_are_read_one_recording_at_a_time(log, fitted, tmp_path, monkeypatch):
    X = log[0]
    np.save(tmp_path / "long.npy", np.concatenate(X))
    mapped, lengths = np.load(tmp_path / "long.npy", mmap_mode="r"), [len(x) for x in X]
    np.testing.assert_array_equal(fitted.predict(mapped, lengths), np.concatenate(fitted.predict(X)))
    loads = []
    load = SequenceDataset.load
    monkeypatch.setattr(SequenceDataset, "load", lambda self: loads.append(self) or load(self))
    found = segmenter().fit_predict(mapped, lengths=lengths)
    assert not loads
    np.testing.assert_array_equal(found, np.concatenate(segmenter().fit_predict(X)))
    assert len(loads) == 1


def test_scale_and_offset_do_not_count_when_standardized(log, fitted):
    assert same(fitted.predict([7 * x + 100 for x in log[0]]), fitted.predict(log[0]))
    raw = segmenter(standardize=False).fit(log[0])
    assert not same(raw.transform([7 * x + 100 for x in log[0]]), raw.transform(log[0]))


def test_random_state_decides_all_and_the_global_one_nothing(log):
    X, _ = log
    torch.manual_seed(1)
    first = segmenter().fit_transform(X)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))  # fitting left it alone
    torch.manual_seed(2)
    assert same(segmenter().fit_transform(X), first)
    assert same(segmenter(random_state=np.random.RandomState(0)).fit_transform(X), first)
    assert not same(segmenter(random_state=1).fit_transform(X), first)


def test_parameters_clone_and_files(log, fitted, tmp_path):
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        again.predict(log[0])
    assert again.set_params(epochs=10).fit(log[0]).score(*log) == fitted.score(*log)
    joblib.dump(fitted, tmp_path / "model.joblib")
    for copy in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "model.joblib")):
        assert same(copy.predict_proba(log[0]), fitted.predict_proba(log[0]))


def test_processes_and_threads_change_nothing(log, fitted):
    labels = fitted.predict(log[0])
    assert same(fitted.predict(log[0], n_jobs=2), labels)
    with joblib.parallel_config("threading", n_jobs=2):
        assert same(fitted.predict(log[0]), labels)


def test_whole_recordings_are_chosen_among(log):
    search = GridSearchCV(segmenter(), {"n_actions": [2, 3]}, cv=3).fit(*log)  # folds of recordings
    assert search.best_params_ in ({"n_actions": 2}, {"n_actions": 3})
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(log[0])[0].shape == (len(log[0][0]),)


def test_behind_a_transformer_of_frames(log):
    X, lengths = log[0], [len(x) for x in log[0]]
    long = np.concatenate(X)
    pipeline = make_pipeline(StandardScaler(), segmenter(standardize=False))
    labels = pipeline.fit(long, otsegmenter__lengths=lengths).predict(long, lengths=lengths)
    scaled = StandardScaler().fit_transform(long)
    np.testing.assert_array_equal(labels, segmenter(standardize=False).fit_predict(scaled, lengths=lengths))


def test_number_of_actions_is_estimated_from_what_the_model_sees():
    generator = torch.Generator().manual_seed(0)
    data = make_activity(8, 4, 8, difficulty=0.0, n_frames=(60, 90), generator=generator)
    model = segmenter("auto", epochs=1, random_state=3).fit([s.features for s in data])
    seed = int(np.random.RandomState(3).randint(2**31 - 1))
    features = [s.features for s in data.standardize()]  # the scale of the features does not count
    found = estimate_n_actions(features, generator=torch.Generator().manual_seed(seed)).n_actions
    assert model.n_actions_ == model.model_.config.n_actions == found


def test_model_options_reach_the_model(log):
    model = segmenter(model_options={"order": 0.0, "layers": (16, 4)}).fit(log[0])
    assert model.model_.config.order == 0.0
    assert model.transform(log[0])[0].shape == (len(log[0][0]), 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "som"}, "`method` must be one of 'asot'"),
        ({"device": "tpu"}, "`device` must be one of"),
        pytest.param({"device": "cuda"}, "'auto' or 'cpu' where CUDA", marks=WITHOUT_CUDA),
        ({"epochs": 0}, "`epochs` must be an integer >= 1"),
        ({"n_actions": 0}, "`n_actions` must be an integer >= 1"),
        ({"n_actions": 999}, r"`n_actions` must be an integer .*Every action takes a frame"),
        ({"n_actions": "many"}, "`n_actions` must be one of 'auto'"),
        ({"model_options": {"n_actions": 4}}, "`model_options` must be without 'n_actions'"),
        ({"model_options": {"colour": 4}}, "`colour` must be a field of ASOTConfig"),
        ({"n_actions": 80, "method": "tot"}, "of at least 80 frames"),
    ],
)
def test_settings_are_checked_in_fit(log, options, message):
    with pytest.raises(ValueError, match=message):
        segmenter(**options).fit(log[0])


def test_other_features_than_in_training_are_refused(log, fitted):
    with pytest.raises(ValueError, match=r"`X` must be of 5 features, as in `fit`; got X has 4 features"):
        fitted.predict([x[:, :4] for x in log[0]])


def test_labels_of_another_length_are_refused(log, fitted):
    X, y = log
    with pytest.raises(ValueError, match="`y` must be of shape"):
        fitted.score(X[0], y[0][1:])
    with pytest.raises(ValueError, match="`y` must be labels of 3 recordings; got 2"):
        fitted.score(X, y[1:])


def test_import_is_lazy_and_predicting_needs_no_lightning(fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "model.joblib")
    code = (
        "import sys, otseg; assert 'sklearn' not in sys.modules; import joblib, numpy\n"
        f"model = joblib.load({str(tmp_path / 'model.joblib')!r}); model.predict(numpy.random.rand(9, 5))\n"
        "assert isinstance(model, otseg.OTSegmenter); assert 'lightning' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
