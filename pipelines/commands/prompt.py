"""`unsam segment` with prompts, `unsam learn-prompts` and `unsam evaluate-prompts`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.commands.console import err, errors_in_one_line, out, table
from pipelines.instance import open_instance
from pipelines.prompting import PromptingRequest, evaluate_prompts, learn_prompts
from stores.home import Home
from stores.location import Location

if TYPE_CHECKING:
    import numpy as np

    from ops.promptable.predictor import Predictor
    from stores.masks import MaskSet

_PICTURE_SIDE = 1600


@dataclass(frozen=True)
class AskedFor:
    """One prompt as typed: points `x,y` (with `,0` for background), a box `x,y,w,h`, a text, a granularity."""

    points: tuple[str, ...] = ()
    box: str | None = None
    text: str | None = None
    granularity: float | None = None
    clip: str | None = None

    @property
    def anything(self) -> bool:
        return bool(self.points or self.box or self.text)


@dataclass(frozen=True)
class ParsedPrompt:
    """Clicks (x, y, label) and a box of left, top, right, bottom, in pixels of the photo."""

    clicks: list[tuple[float, float, int]] = field(default_factory=list)
    box: list[float] | None = None


def parse(asked: AskedFor) -> ParsedPrompt:
    """
    Raises:
        ValueError: a point or box that is not of its form.
    """
    clicks = [_numbers(point, (2, 3), "--point", "x,y or x,y,0 for background") for point in asked.points]
    box = None
    if asked.box:
        x, y, w, h = _numbers(asked.box, (4,), "--box", "x,y,w,h")
        box = [x, y, x + w, y + h]
    return ParsedPrompt([(c[0], c[1], int(c[2]) if len(c) > 2 else 1) for c in clicks], box)


def segment_prompt(photos: Sequence[str], model: str, output: Path, asked: AskedFor) -> int:
    """Write `output`/NAME.jpg (the best mask) and NAME.json (all masks, SA-1B's form) for one prompt."""
    from models.backbone import best_device
    from models.weights import WeightsUnavailable
    from ops.promptable.files import load_promptable_named
    from ops.promptable.predictor import Predictor
    from ops.promptable.text import TextEncoder
    from stores.images import UnreadableImage, decode_image
    from stores.versions import IncompleteVersion, NoVersion

    if len(photos) != 1:
        with errors_in_one_line(ValueError):
            raise ValueError("points and boxes are of one photo: name one")
    expected = (NoVersion, IncompleteVersion, WeightsUnavailable, FileNotFoundError, UnreadableImage, ValueError)
    with errors_in_one_line(*expected):
        prompt = parse(asked)
        device = best_device()
        network = load_promptable_named(Home.from_environment(), model, device)
        wants_text = asked.text is not None and network.shape.text_dim > 0
        encoder = TextEncoder(asked.clip, device) if wants_text and asked.clip else None
        predictor = Predictor(network, text_encoder=encoder)
        image = decode_image(Location(photos[0]).read_bytes())
        predictor.set_image(image)
        masks, shown = answer(predictor, prompt, asked)
    _write(image, masks, shown, prompt, Location(photos[0]).name, output)
    return 0


def answer(predictor: Predictor, prompt: ParsedPrompt, asked: AskedFor) -> tuple[MaskSet, np.ndarray]:
    """All masks for a prompt by falling score, and the best as (H, W) bool."""
    import numpy as np

    from stores.masks import SOURCES, MaskSet

    clear = prompt.box is not None or len(prompt.clicks) > 1 or asked.text is not None
    found, scores, _ = predictor.predict(
        np.array([click[:2] for click in prompt.clicks]) if prompt.clicks else None,
        np.array([click[2] for click in prompt.clicks]) if prompt.clicks else None,
        None if prompt.box is None else np.array(prompt.box),
        multimask_output=not clear,
        text=asked.text,
        granularity=asked.granularity,
    )
    order = np.argsort(-scores, kind="stable")
    masks = MaskSet.from_dense(
        found[order], predictor.original_size, score=scores[order], source=SOURCES.index("prompt")
    )
    return masks, found[order[0]]


def learning_request(
    preset: str,
    config: Path | None,
    overrides: Sequence[str],
    labels: str,
    workers: int,
    force: bool,
    plus: bool,
    everything: bool,
) -> PromptingRequest:
    """A request whose settings resolve; a wrong one ends the command with its reason."""
    from ops.presets import SettingsError, read_settings_file
    from ops.promptable.request import resolve_prompting

    with errors_in_one_line(SettingsError):
        values = read_settings_file(config) if config else {}
        resolve_prompting(preset, values, overrides)
    return PromptingRequest(preset, values, tuple(overrides), workers, force, labels, plus, everything)


def learn(request: PromptingRequest, shards: Sequence[str]) -> int:
    """Train a promptable model on labelled shards; exit code 1 where a step failed."""
    from pipelines.commands.train import follow

    return follow(shards, lambda instance, chosen: learn_prompts(instance, chosen, request))


def evaluate(
    names: Sequence[str], file: Path | None, limit: int | None, models: Sequence[str], overrides: Sequence[str]
) -> int:
    """Print a table for each dataset; exit code 1 where one could not be scored."""
    from ops.datasets import load_datasets, pick
    from ops.ground_truth import DatasetError
    from ops.presets import SettingsError, merged, parse_override, validated
    from ops.prompt_evaluation.settings import PromptEvaluationSettings
    from ops.prompt_evaluation.table import rows

    register = str(file.absolute()) if file else ""
    values: dict[str, Any] = {}
    with errors_in_one_line(DatasetError, SettingsError):
        for override in overrides:
            values = merged(values, parse_override(override))
        validated(values, PromptEvaluationSettings)
        datasets = [dataset.name for dataset in pick(load_datasets(register), names)]
    config = {"file": register, "limit": limit or 0, "models": list(models), "settings": values}
    failed = False
    with open_instance(Home.from_environment()) as instance:
        for done in evaluate_prompts(instance, datasets, config):
            if done.error:
                failed = True
                err.print(f"[red]{done.shard} failed:[/red] {done.error}", highlight=False, soft_wrap=True)
                continue
            told = done.metadata["prompt_evaluation"]
            head, *rest = rows(told["scores"])
            out.print(table(f"{done.shard}: {told['images']} images, {done.seconds:.0f} s", head, rest))
            for model, reason in told.get("no_texts", {}).items():
                out.print(f"no texts for {model}: {reason}", highlight=False, soft_wrap=True)
    return 1 if failed else 0


def _write(image: np.ndarray, masks: MaskSet, shown: np.ndarray, prompt: ParsedPrompt, name: str, output: Path) -> None:
    from PIL import Image

    from ops.promptable.pictures import answered
    from stores.sa1b import write_sa1b

    write_sa1b(str(output), [(name, masks)])
    picture = io.BytesIO()
    drawn = answered(image, shown, prompt.clicks, prompt.box, _PICTURE_SIDE)
    Image.fromarray(drawn).save(picture, "JPEG", quality=92)
    (Location(str(output)) / f"{Path(name).stem}.jpg").write_bytes(picture.getvalue())
    areas = masks.areas()
    rows = [
        (index + 1, float(100 * masks.score[index]), int(areas[index]), "x".join(map(str, masks.boxes[index][2:])))
        for index in range(len(masks))
    ]
    out.print(table(f"{name} in {output}/", ["mask", "predicted IoU, %", "pixels", "box"], rows))


def _numbers(text: str, counts: tuple[int, ...], option: str, form: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in counts:
        raise ValueError(f"{option} {text!r} is not of the form {form}")
    return values
