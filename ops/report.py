"""The report: one self-contained web page on which a person slides through the masks of each photo."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from ops.mask_partition import fitted_size
from ops.mask_tree import build_tree
from ops.pictures import jpeg_under, overlay_at_granularity, resized
from ops.report_data import layer_data
from stores.masks import MaskSet

PAGE_SIDE = 1024
PHOTO_BYTES = 400_000
THUMBNAIL_SIDE, THUMBNAIL_BYTES, THUMBNAIL_REGIONS = 180, 12_000, 12
SCRIPTS = ("layer.js", "contours.js", "pane.js", "inspector.js", "viewer.js", "page.js")

Row = Mapping[str, object]


@dataclass(frozen=True)
class ReportItem:
    """One photo of the report.

    Attributes:
        name: what the page calls it; any text.
        image: (H, W, 3) uint8; a large one is scaled down for the page.
        layers: sets of masks of that photo by name, in the order of the page's buttons; the last is shown first. A set
            without granularity gets its tree from `build_tree`.
        credit: whom to thank for the photo.
        notes: lines shown beside the photo.
    """

    name: str
    image: np.ndarray
    layers: Mapping[str, MaskSet]
    credit: str | None = None
    notes: Sequence[str] = field(default_factory=tuple)


def write_report(
    path: str | Path,
    items: Iterable[ReportItem],
    title: str,
    table: Sequence[Row] | None = None,
    figures: Mapping[str, str] | None = None,
    shown: str | None = None,
) -> Path:
    """Write `report_page` to a file, whole or not at all; folders above it are made.

    Returns:
        the path written.

    Raises:
        ValueError: as `report_page`.
        OSError: the file cannot be written; an older one then stays as it was.
    """
    page = report_page(items, title, table, figures, shown)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(page, encoding="utf-8")
    os.replace(partial, path)
    return path


def report_page(
    items: Iterable[ReportItem],
    title: str,
    table: Sequence[Row] | None = None,
    figures: Mapping[str, str] | None = None,
    shown: str | None = None,
) -> str:
    """One HTML page that needs no other file and no network: photos, masks, granularity slider, inspector.

    Texts may hold anything: they reach the page as JSON and are set as text, and the page's content security policy
    runs no script but its own.

    Args:
        items: the photos, consumed one at a time.
        title: heading of the page.
        table: rows of the table on top, each a mapping from column to value; numbers are set flush right.
        figures: the few numbers beside the title, by name; by default photos, masks and masks a photo.
        shown: layer that the page begins with; by default the last one.

    Raises:
        ValueError: an image that is not (H, W, 3) uint8, or masks of another size than their image.
    """
    photos, index = [], []
    for number, item in enumerate(items):
        data, entry = _photo(item, shown)
        photos.append(_json_block(f"photo-{number}", data))
        index.append(entry)
    report = {
        "figures": list((figures or _default_figures(index, shown)).items()),
        "table": _table(table or []),
        "shown": shown,
        "photos": index,
    }
    page = files("ops").joinpath("report_page")
    style = page.joinpath("page.css").read_text("utf-8")
    script = "\n".join(page.joinpath(name).read_text("utf-8") for name in SCRIPTS)
    return Template(page.joinpath("page.html").read_text("utf-8")).substitute(
        title=html.escape(title),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data="\n".join([_json_block("report", report), *photos]),
    )


def _photo(item: ReportItem, shown: str | None) -> tuple[dict[str, object], dict[str, object]]:
    """The photo's own data block, and its entry in the page's index."""
    for name, masks in item.layers.items():
        if tuple(masks.size) != item.image.shape[:2]:
            sizes = f"masks {name!r} of (H, W) = {tuple(masks.size)} on an image of {item.image.shape[:2]}"
            raise ValueError(f"{item.name}: {sizes}")
    layers = {name: _with_tree(masks) for name, masks in item.layers.items()}
    packed = [layer_data(name, masks, PAGE_SIDE) for name, masks in layers.items()]
    height, width = fitted_size(item.image.shape[:2], PAGE_SIDE)
    data = {
        "width": width,
        "height": height,
        "image": _data_url(jpeg_under(resized(item.image, PAGE_SIDE), PHOTO_BYTES)),
        "layers": packed,
    }
    entry: dict[str, object] = {
        "name": item.name,
        "credit": item.credit,
        "notes": list(item.notes),
        "thumbnail": _data_url(jpeg_under(_thumbnail(item.image, layers, shown), THUMBNAIL_BYTES)),
        "layers": [
            {"name": name, "count": len(masks), "hidden": layer["hidden"]}
            for (name, masks), layer in zip(layers.items(), packed, strict=True)
        ],
    }
    return data, entry


def _with_tree(masks: MaskSet) -> MaskSet:
    return build_tree(masks) if np.isnan(masks.granularity).any() else masks


def _thumbnail(image: np.ndarray, layers: Mapping[str, MaskSet], shown: str | None) -> np.ndarray:
    """The layer that the page begins with, at a granularity where about a dozen regions show."""
    masks = layers.get(shown or "", list(layers.values())[-1]) if layers else MaskSet.empty(image.shape[:2])
    if not len(masks):
        return resized(image, THUMBNAIL_SIDE)
    granularity = np.sort(masks.granularity)[-min(len(masks), THUMBNAIL_REGIONS)]
    return overlay_at_granularity(image, masks, float(granularity), THUMBNAIL_SIDE)


def _default_figures(index: Sequence[dict], shown: str | None) -> dict[str, str]:
    counts = []
    for photo in index:
        by_name = {layer["name"]: layer["count"] for layer in photo["layers"]}
        if by_name:
            counts.append(by_name.get(shown, list(by_name.values())[-1]))
    figures = {"photos": f"{len(index):,}"}
    if counts:
        figures |= {"masks": f"{sum(counts):,}", "masks a photo": f"{statistics.median(counts):,.0f}"}
    return figures


def _table(rows: Sequence[Row]) -> dict[str, object]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {"columns": columns, "rows": [[_cell(row.get(name)) for name in columns] for row in rows]}


def _cell(value: object) -> dict[str, object]:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return {"text": f"{value:,}", "number": True}
    if isinstance(value, float | np.floating):
        number = float(value)
        return {"text": f"{number:,.2f}" if abs(number) < 10 else f"{number:,.1f}", "number": True}
    return {"text": "" if value is None else str(value), "number": False}


def _json_block(name: str, value: object) -> str:
    """A block of JSON that no text inside it can close."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="{name}">{text}</script>'


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _hash(text: str) -> str:
    """The hash by which a content security policy allows one inline script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
