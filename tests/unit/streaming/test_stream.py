import gc
import io
from itertools import pairwise

import pytest
import torch

import otseg
from otseg.streaming import Stream, StreamProblem

SETTINGS = {"epsilon": 0.04, "alpha": 0.7, "radius": 10, "rho_b": 0.05}


def frames(n, n_actions=4, noise=2.0, seed=0):
    """Features of segments of 20 to 60 frames of actions of unequal shares, the true labels, and the prototypes."""
    generator = torch.Generator().manual_seed(seed)
    weights, parts = torch.arange(1.0, n_actions + 1), []
    while sum(map(len, parts)) < n:
        k = int(torch.multinomial(weights, 1, generator=generator))
        parts.append(torch.full((int(torch.randint(20, 61, (), generator=generator)),), k))
    labels = torch.cat(parts)[:n]
    prototypes = torch.randn(n_actions, 12, generator=generator, dtype=torch.float64)
    return prototypes[labels] + noise * torch.randn(n, 12, generator=generator, dtype=torch.float64), labels, prototypes


def stream_of(prototypes, *, window, lookahead=None, length=None, shares=None, **settings):
    problem = StreamProblem(lambda x: otseg.costs.cosine(x, prototypes), **{**SETTINGS, **settings})
    return Stream(problem, window=window, lookahead=lookahead, length=length, shares=shares)


def pushed(stream, x, size=37):
    parts = [stream.push(block) for block in torch.split(x, size)] + [stream.finish()]
    for one, after in pairwise(parts):
        assert one.start + len(one.shares) == after.start
    return torch.cat([part.shares for part in parts])


def whole(x, prototypes, **settings):
    return otseg.gromov_ot(otseg.costs.cosine(x[None], prototypes), grad="none", **{**SETTINGS, **settings})


@pytest.mark.parametrize(
    "settings", [{}, {"rho_b": 0.0}, {"order": 0.3}, {"radius": 0.04}, {"alpha": 0.2, "max_iter": 7}]
)
@pytest.mark.parametrize(("window", "lookahead"), [(400, 100), (400, 399), (1000, 900)])
def test_a_window_of_all_frames_is_the_whole_sequence(settings, window, lookahead):
    x, _, prototypes = frames(400)
    found = pushed(stream_of(prototypes, window=window, lookahead=lookahead, length=400, **settings), x)
    torch.testing.assert_close(found / 400, whole(x, prototypes, **settings).plan[0], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("n", "rho_b"), [(1, 0.0), (2, 0.05), (7, 0.05)])
def test_sequences_shorter_than_the_radius(n, rho_b):
    x, _, prototypes = frames(n)
    found = pushed(stream_of(prototypes, window=50, rho_b=rho_b), x)
    torch.testing.assert_close(found / n, whole(x, prototypes, rho_b=rho_b).plan[0])


def test_without_smoothness_and_penalty_every_frame_is_alone():
    x, _, prototypes = frames(90)
    found = pushed(stream_of(prototypes, window=7, lookahead=3, alpha=0.0, radius=None, rho_b=0.0), x)
    torch.testing.assert_close(found, (-otseg.costs.cosine(x[None], prototypes)[0] / 0.04).softmax(dim=1))


def test_a_window_solves_the_problem_of_all_frames_so_far():
    """At the last iteration: objective and gradient of the window are those of the whole plan, seen from its frames."""
    x, _, prototypes = frames(120)
    stream = stream_of(prototypes, window=60, lookahead=20)
    stream.push(x[:60])
    stream.push(x[60:90])
    assert stream._decided == 40
    shares = torch.rand(50, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).softmax(dim=1)
    terms, last = stream._terms(), SETTINGS["max_iter"] - 1 if "max_iter" in SETTINGS else 24
    near = terms.near(last)[0]
    slope = terms.penalty(last, shares.sum(dim=0, keepdim=True))[1]
    # The decided frames, 40 of them, as they were before the last iteration; only the last 10 are kept.
    before, sums = stream._before[last], stream._sums[last]
    known = torch.cat([(sums - before.sum(dim=0)).div(30).expand(30, -1), before, shares])
    mask = torch.ones(1, 90, dtype=torch.bool)
    smooth = otseg.priors.TemporalSmoothness(SETTINGS["alpha"], SETTINGS["radius"])
    total = smooth.energy_and_grad(known[None] / 90, mask)[1][0, 40:]
    window = known.clone()
    window[:40] = 0
    inside = smooth.energy_and_grad(window[None] / 90, mask)[1][0, 40:]
    apart = torch.zeros(50, 4, dtype=torch.float64)
    apart[:10] = terms.smoothness * (near.sum(dim=1, keepdim=True) - near)
    torch.testing.assert_close(total - inside, apart)
    torch.testing.assert_close(slope[0], SETTINGS["rho_b"] * (known.mean(dim=0) / 0.25).log())


