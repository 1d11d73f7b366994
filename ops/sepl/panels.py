"""All stages of one photo side by side, for the page and for the user interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from ops.pictures import contact_sheet
from ops.sepl.evaluation import (
    OTHER_STAGES,
    SEMANTIC,
    ClassEvaluation,
    ImageScore,
    Truth,
    made_from_tags,
    optional_labels,
)
from ops.sepl.label_stages import masks_of
from ops.sepl.pictures import captioned, panel
from ops.settings import LimitSettings
from ops.stage_workers import read_image
from stores.home import Home
from stores.label_map_store import open_labels
from stores.manifests import source_of

EXTREMES = 10
TRUTH = "truth"


@dataclass(frozen=True)
class Panels:
    """Draws photo, activations and label maps of a photo.

    Attributes:
        labels: names, the background first.
        source: masks whose repairs are shown, the best `most_masks` of them.
        truth: None where it is not known.
    """

    home: Home
    labels: tuple[str, ...]
    source: str
    most_masks: int | None
    limits: LimitSettings
    truth: Truth | None = None

    def draw(self, shard: str, key: str, side: int) -> tuple[list[str], np.ndarray]:
        """Names of the tiles, and the tiles beside each other, (h, w, 3) uint8; `side` is that of a tile in pixels."""
        photo = read_image(source_of(self.home, shard).open(), key, self.limits)
        cams = open_labels(self.home, "cam_labels", shard)
        masks = {self.source: masks_of(self.home, shard, self.source)}
        layers = made_from_tags(cams, masks, key, len(self.labels), self.most_masks)
        semantic = optional_labels(self.home, OTHER_STAGES[SEMANTIC], shard)
        if semantic is not None and key in semantic:
            layers[SEMANTIC] = semantic.layer(key, "labels")
        if self.truth is not None:
            layers[TRUTH] = self.truth[PurePosixPath(key).stem]()
        names = ["photo", "heat", *(name.partition(",")[0] for name in layers)]
        return names, panel(photo, cams.layer(key, "heat"), layers, side)

    def sheet(self, images: Sequence[ImageScore], side: int) -> np.ndarray:
        """A row for each image under the names of the columns, its change in IoU on its photo, (h, w, 3) uint8."""
        rows = []
        for image in images:
            names, row = self.draw(image.shard, image.key, side)
            rows.append(captioned(row, {0: f"{100 * image.change:+.1f}"}, side))
            if len(rows) == 1:
                head = np.full((18, row.shape[1], 3), 255, np.uint8)
                rows.insert(0, captioned(head, dict(enumerate(names)), side))
        return contact_sheet(rows, columns=1, tile=max((row.shape[1] for row in rows), default=side))


def extremes(result: ClassEvaluation) -> tuple[list[ImageScore], list[ImageScore]]:
    """The images that the repair helped most, the best first, and those that it hurt most, the worst first."""
    ranked = sorted(result.images, key=lambda image: image.change)
    return ranked[::-1][:EXTREMES], ranked[:EXTREMES]
