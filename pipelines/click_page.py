"""The page of `unsam click`: a photo, and masks that appear as one clicks (gradio)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from models.weights import WeightsUnavailable
from ops.pictures import resized
from ops.promptable.checks import COARSEST, FINEST, PromptError
from ops.promptable.desk import PromptDesk, Question
from ops.promptable.pictures import answered
from stores.images import UnreadableImage, decode_image

MOST_UPLOAD = "40mb"
_MOST_PIXELS = 60_000_000
_SIDE, _LEAST_SIDE = 1280, 640  # gradio maps clicks on photos that it shrank, not on those that CSS enlarged
_WANTED, _NOT_WANTED, _BOX = "what I mean", "what I do not mean", "box: two corners"
_HINT = "Click on the photo. A lone click may mean several things: choose on the right. More clicks make it clear."
# Two events at once would both begin from the same visit, and the later answer would undo the other.
_IN_TURN: dict[str, Any] = {"concurrency_id": "visit", "concurrency_limit": 1}
STYLE = """
.gradio-container {max-width: 1500px !important}
#photo img {cursor: crosshair; object-fit: scale-down}
#title {margin-bottom: -8px}
"""


@dataclass(frozen=True)
class Visit:
    """What one visitor sees: a photo, the prompt so far, the masks for it and which of them is shown.

    Attributes: corner, the first corner of a box that is being drawn.
    """

    photo: np.ndarray | None = None
    question: Question = field(default_factory=Question)
    corner: tuple[float, float] | None = None
    masks: np.ndarray | None = None
    scores: np.ndarray | None = None
    shown: int = 0


def build_page(desk: PromptDesk, photos: Sequence[Path]) -> gr.Blocks:
    """The page; `photos` are offered beside it, and others can be put in."""
    takes_granularity = desk.model.shape.granularity
    takes_text = desk.model.shape.text_dim > 0
    with gr.Blocks(title="unsam: click", analytics_enabled=False) as page:
        gr.Markdown("## Click, and see what it may mean", elem_id="title")
        visit = gr.State(Visit())
        with gr.Row():
            with gr.Column(scale=3):
                picture = gr.Image(
                    type="numpy", interactive=False, show_label=False, elem_id="photo", height=640, buttons=["download"]
                )
                told = gr.Markdown(_HINT, elem_id="told")
            with gr.Column(scale=1, min_width=300):
                tool = gr.Radio([_WANTED, _NOT_WANTED, _BOX], value=_WANTED, label="A click is on", elem_id="tool")
                candidate = gr.Radio([], label="It may mean", visible=False, elem_id="candidate")
                sized = gr.Checkbox(False, label="ask for one size", visible=takes_granularity, elem_id="sized")
                size = gr.Slider(
                    FINEST,
                    COARSEST,
                    value=0.5,
                    step=0.05,
                    label="part … whole",
                    visible=takes_granularity,
                    elem_id="size",
                )
                text = gr.Textbox(label="or in words", placeholder="a cat", visible=takes_text, elem_id="text")
                with gr.Row():
                    undo = gr.Button("Undo", elem_id="undo")
                    clear = gr.Button("Clear", elem_id="clear")
                upload = gr.UploadButton("Another photo", file_types=["image"], elem_id="upload")
        gallery = gr.Gallery(
            [str(path) for path in photos],
            columns=8,
            height=170,
            label="photos",
            visible=len(photos) > 1,
            allow_preview=False,
            elem_id="gallery",
        )
        shown = [visit, picture, candidate, told]
        extra = [sized, size, text]

        def open_photo(data: bytes) -> list[Any]:
            return _view(Visit(photo=_of_clickable_size(decode_image(data, _MOST_PIXELS))))

        def start() -> list[Any]:
            return open_photo(photos[0].read_bytes()) if photos else _view(Visit())

        def chosen(event: gr.SelectData) -> list[Any]:
            return _guarded(lambda: open_photo(photos[event.index].read_bytes()), Visit())

        def uploaded(place: str, now: Visit) -> list[Any]:
            return _guarded(lambda: open_photo(Path(place).read_bytes()), now)

        def clicked(
            now: Visit, tool: str, sized: bool, size: float, text: str | None, event: gr.SelectData
        ) -> list[Any]:
            if now.photo is None:
                return _view(now, "Put in a photo first.")
            x, y = (float(value) for value in event.index)
            following = _with_click(now, tool, x, y)
            return _asked(desk, following, sized and takes_granularity, size, text)

        def changed(now: Visit, sized: bool, size: float, text: str | None) -> list[Any]:
            return _asked(desk, now, sized and takes_granularity, size, text)

        def undone(now: Visit, sized: bool, size: float, text: str | None) -> list[Any]:
            question = now.question
            if now.corner is None:
                question = (
                    replace(question, clicks=question.clicks[:-1]) if question.clicks else replace(question, box=None)
                )
            return _asked(desk, replace(now, question=question, corner=None), sized and takes_granularity, size, text)

        def cleared(now: Visit) -> list[Any]:
            return [*_view(Visit(photo=now.photo)), ""]

        def picked(now: Visit, name: str | None) -> list[Any]:
            index = int(name.split(":")[0]) - 1 if name else 0
            return _view(replace(now, shown=index))[:2]

        page.load(start, None, shown)
        gallery.select(chosen, None, shown, **_IN_TURN)
        upload.upload(uploaded, [upload, visit], shown, **_IN_TURN)
        picture.select(clicked, [visit, tool, *extra], shown, trigger_mode="multiple", **_IN_TURN)
        for control in (sized, size):
            control.input(changed, [visit, *extra], shown, **_IN_TURN)
        text.submit(changed, [visit, *extra], shown, **_IN_TURN)
        undo.click(undone, [visit, *extra], shown, **_IN_TURN)
        clear.click(cleared, [visit], [*shown, text], **_IN_TURN)
        candidate.input(picked, [visit, candidate], [visit, picture], **_IN_TURN)
    return page


def _of_clickable_size(photo: np.ndarray) -> np.ndarray:
    height, width = photo.shape[:2]
    scale = _LEAST_SIDE / max(height, width)
    if scale <= 1:
        return resized(photo, _SIDE)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))


def _with_click(now: Visit, tool: str, x: float, y: float) -> Visit:
    """The visit after a click; the second corner of a box completes it."""
    question = now.question
    if tool != _BOX:
        return replace(now, question=replace(question, clicks=(*question.clicks, (x, y, int(tool == _WANTED)))))
    if now.corner is None:
        return replace(now, corner=(x, y))
    left, right = sorted((now.corner[0], x))
    top, bottom = sorted((now.corner[1], y))
    return replace(now, question=replace(question, box=(left, top, right, bottom)), corner=None)


def _asked(desk: PromptDesk, now: Visit, sized: bool, size: float, text: str | None) -> list[Any]:
    """The answer to a visit's prompt, or what is wrong with it."""
    if now.photo is None:
        return _view(now, "Put in a photo first.")
    photo = now.photo
    question = replace(now.question, text=(text or "").strip() or None, granularity=size if sized else None)
    cleared = replace(now, masks=None, scores=None, shown=0)
    if question.empty:
        return _view(cleared, "Now the opposite corner." if now.corner else _HINT)
    if now.corner is not None:
        return _view(now, "Now the opposite corner.")

    def ask() -> list[Any]:
        masks, scores = desk.ask(photo, question)
        return _view(replace(cleared, masks=masks, scores=scores))

    return _guarded(ask, cleared)