def test_the_penalty_is_that_of_the_whole_sequence_so_far():
    """Its value is the difference of two divergences, its gradient the slope."""
    x, _, prototypes = frames(90)
    stream = stream_of(prototypes, window=60, lookahead=20)
    stream.push(x)
    column = torch.tensor([[10.0, 20.0, 0.5, 19.5]], dtype=torch.float64, requires_grad=True)
    value, slope = stream._terms().penalty(5, column)
    target = torch.full((4,), 90 / 4, dtype=torch.float64)
    kl = otseg.ops.divergence.kl
    expected = SETTINGS["rho_b"] * (kl(stream._sums[5] + column[0], target) - kl(stream._sums[5], target))
    torch.testing.assert_close(value[0].detach(), expected.detach())
    torch.testing.assert_close(slope, torch.autograd.grad(value.sum(), column)[0])


def test_passes_come_to_the_answer_to_the_whole_sequence():
    x, _, prototypes = frames(1500)
    answer = whole(x, prototypes).labels()[0]
    shares, agreements = None, []
    for _ in range(4):
        stream = stream_of(prototypes, window=200, lookahead=60, shares=shares)
        agreements.append(float((pushed(stream, x).argmax(dim=1) == answer).double().mean()))
        shares = stream.shares
    assert agreements[0] > 0.9
    assert agreements[-1] > 0.999
    assert agreements[-1] > agreements[0]


def test_carried_state_beats_windows_alone():
    x, _, prototypes = frames(1500)
    answer = whole(x, prototypes).labels()[0]
    alone = torch.cat([whole(part, prototypes).labels()[0] for part in torch.split(x, 140)])
    together = pushed(stream_of(prototypes, window=200, lookahead=60), x).argmax(dim=1)
    assert (together != answer).sum() < 0.5 * (alone != answer).sum()


def test_how_frames_come_does_not_matter():
    x, _, prototypes = frames(200)
    expected = pushed(stream_of(prototypes, window=50, lookahead=20), x, 200)
    for size in (1, 13, 50):
        torch.testing.assert_close(pushed(stream_of(prototypes, window=50, lookahead=20), x, size), expected)


def test_latency():
    x, _, prototypes = frames(60)
    stream, decided = stream_of(prototypes, window=20, lookahead=15), 0
    for n, frame in enumerate(x, start=1):
        part = stream.push(frame[None])
        decided += len(part.labels)
        assert part.shares.shape[1] == 4
        assert n - 20 <= decided <= max(0, n - 16)
    assert decided + len(stream.finish().labels) == stream.n_frames == 60
    assert len(stream.finish().shares) == 0


def test_memory_does_not_grow():
    x, _, prototypes = frames(50)
    stream, sizes = stream_of(prototypes, window=40, lookahead=10), []
    for _ in range(12):
        stream.push(x)
        gc.collect()
        state = [v for v in stream.state_dict().values() if isinstance(v, torch.Tensor)]
        sizes.append(sum(v.untyped_storage().nbytes() for v in state))
    assert max(sizes[1:]) <= 8 * 4 * (40 + 25 * 10 + 25)  # cost of a window, radius and sums at every iteration


def test_a_stream_goes_on_after_a_restart():
    x, _, prototypes = frames(150)
    expected = pushed(stream_of(prototypes, window=40, lookahead=10), x)
    stream = stream_of(prototypes, window=40, lookahead=10)
    first = stream.push(x[:77]).shares
    file = io.BytesIO()
    torch.save(stream.state_dict(), file)
    stream.push(x[77:])  # what happens to it later does not change what was saved
    file.seek(0)
    other = stream_of(prototypes, window=40, lookahead=10)
    other.load_state_dict(torch.load(file, weights_only=True))
    second = other.push(x[77:])
    assert second.start == len(first)
    torch.testing.assert_close(torch.cat([first, second.shares, other.finish().shares]), expected)
    with pytest.raises(ValueError, match=r"`state\['window'\]` must be 41"):
        stream_of(prototypes, window=41, lookahead=10).load_state_dict(stream.state_dict())


