import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from otseg.data import EpochSampler, SampledDataset, Sequence, SequenceDataset, collate, sample_frames


def counted(lengths=(50, 60, 5)):
    """Sequences whose only feature is the number of the frame."""
    return SequenceDataset(
        [Sequence(torch.arange(float(n))[:, None], torch.arange(n), f"s{i}") for i, n in enumerate(lengths)]
    )


@given(n_frames=st.integers(1, 400), n_samples=st.integers(1, 100), seed=st.integers(0, 99))
def test_stratified_takes_one_frame_of_each_stratum(n_frames, n_samples, seed):
    frames = sample_frames(n_frames, n_samples, generator=torch.Generator().manual_seed(seed)).tolist()
    assert frames == sorted(set(frames))
    if n_frames <= n_samples:
        assert frames == list(range(n_frames))
        return
    assert len(frames) == n_samples
    for i, frame in enumerate(frames):
        assert i * n_frames // n_samples <= frame < (i + 1) * n_frames // n_samples


@given(n_frames=st.integers(1, 400), n_samples=st.integers(1, 100))
def test_uniform_spans_the_sequence(n_frames, n_samples):
    frames = sample_frames(n_frames, n_samples, how="uniform").tolist()
    assert frames == sorted(set(frames))
    assert len(frames) == min(n_frames, n_samples)
    assert frames[0] == 0
    if n_samples > 1:
        assert frames[-1] == n_frames - 1
        gaps = torch.tensor(frames).diff().tolist()
        assert not gaps or max(gaps) - min(gaps) <= 1


def test_every_frame_of_a_stratum_is_equally_likely():
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([sample_frames(10, 2, generator=generator) for _ in range(5000)])
    counts = torch.bincount(draws.flatten(), minlength=10)
    assert counts.sum() == 10000
    assert (counts - 1000).abs().max() < 130  # 4.6 standard deviations; the last frame is one of them


def test_all():
    assert sample_frames(4, 2, how="all").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0, 3), {}, "`n_frames`"),
        ((3, 0), {}, "`n_samples`"),
        ((3, 2), {"how": "random"}, "`how` must be one of 'stratified', 'uniform', 'all'; got 'random'"),
    ],
)
def test_bad_arguments(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        sample_frames(*arguments, **options)


def test_draws_depend_on_seed_epoch_and_index_alone():
    def draw(seed, epoch, index, before=()):
        data = SampledDataset(counted(), 8, seed=seed)
        for i in before:
            _ = data[i]
        data.set_epoch(epoch)
        return data[index].labels.tolist()

    once = draw(1, 3, 0)
    assert draw(1, 3, 0, before=(2, 1, 0, 0)) == once
    assert draw(1, 3, -3) == once
    others = [draw(1, 4, 0), draw(2, 3, 0), draw(3, 1, 0), draw(0, 0, 0), draw(1, 0, 0), draw(0, 1, 0)]
    assert len({tuple(x) for x in [once, *others]}) == 7
    assert draw(0, 0, 2) == [0, 1, 2, 3, 4]  # shorter than n_samples: whole


def test_sequences_of_one_epoch_are_sampled_independently():
    data = SampledDataset(counted((50, 50)), 8, seed=0)
    assert data[0].labels.tolist() != data[1].labels.tolist()


def test_features_and_labels_are_sampled_together():
    sequence = SampledDataset(counted(), 8, seed=0)[1]
    assert sequence.features[:, 0].tolist() == sequence.labels.tolist()
    uniform = SampledDataset(counted(), 3, how="uniform")
    assert uniform[0].labels.tolist() == [0, 24, 49]
    assert len(uniform) == 3


def test_global_random_state_is_neither_used_nor_changed():
    data, sampler = SampledDataset(counted(), 8, seed=0), EpochSampler(20, seed=0)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = data[0].labels.tolist(), list(sampler)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    assert (data[0].labels.tolist(), list(sampler)) == first


def test_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        sampler = EpochSampler(20, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 2) == order(1, 2)
    assert sorted(order(1, 2)) == list(range(20))
    assert len({tuple(order(s, e)) for s in range(4) for e in range(4)}) == 16
    assert len(EpochSampler(20)) == 20


def test_resuming_continues_exactly():
    def run(epochs):
        data, sampler = SampledDataset(counted(), 4, seed=5), EpochSampler(3, seed=5)
        loader = DataLoader(data, batch_size=2, sampler=sampler, collate_fn=collate)
        seen = []
        for epoch in epochs:
            data.set_epoch(epoch)
            sampler.set_epoch(epoch)
            seen += [(batch.names, batch.labels.tolist()) for batch in loader]
        return seen

    whole = run(range(4))
    assert run(range(2)) + run(range(2, 4)) == whole


def test_persistent_workers_follow_the_epoch():
    data = SampledDataset(counted(), 4, seed=5)
    loader = DataLoader(
        data,
        batch_size=3,
        collate_fn=collate,
        num_workers=1,
        persistent_workers=True,
        multiprocessing_context="fork",
    )
    for epoch in (0, 1, 7):
        data.set_epoch(epoch)
        (batch,) = loader
        expected = collate([data[i] for i in range(3)])
        assert torch.equal(batch.labels, expected.labels)


def test_bad_settings():
    with pytest.raises(ValueError, match="`seed`"):
        SampledDataset(counted(), 3, seed=-1)
    with pytest.raises(ValueError, match="`epoch`"):
        SampledDataset(counted(), 3).set_epoch(-1)
    with pytest.raises(ValueError, match="`epoch`"):
        EpochSampler(3).set_epoch(-1)
    with pytest.raises(TypeError, match="`n`"):
        EpochSampler(2.5)
    with pytest.raises(IndexError):
        SampledDataset(counted(), 3)[3]
