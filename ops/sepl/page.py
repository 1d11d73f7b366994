"""The page of an evaluation: mIoU of every stage, by class, and the photos that the repair helped and hurt most."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ops.pictures import jpeg_under
from ops.sepl.evaluation import REFINED, ClassEvaluation, ImageScore, short_name
from ops.sepl.panels import Panels, extremes
from ops.settings import LimitSettings
from stores.home import Home
from stores.label_map_store import open_labels
from stores.label_maps import voc_palette

_SIDE = 200
_BYTES = 400_000
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 1700px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; } td, th { padding: .25rem .8rem; text-align: right; }
td:first-child, th:first-child { text-align: left; } tr:nth-child(even) { background: #8881; }
figure { margin: 1.2rem 0; } figure img { display: block; width: 100%; }
figcaption { font-size: .9rem; } .head { display: flex; gap: .35%; font-size: .8rem; font-weight: 600; }
.head span { flex: 1 1 0; overflow: hidden; }
.first { font-weight: 700; } .wide { overflow-x: auto; }
.key span { display: inline-block; padding: 0 .5rem; margin: 2px; color: #fff; }
.up { color: #1a8f3c; } .down { color: #c62828; }
"""
_FAILURES = """<h2>How it fails</h2><ul>
<li><b>A wrong activation is amplified</b>: a mask that is activated on a corner becomes the class as a whole. Only a
rule that asks for Os and Op together (<code>paper</code>) holds against it.</li>
<li><b>A mask joins two objects</b>: the class with more of it takes both.</li>
<li><b>Nested masks, and the larger wrong one wins</b>: Op grows with the mask, so <code>or</code> prefers what holds
the object and its surroundings.</li></ul>"""


def write_page(folder: Path, result: ClassEvaluation, panels: Panels, credits: Mapping[str, str]) -> Path:
    """Write `index.html` and its pictures; returns the page.

    Args:
        panels: of the photos that were scored.
        credits: line under a photo, by key.
    """
    folder.mkdir(parents=True, exist_ok=True)
    best, worst = extremes(result)
    figures = _Figures(folder, panels)
    shown = {
        name: [
            figures.figure(
                f"{name}-{number:02}.jpg", image.shard, image.key, _change(image, credits.get(image.key, ""))
            )
            for number, image in enumerate(images)
        ]
        for name, images in {"best": best, "worst": worst}.items()
    }
    body = [
        "<h1>From tags to class masks</h1>",
        f"<p>{len(result.images)} photos, mean IoU over one confusion matrix, background included.</p>",
        _stage_table(result),
        _key(result.labels),
        f"<h2>Ten best by change in IoU ({html.escape(result.shown)})</h2>",
        *shown["best"],
        "<h2>Ten worst</h2>",
        *shown["worst"],
        _FAILURES,
        "<h2>By class</h2>",
        _class_table(result),
    ]
    return _write(folder, body)


def write_gallery(
    folder: Path,
    home: Home,
    shards: Sequence[str],
    labels: tuple[str, ...],
    source: str,
    limits: LimitSettings,
    credits: Mapping[str, str],
) -> Path:
    """As `write_page` for photos without a true label map: every photo of the shards; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = _Figures(folder, Panels(home, labels, source, None, limits))
    photos = [(shard, key) for shard in shards for key in open_labels(home, "cam_labels", shard).keys]
    shown = [
        figures.figure(f"photo-{number:03}.jpg", shard, key, html.escape(credits.get(key, "")))
        for number, (shard, key) in enumerate(photos)
    ]
    lead = "<p>A person said which classes each photo shows, and nothing about where.</p>"
    return _write(folder, ["<h1>From tags to class masks</h1>", lead, _key(labels), *shown, _FAILURES])


@dataclass(frozen=True)
class _Figures:
    """Writes the pictures of a page into its folder, and the HTML around them."""

    folder: Path
    panels: Panels

    def figure(self, file: str, shard: str, key: str, caption: str) -> str:
        """Photo, activations, labels before and by each preset, and the truth; `caption` is HTML."""
        names, picture = self.panels.draw(shard, key, _SIDE)
        (self.folder / file).write_bytes(jpeg_under(picture, _BYTES))
        head = "".join(f"<span>{html.escape(name)}</span>" for name in names)
        return (
            f"<figure><div class=head>{head}</div><img loading=lazy src='{file}' alt='{html.escape(key)}'>"
            f"<figcaption>{html.escape(key)}: {caption}</figcaption></figure>"
        )


def _change(image: ImageScore, credit: str) -> str:
    side = "up" if image.change >= 0 else "down"
    number = f"<span class={side}>({100 * image.change:+.1f})</span>"
    return f"IoU {image.before:.1%} → {image.after:.1%} {number} {html.escape(credit)}"


def _write(folder: Path, body: Sequence[str]) -> Path:
    page = folder / "index.html"
    page.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>From tags to class masks</title><style>{_STYLE}</style><body>{''.join(body)}</body></html>"
    )
    return page


def _stage_table(result: ClassEvaluation) -> str:
    scores = result.mean_ious()
    best = max(scores, key=lambda stage: scores[stage])
    rows = [
        (short_name(stage), f"{value:.1%}", f"{100 * (value - scores[REFINED]):+.1f}")
        for stage, value in scores.items()
    ]
    return _table(("stage", "mIoU", "against refined"), rows, list(scores).index(best))


def _class_table(result: ClassEvaluation) -> str:
    ious = [confusion.ious() for confusion in result.confusions.values()]
    rows = [
        (label, *("-" if np.isnan(own[index]) else f"{own[index]:.1%}" for own in ious))
        for index, label in enumerate(result.labels)
    ]
    return _table(("class", *map(short_name, result.confusions)), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], first: int | None = None) -> str:
    """A table; row `first` stands out."""
    cells = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr{' class=first' if index == first else ''}>{row}</tr>" for index, row in enumerate(cells))
    return f"<div class=wide><table><tr>{top}</tr>{body}</table></div>"


def _key(labels: Sequence[str]) -> str:
    palette = voc_palette()
    items = [
        f"<span style='background:rgb({','.join(map(str, palette[index]))})'>{html.escape(name)}</span>"
        for index, name in enumerate(labels)
        if index
    ]
    return f"<p class=key>{''.join(items)}</p>"
