"""Frames of videos through a feature extractor of Hugging Face ``transformers``, then segmented by otseg.

    python examples/interop_hugging_face.py
    python examples/interop_hugging_face.py --model facebook/dinov2-small      # downloads: a real extractor

Nothing is downloaded without ``--model``. Where ``transformers`` is installed, a tiny vision transformer with random
weights and its image processor are built from a config: the calls are the real ones, the features are poor. Where it
is not, a stand-in of a few lines below takes the same calls, and the output says so. With a model of the Hub (any
image encoder that ``AutoModel`` loads) only the argument changes. The videos are drawn: colored shapes that move,
four scenes that come in any order. Needs the extra ``train``.
"""

import argparse
import importlib.util
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import otseg

SCENES = 4


def draw_video(rng: np.random.Generator, size: int = 48) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames ``(size, size, 3)`` of 8-bit colors, as a video reader gives them, and the scene of each."""
    colors = np.array([[200, 60, 60], [60, 170, 90], [70, 90, 200], [210, 190, 80]])
    labels = np.repeat(rng.permutation(SCENES), rng.integers(20, 40, size=SCENES))
    row, column = np.mgrid[:size, :size] / size - 0.5
    frames = []
    for t, scene in enumerate(labels):
        angle = 0.3 * t
        y, x = row - 0.15 * np.sin(angle), column - 0.15 * np.cos(angle)
        shapes = (np.hypot(y, x), np.maximum(abs(y), abs(x)), abs(y) + abs(x), abs(y) * 3 + abs(x) / 3)
        inside = shapes[scene] < 0.2
        picture = np.where(inside[:, :, None], colors[scene], 235 - colors[scene] // 4)
        frames.append((picture + rng.normal(0, 12, picture.shape)).clip(0, 255).astype(np.uint8))
    return frames, labels


def stand_in() -> tuple[Any, Any]:
    """NOT an extractor of Hugging Face: two functions that are called and answer as its processors and models do.

    ``processor(images=..., return_tensors="pt")`` has ``pixel_values (B, 3, H, W)``, ``model(pixel_values=...)`` has
    ``last_hidden_state (B, 1 + patches, D)``; the tokens are random projections of patches.
    """
    generator = torch.Generator().manual_seed(0)
    projection = torch.randn(3 * 8 * 8, 32, generator=generator) / 4

    def processor(images: list[np.ndarray], return_tensors: str) -> dict[str, torch.Tensor]:
        assert return_tensors == "pt"
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
        return {"pixel_values": (torch.nn.functional.interpolate(pixels, size=(32, 32), mode="area") - 0.5) / 0.5}

    def model(pixel_values: torch.Tensor) -> SimpleNamespace:
        patches = torch.nn.functional.unfold(pixel_values, kernel_size=8, stride=8).transpose(1, 2)
        tokens = torch.tanh(patches @ projection)
        return SimpleNamespace(last_hidden_state=torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1))

    return processor, model


def load_extractor(name: str | None) -> tuple[str, Any, Any]:
    """What it is, its image processor, and the model."""
    if importlib.util.find_spec("transformers") is None:
        if name is not None:
            raise SystemExit("--model needs the package transformers: pip install transformers")
        return "a STAND-IN, for transformers is not installed", *stand_in()
    if name is not None:  # here is the place of a real extractor
        from transformers import AutoImageProcessor, AutoModel

        return name, AutoImageProcessor.from_pretrained(name), AutoModel.from_pretrained(name).eval()
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
    )
    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    return "transformers, a tiny ViT with RANDOM weights", processor, ViTModel(config, add_pooling_layer=False).eval()


@torch.no_grad()
def extract(frames: list[np.ndarray], processor: Any, model: Any, batch_size: int = 64) -> np.ndarray:
    """One row per frame: the mean of its tokens. It is all that otseg needs: ``(n_frames, D)``."""
    rows = []
    for i in range(0, len(frames), batch_size):
        inputs = processor(images=frames[i : i + batch_size], return_tensors="pt")
        rows.append(model(pixel_values=inputs["pixel_values"]).last_hidden_state.mean(dim=1))
    return torch.cat(rows).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="name on the Hugging Face Hub, or a folder; downloads")
    name = parser.parse_args().model
    begin = time.perf_counter()
    kind, processor, model = load_extractor(name)
    print(f"extractor: {kind}")

    rng = np.random.default_rng(0)
    videos, truth = zip(*(draw_video(rng) for _ in range(6)), strict=True)
    features = [extract(frames, processor, model) for frames in videos]
    print(f"{len(videos)} videos, {sum(map(len, features))} frames, {features[0].shape[1]} features of each")

    segmenter = otseg.OTSegmenter(n_actions=SCENES, random_state=0, model_options={"order": 0.0})
    labels = segmenter.fit_predict(features)
    matched = otseg.metrics.match(labels, truth, SCENES).apply(labels)
    print("\nvideo 0, what was found beside the truth, in frames (start, stop, scene):")
    for which, row in (("found", matched[0]), ("true", truth[0])):
        spans = otseg.decode.segments(torch.as_tensor(row))
        print(f"{which:>6} " + " ".join(f"({start}, {stop}, {scene})" for start, stop, scene in spans))
    score = segmenter.score(features, truth)
    print(f"\n{score:.1%} of all frames get their scene, {time.perf_counter() - begin:.0f} s, no label used.")
    print("The scenes differ in color, so that even random weights tell them apart; real videos want a real extractor.")
    assert score > 0.8


if __name__ == "__main__":
    main()
