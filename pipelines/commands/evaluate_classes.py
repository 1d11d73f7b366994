"""`unsam evaluate-classes`: mean IoU of every stage on the way from tags to class masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.commands.console import err, errors_in_one_line, out, table
from stores.home import Home
from stores.location import Location
from stores.manifests import registered
from stores.versions import NoVersion


def evaluate_classes(
    truth: str, shards: Sequence[str], masks: Sequence[str], most_masks: int | None, page: Path | None
) -> int:
    """Score shards against true label maps and print a table; write a page where one is wanted."""
    from ops.confusion import MismatchedLabels
    from ops.sample_photos import credit_of
    from ops.sepl.evaluation import REFINED, evaluate_shards, open_truth
    from ops.sepl.page import write_page
    from ops.sepl.tag_stage import open_tags
    from ops.settings import LimitSettings
    from stores.annotations import BadAnnotations
    from stores.label_maps import BadLabelMap

    home = Home.from_environment()
    sources = list(masks) or ["hierarchical_masks"]
    with errors_in_one_line(NoVersion, MismatchedLabels, BadAnnotations, BadLabelMap, FileNotFoundError):
        labels = open_tags(home).labels
        true = open_truth(Location(truth), labels)
        result = evaluate_shards(home, list(shards) or registered(home), true, labels, sources, most_masks)
    for name in result.missing[:5]:
        err.print(f"no true label map of {name}", highlight=False)
    refined = result.confusions[REFINED].mean_iou()
    rows = [
        (name, f"{100 * value:.2f}", f"{100 * (value - refined):+.2f}") for name, value in result.mean_ious().items()
    ]
    title = f"{len(result.images)} photos, {len(result.missing)} without truth"
    out.print(table(title, ["labels", "mIoU, %", "against refined"], rows))
    if page is not None:
        credits = {image.key: credit_of(image.key) or "" for image in result.images}
        written = write_page(page, home, result, true, sources[0], most_masks, LimitSettings(), credits)
        out.print(f"Open [bold]{written}[/bold]")
    return 0
