"""OTSegmenter: scikit-learn's manner around the models and their training."""

import copy
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import sklearn
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from otseg import checks, data, metrics
from otseg.estimators.columns import as_tables, require_names
from otseg.estimators.outputs import Output, choose_device, compute
from otseg.estimators.recordings import Arrays, Recorded, Recordings, integer, names_of, read_recordings
from otseg.estimators.truth import read_truth
from otseg.models import ASOT, CLOT, DCLOT, TOT, SegmentationModel, estimate_n_actions
from otseg.models.spread import spread

#: The models behind the names of ``method``.
_MODELS: dict[str, type[SegmentationModel]] = {"asot": ASOT, "tot": TOT, "clot": CLOT, "dclot": DCLOT}


class OTSegmenter(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    r"""Divides recordings into actions without labels, by optimal transport.

    Wherever recordings are taken, ``X`` is a list of ``(N_i, D)`` arrays (NumPy, torch, pandas), one frame per row;
    one long ``(N, D)`` array, with the ``lengths`` of its recordings or as a single one; or the path of a folder with
    one file per recording (``.npy``, ``.csv`` or ``.txt``), sub-folders included. Results have the same form, in NumPy:
    a list, one long array, or a mapping by name of the file (its path in the folder, without the ending).

    Frames follow each other in even steps; the index of a data frame is not used, but if it holds times they must not
    go back. NaN and infinite values are refused. Features are computed with in float32; memory maps and files are read
    one recording at a time. There is no ``partial_fit``: prototypes come from all recordings.

    Args:
        n_actions: Number of actions, or ``"auto"`` to estimate it (:func:`otseg.models.estimate_n_actions`), which is
            not reliable for a few recordings.
        method: ``"asot"``, ``"tot"``, ``"clot"`` or ``"dclot"``, see :mod:`otseg.models`.
        epochs: Passes over the recordings; in each, ``n_samples`` frames of every recording are seen.
        n_samples: Frames that are drawn of each recording in an epoch.
        batch_size: Recordings per step.
        learning_rate: Step of Adam, above 0.
        standardize: Whether every recording is standardized on its own, so that offset and scale of its features do
            not count.
        random_state: Seed, or NumPy's ``RandomState``; with an integer, fitting twice gives the same labels.
        device: ``"auto"`` (CUDA if there is one), ``"cpu"`` or ``"cuda"``.
        verbose: Whether a progress bar is shown.
        model_options: Settings of the model, by name, such as ``{"order": 0.0}`` for :class:`otseg.models.ASOTConfig`.

    Attributes:
        model_ (SegmentationModel): The trained model, on the CPU.
        n_actions_ (int): Number of actions.
        n_features_in_ (int): Number of features.
        feature_names_in_ (numpy.ndarray of str): Their names, where all recordings are data frames with named columns.
        loss_curve_ (list of float): Training loss of every epoch.

    Note:
        The defaults are those of the models, made for videos in which actions come in a similar order. Where they
        recur in any order, as in most sensor logs, give ``model_options={"order": 0.0}`` (not for ``"tot"``, which is
        about the order).

    Example:
        >>> log = otseg.data.make_activity(2, 3, 6, difficulty=0.0, generator=torch.Generator().manual_seed(0))
        >>> recordings = [sequence.features.numpy() for sequence in log]
        >>> labels = otseg.OTSegmenter(n_actions=3, epochs=5, random_state=0).fit_predict(recordings)
        >>> [len(x) for x in labels] == [len(x) for x in recordings]
        True

    References:
        :cite:`xu2024asot`; :cite:`kumar2022tot`; :mod:`otseg.models` for all methods.
    """

    def __init__(
        self,
        n_actions: int | Literal["auto"] = "auto",
        *,
        method: str = "asot",
        epochs: int = 15,
        n_samples: int = 256,
        batch_size: int = 2,
        learning_rate: float = 1e-3,
        standardize: bool = True,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        verbose: bool = False,
        model_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.n_actions = n_actions
        self.method = method
        self.epochs = epochs
        self.n_samples = n_samples
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.standardize = standardize
        self.random_state = random_state
        self.device = device
        self.verbose = verbose
        self.model_options = model_options

    def fit(self, X: Recorded, y: object = None, lengths: Iterable[int] | None = None) -> "OTSegmenter":
        """Train a new model; needs the extra ``train``.

        Args:
            X: Recordings.
            y: Not used; scikit-learn's interface has it.
            lengths: Length of every recording where ``X`` is one long array.

        Raises:
            ValueError: If a setting is out of range, a recording is not finite or empty, or there are fewer frames
                than actions (``"tot"``: in any recording).
            ImportError: If the extra is not installed.
        """
        device = choose_device(self.device)
        checks.choice("method", self.method, tuple(_MODELS))
        recordings = read_recordings(X, lengths)
        from otseg.models.config import from_mapping
        from otseg.train import TrainConfig, fit  # only here: predicting needs no Lightning
        from otseg.train.module import SegmentationModule

        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        config = TrainConfig(
            epochs=self.epochs,
            n_samples=self.n_samples,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=seed,
            standardize=False,  # done by _prepared, as in predict
        )
        dataset = self._prepared(recordings)
        if recordings.in_memory:
            dataset = dataset.load()  # converted and standardized once, not in every epoch
        n_actions: int = self._count(dataset, recordings, seed)
        model_class = _MODELS[self.method]
        options = dict(self.model_options or {})
        for name in ("n_actions", "n_features"):
            checks.require(name not in options, "model_options", f"without {name!r}", options, "It is set elsewhere.")
        options |= {"n_actions": n_actions, "n_features": recordings.n_features}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = model_class(from_mapping(model_class.config_class, options))
            trainer = fit(
                model,
                dataset,
                config=config,
                accelerator="gpu" if device == "cuda" else "cpu",
                enable_progress_bar=self.verbose,
            )
        losses = cast(SegmentationModule, trainer.lightning_module).history["train/loss"]
        self.model_ = model.cpu().eval()
        self.n_actions_ = n_actions
        self.n_features_in_ = recordings.n_features
        if recordings.columns is not None:
            self.feature_names_in_ = np.array(recordings.columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.loss_curve_ = [losses[epoch] for epoch in sorted(losses)]
        return self

    def predict(self, X: Recorded, lengths: Iterable[int] | None = None, *, n_jobs: int | None = None) -> Arrays:
        """The action of every frame.

        Args:
            X: Recordings, with as many features as those of :meth:`fit`.
            lengths: Length of every recording where ``X`` is one long array.
            n_jobs: Recordings that are segmented at once, by processes of joblib, each with its share of the threads;
                -1 is one for each processor. ``None`` is one, or what :class:`joblib.parallel_config` says, such as
                the workers of a Dask or Ray cluster. Labels are the same. It pays for many long recordings on a CPU:
                a process takes seconds to start. On a cluster, files must have the same paths everywhere.

        Returns:
            Actions ``0 .. n_actions_ - 1``, int64, in the form of ``X``.

        Raises:
            sklearn.exceptions.NotFittedError: Before :meth:`fit`.
            ValueError: If ``X`` does not fit the training.
        """
        return self._apply(X, lengths, "labels", n_jobs)

    def fit_predict(self, X: Recorded, y: object = None, lengths: Iterable[int] | None = None) -> Arrays:
        """Train on recordings, and label them: :meth:`fit`, then :meth:`predict`."""
        lengths = None if lengths is None else list(lengths)
        return self.fit(X, y, lengths).predict(X, lengths)

    def predict_proba(self, X: Recorded, lengths: Iterable[int] | None = None, *, n_jobs: int | None = None) -> Arrays:
        """How every frame's mass is shared among the actions: the plan's rows, over the mass of the frame.

        Rows are ``n_actions_`` long and sum to 1; the largest share is the label. They are shares of a plan, not
        calibrated probabilities; those of ``"tot"``, which takes a path, are 0 or 1. Arguments as in :meth:`predict`.
        """
        return self._apply(X, lengths, "shares", n_jobs)

    def transform(self, X: Recorded, lengths: Iterable[int] | None = None, *, n_jobs: int | None = None) -> Any:
        """The embedding of every frame: the encoder's output, of unit length.

        Arguments as in :meth:`predict`. After ``set_output(transform="pandas")`` each array is a data frame, with the
        index of the recording if that is one.
        """
        found = self._apply(X, lengths, "embeddings", n_jobs)
        configured = getattr(self, "_sklearn_output_config", {})
        container = configured.get("transform", sklearn.get_config()["transform_output"])
        return as_tables(container, self.get_feature_names_out(), found, X)

    def fit_transform(self, X: Recorded, y: object = None, lengths: Iterable[int] | None = None) -> Any:
        """Train on recordings, and embed them: :meth:`fit`, then :meth:`transform`."""
        lengths = None if lengths is None else list(lengths)
        return self.fit(X, y, lengths).transform(X, lengths)

    def set_output(self, *, transform: Literal["default", "pandas"] | None = None) -> "OTSegmenter":
        """What :meth:`transform` returns: arrays (``"default"``) or data frames (``"pandas"``); ``None``: as before."""
        if transform is not None:
            checks.choice("transform", transform, ("default", "pandas"))
            self._sklearn_output_config = {"transform": transform}  # by this name scikit-learn's clone keeps it
        return self

    def score(self, X: Recorded, y: Any, lengths: Iterable[int] | None = None) -> float:
        """Share of frames with the right action (MoF), after one matching of actions and classes for all recordings.

        Args:
            X: Recordings.
            y: True class of every frame, in the form of ``X``: integers, -1 where it is unknown, or names, ``None`` or
                NaN where it is. Frames of unknown class are not scored.
            lengths: Length of every recording where ``X`` is one long array.

        Returns:
            Between 0 and 1; see :func:`otseg.metrics.match` for the matching, which maximizes it.

        Raises:
            ValueError: If ``y`` does not fit ``X``.
        """
        recordings = self._read(X, lengths)
        truth = read_truth(y, recordings)
        return metrics.evaluate(self._run(recordings, "labels", None), truth, self.n_actions_, ignore_labels=(-1,)).mof

    @property
    def _n_features_out(self) -> int:
        """Number of features of an embedding, for ClassNamePrefixFeaturesOutMixin."""
        config: Any = self.model_.config
        return int(config.layers[-1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # embeddings are float32, whatever the recordings are
        return tags

    def _read(self, X: Recorded, lengths: Iterable[int] | None) -> Recordings:
        check_is_fitted(self, "model_")
        require_names(names_of(X), getattr(self, "feature_names_in_", None))
        return read_recordings(X, lengths)

    def _apply(self, X: Recorded, lengths: Iterable[int] | None, output: Output, n_jobs: int | None) -> Arrays:
        recordings = self._read(X, lengths)
        return recordings.restore(self._run(recordings, output, n_jobs))

    def _run(self, recordings: Recordings, output: Output, n_jobs: int | None) -> list[npt.NDArray[Any]]:
        d = self.n_features_in_
        got = f"X has {recordings.n_features} features, but OTSegmenter is expecting {d} features as input"
        checks.require(recordings.n_features == d, "X", f"of {d} features, as in `fit`", got)
        self._require_frames(recordings, self.n_actions_)
        dataset, device = self._prepared(recordings), choose_device(self.device)
        model = self.model_ if device == "cpu" else copy.deepcopy(self.model_).to(device)
        items = [dataset.select([i]) for i in range(len(dataset))]
        one = partial(compute, output, device)
        return list(spread(one, model, items, item_bytes=recordings.item_bytes, n_jobs=n_jobs))

    def _prepared(self, recordings: Recordings) -> data.SequenceDataset:
        """As the model sees them."""
        if not self.standardize:
            return recordings.dataset
        return recordings.dataset.standardize(scale=recordings.n_features**-0.5)

    def _count(self, dataset: data.SequenceDataset, recordings: Recordings, seed: int) -> int:
        """The number of actions, estimated if so wanted."""
        if isinstance(self.n_actions, str):
            checks.choice("n_actions", self.n_actions, ("auto",))
            generator = torch.Generator().manual_seed(seed)
            n_actions = estimate_n_actions([s.features for s in dataset], generator=generator).n_actions
        else:
            n_actions = integer(self.n_actions)
        checks.number(
            "n_actions", n_actions, 1, sum(recordings.n_frames), integer=True, fix="Every action takes a frame."
        )
        self._require_frames(recordings, n_actions)
        return n_actions

    def _require_frames(self, recordings: Recordings, n_actions: int) -> None:
        """TOT's path goes through all actions."""
        least = n_actions if self.method == "tot" else 1
        for name, n in zip(recordings.dataset.names, recordings.n_frames, strict=True):
            fix = "Leave short recordings out, or ask for fewer actions."
            checks.require(n >= least, f"X[{name}]", f"of at least {least} frames, one for each action", n, fix)
