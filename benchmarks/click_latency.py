"""One click after the embedding, on the CPU: six masks of a photo of 1024 pixels (SAM's own claim: 50 ms).

    python -m benchmarks.click_latency [--model FILE]

Without a file the model has the papers' shape and random weights, which take as long as learned ones.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import torch
from PIL import Image
from skimage import data

from benchmarks.machine import alternate, describe_machine, median_ratio, verdict
from models.backbone import resolve_precision
from models.prompt_encoder import cell_positions
from models.promptable import PromptableModel, load_promptable
from models.promptable_config import PromptableConfig
from ops.promptable.predictor import Predictor

_BAR = 0.050
_ROUNDS = 15


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a .safetensors file; empty: the papers' shape, random weights")
    file = parser.parse_args().model
    model = load_promptable(file) if file else random_model(1024)
    photo = np.asarray(Image.fromarray(data.astronaut()).resize((1024, 1024)))
    predictor, exact = Predictor(model), Predictor(model, precision="float32")
    for one in (predictor, exact):
        one.set_image(photo)
    click, label = np.array([[500, 400]]), np.array([1])

    def ours() -> None:
        predictor.predict(click, label)

    def ours_exact() -> None:
        exact.predict(click, label)

    def stock() -> None:
        """transformers' decoder and SAM's two interpolations on the same click."""
        encoder, decoder = model.prompt_encoder, model.mask_decoder
        points = torch.from_numpy(exact.transform.apply_coords(click))[None, None]
        sparse, dense = encoder(points, torch.ones(1, 1, 1), None, None)
        embedding = exact.get_image_embedding()
        positions = cell_positions(encoder, embedding.shape[-2:])
        low, _ = decoder(embedding, positions, sparse, dense, True)
        _ = (exact.transform.enlarged(low[0]) > 0).numpy()

    ours(), ours_exact(), stock()
    times, exact_times, theirs = alternate(ours, ours_exact, stock, rounds=_ROUNDS)
    median = statistics.median(times)
    precision = str(resolve_precision("auto", "cpu")).removeprefix("torch.")
    print(describe_machine())
    print(f"input {model.shape.image_size} px, photo 1024 x 1024, {model.shape.outputs} masks, {_ROUNDS} rounds")
    print(f"a click in {precision}: {_milliseconds(times)}; bar 50 ms: {verdict(median <= _BAR)}")
    print(f"a click in float32: {_milliseconds(exact_times)}")
    slower = median_ratio(theirs, exact_times)
    print(f"transformers' decoder in float32: {_milliseconds(theirs)}, {slower:.2f} times ours in float32")


def _milliseconds(times: list[float]) -> str:
    return f"{1000 * statistics.median(times):.1f} ms (least {1000 * min(times):.1f})"


def random_model(side: int, outputs: int = 6) -> PromptableModel:
    """The papers' shape on a ResNet-50, weights at random."""
    torch.manual_seed(0)
    return PromptableModel(PromptableConfig(backbone="augnet_resnet50", image_size=side, outputs=outputs)).eval()


if __name__ == "__main__":
    main()