def test_state_is_a_copy():
    x, _, prototypes = frames(150)
    stream = stream_of(prototypes, window=40, lookahead=10)
    stream.push(x[:77])
    state = stream.state_dict()
    kept = {name: value.clone() for name, value in state.items() if isinstance(value, torch.Tensor)}
    stream.push(x[77:])
    assert all(torch.equal(state[name], value) for name, value in kept.items())


def test_shares_of_the_actions_are_wanted_in_proportion_to_b():
    x, _, prototypes = frames(300)
    b = torch.tensor([1.0, 0.0, 2.0, 1.0], dtype=torch.float64)
    found = pushed(stream_of(prototypes, window=100, lookahead=30, b=b), x)
    assert (found[:, 1] == 0).all()
    assert torch.isfinite(found).all()
    one = pushed(stream_of(prototypes, window=300, b=b), x)
    torch.testing.assert_close(one / 300, whole(x, prototypes, b=b / 4).plan[0])


def test_convex_problems_reach_their_optimum():
    """Without smoothness, enough passes reach the only optimum, that of Sinkhorn's algorithm."""
    x, _, prototypes = frames(300)
    cost = otseg.costs.cosine(x[None], prototypes)
    optimum = otseg.sinkhorn(cost, epsilon=0.1, rho_b=0.2, tol=1e-12, max_iter=10_000).plan[0] * 300
    shares = None
    for _ in range(4):
        stream = stream_of(
            prototypes,
            window=100,
            lookahead=0,
            alpha=0.0,
            radius=None,
            epsilon=0.1,
            rho_b=0.2,
            max_iter=60,
            shares=shares,
        )
        found, shares = pushed(stream, x), stream.shares if shares is None else (shares + stream.shares) / 2
    torch.testing.assert_close(found, optimum, rtol=0, atol=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_and_device(dtype, device):
    x, _, prototypes = (value.to(device) for value in frames(120))
    found = pushed(stream_of(prototypes.to(dtype), window=50), x.to(dtype))
    assert found.dtype == (torch.float32 if dtype == torch.bfloat16 else dtype)
    assert found.device.type == device.type
    torch.testing.assert_close(found.sum(dim=1), torch.ones_like(found[:, 0]))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_long_past_is_precise_in_float32(seed):
    """Six million decided frames change nothing in how exactly a window is solved.

    The noise is mild: a frame that is hard to tell may still move after the last iteration, and then rounding shows.
    """
    x, _, prototypes = frames(200, noise=1.0, seed=seed)
    found = []
    for dtype in (torch.float32, torch.float64):
        stream = stream_of(prototypes.to(dtype), window=100, lookahead=50)
        stream.push(x[:101].to(dtype))
        stream._sums *= 6_000_000 / stream._decided
        stream._decided = 6_000_000
        found.append(pushed(stream, x[101:].to(dtype)).double())
    torch.testing.assert_close(*found, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "`window` must be"),
        ({"window": 10, "lookahead": 10}, "`lookahead` must be below `window` = 10"),
        ({"window": 10, "lookahead": -1}, "`lookahead` must be"),
        ({"window": 10, "length": 0}, "`length` must be"),
        ({"window": 10, "order": 0.1}, "`length` must be given where the problem has an order prior"),
        ({"window": 10, "radius": 0.1}, "`length` must be given where the radius is a fraction"),
        ({"window": 10, "shares": torch.ones(3, 4)}, "`shares` must be of 25 rows"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        stream_of(torch.eye(4), **options)


def test_bad_blocks_are_refused():
    x, _, prototypes = frames(20)
    stream = stream_of(prototypes, window=10)
    with pytest.raises(ValueError, match="`block` must be of shape"):
        stream.push(x[0])
    x[3, 2] = torch.nan
    with pytest.raises(ValueError, match="`block` must be finite"):
        stream.push(x)
    with pytest.raises(ValueError, match="`shares` must be read after"):
        _ = stream.shares
    other = Stream(StreamProblem(lambda x: x[:, :1], epsilon=0.1), window=10)
    with pytest.raises(ValueError, match="`cost` must be of shape"):
        other.push(prototypes)
    with pytest.raises(ValueError, match="`b` must be of 4 actions"):
        stream_of(prototypes, window=10, b=torch.ones(3)).push(prototypes)
