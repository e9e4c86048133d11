"""Time of Viterbi decoding: the compiled kernel against the reference in torch, and librosa and hmmlearn if installed.

python -m benchmarks.bench_viterbi [--repeats 5] [--quick] [--output FOLDER]
"""

import argparse
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy
import torch
from torch import Tensor

import otseg
from benchmarks._report import RESULTS, side_by_side, write
from otseg.decode import viterbi as decode
from otseg.ops.viterbi import reference_viterbi, viterbi

SHAPES = [(1, 5292, 8), (1, 9000, 48), (32, 256, 12)]
STAY = 0.9


def make(shape: tuple[int, int, int]) -> tuple[Tensor, dict[str, Tensor]]:
    """Log-probabilities of actions, and two chains: one price for every switch, and one of random probabilities."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(shape, generator=generator).log_softmax(dim=2)
    k = shape[2]
    free = torch.full((k, k), (1 - STAY) / (k - 1)).fill_diagonal_(STAY).log()
    random = torch.randn(k, k, generator=generator).log_softmax(dim=1)
    return scores, {"free": free[None], "random": random[None]}


def librosa_paths(scores: Tensor, chain: Tensor) -> Tensor:
    """One sequence after the other; librosa takes probabilities."""
    import librosa

    start = numpy.full(chain.shape[1], 1 / chain.shape[1])
    paths = [librosa.sequence.viterbi(s.T, chain[0].exp().numpy(), p_init=start) for s in scores.exp().numpy()]
    return torch.from_numpy(numpy.stack(paths).astype(numpy.int64))


def hmmlearn_paths(scores: Tensor, chain: Tensor) -> Tensor:
    """One sequence after the other, by the compiled function under hmmlearn's models, in float64."""
    from hmmlearn import _hmmc

    start, steps = numpy.full(chain.shape[1], 1 / chain.shape[1]), chain[0].double().exp().numpy()
    paths = [_hmmc.viterbi(start, steps, s)[1] for s in scores.double().numpy()]
    return torch.from_numpy(numpy.stack(paths).astype(numpy.int64))


PEERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"librosa": librosa_paths, "hmmlearn": hmmlearn_paths}


def compare(shape: tuple[int, int, int], kind: str, repeats: int) -> dict[str, object]:
    scores, chains = make(shape)
    chain = chains[kind]

    def ours() -> Tensor:
        return viterbi(scores, chain)[0]

    path = ours()
    assert torch.equal(path, reference_viterbi(scores, chain, None, None, None)[1])
    times = side_by_side(ours, lambda: reference_viterbi(scores, chain, None, None, None), repeats)
    row: dict[str, object] = {"shape (B, N, K)": shape, "chain": kind, "ours s": times["ours_s"]}
    row |= {"reference s": times["theirs_s"], "reference / ours": times["ratio"]}
    for name, peer in PEERS.items():
        if importlib.util.find_spec(name) is not None:
            assert (peer(scores, chain) == path).double().mean() > 0.99, f"{name} finds other paths"
            row[f"{name} / ours"] = side_by_side(ours, lambda peer=peer: peer(scores, chain), repeats)["ratio"]
    if kind == "free":
        whole = side_by_side(ours, lambda: decode(scores, self_probability=STAY), repeats)
        row["decode.viterbi s"] = whole["theirs_s"]
    else:
        row["decode.viterbi s"] = "-"
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="the last shape alone")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    shapes = SHAPES[-1:] if options.quick else SHAPES
    rows = [compare(shape, kind, options.repeats) for shape in shapes for kind in ("free", "random")]
    state = otseg.backend_info()
    kernel = "loaded" if state["cpu"].startswith("loaded") else state["cpu"]
    absent = [name for name in PEERS if importlib.util.find_spec(name) is None]
    notes = f"CPU kernel: {kernel} ({state['build']}). The op on log-probabilities in float32, without a mask; paths "
    notes += "equal those of the reference. `free`: one score for every switch, O(N K); `random`: any transitions, "
    notes += "O(N K^2). `decode.viterbi s` is the public function, with its checks of every score. Medians; ratios are "
    notes += "medians of ratios of runs that follow one another."
    notes += f" Not installed, so not compared: {', '.join(absent)}." if absent else ""
    write("bench_viterbi", "Viterbi: the compiled kernel", rows, notes, options.output)


if __name__ == "__main__":
    main()