def _guarded(work: Any, otherwise: Visit) -> list[Any]:
    """What `work` makes of a visit; what cannot be done is said on the page, and the page goes on."""
    try:
        return work()
    except (PromptError, WeightsUnavailable, UnreadableImage) as error:
        return _view(otherwise, f"**{error}**")


def _view(now: Visit, message: str | None = None) -> list[Any]:
    """State, picture, candidates and the line below the picture."""
    if now.photo is None:
        return [now, None, gr.Radio(visible=False), message or "Put in a photo to begin."]
    question = now.question
    mask = None if now.masks is None else now.masks[now.shown]
    clicks = [*question.clicks, *([(*now.corner, 1)] if now.corner else [])]
    drawn = answered(now.photo, mask, clicks, question.box, _SIDE)
    if now.masks is None or now.scores is None:
        return [now, drawn, gr.Radio(visible=False), message or _HINT]
    names = [
        f"{index + 1}: {found.mean():.1%} of the photo, sure to {score:.0%}"
        for index, (found, score) in enumerate(zip(now.masks, now.scores.clip(0, 1), strict=True))
    ]
    said = f"{names[now.shown].partition(': ')[2]}"
    several = len(names) > 1
    return [now, drawn, gr.Radio(names, value=names[now.shown], visible=several), message or said]
