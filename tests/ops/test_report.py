"""What the report's page carries: every mask to the pixel, any text as text, nothing from elsewhere."""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from ops.mask_colours import mask_colours
from ops.report import PAGE_SIDE, ReportItem, report_page, write_report
from stores.masks import MaskSet
from tests.ops.nested_samples import nested_felzenszwalb


@pytest.fixture(scope="module")
def rocket() -> np.ndarray:
    return data.rocket()[::2, ::2].copy()


@pytest.fixture(scope="module")
def nested(rocket: np.ndarray) -> MaskSet:
    return nested_felzenszwalb(rocket, (60, 300))


def block(page: str, name: str) -> dict:
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)[1])


def read_varints(packed: bytes) -> list[int]:
    numbers, value, shift = [], 0, 0
    for byte in zlib.decompress(packed):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value // 2 if value % 2 == 0 else -(value + 1) // 2)
            value = shift = 0
    return numbers


def dense_masks(layer: dict, height: int, width: int) -> list[np.ndarray]:
    """The masks of a layer by the format's words alone: run by run, each told from the one before."""
    numbers = iter(read_varints(base64.b64decode(layer["bytes"])))
    masks = []
    for runs in layer["runs"]:
        flat, start, length = np.zeros(height * width, bool), -width, 0
        for _ in range(runs):
            start += width + next(numbers)
            length += next(numbers)
            flat[start : start + length] = True
        masks.append(flat.reshape(height, width))
    assert next(numbers, None) is None
    return masks


def test_every_mask_is_in_the_page_to_the_pixel(rocket: np.ndarray, nested: MaskSet) -> None:
    layer = block(report_page([ReportItem("rocket", rocket, {"tree": nested})], "t"), "photo-0")["layers"][0]
    for index, mask in enumerate(dense_masks(layer, *nested.size)):
        np.testing.assert_array_equal(mask, nested.dense(index))
    assert layer["parent"] == nested.parent.tolist()
    assert layer["area"] == nested.areas().tolist()
    np.testing.assert_allclose(layer["score"], nested.score, atol=1e-4)
    np.testing.assert_allclose(layer["granularity"], nested.granularity, atol=1e-4)
    assert layer["theta"] == [None] * len(nested)
    assert set(layer["source"]) == {"tree"}
    assert base64.b64decode(layer["colours"]) == mask_colours(nested).tobytes()


@pytest.mark.parametrize("seed", range(4))
def test_masks_of_any_shape_survive(seed: int) -> None:
    random = np.random.default_rng(seed)
    masks = random.random((12, 30, 41)) < random.random((12, 1, 1)) ** 2
    masks[0], masks[1] = False, True
    layer = block(
        report_page([ReportItem("noise", np.zeros((30, 41, 3), np.uint8), {"l": found(masks)})], "t"), "photo-0"
    )
    for decoded, mask in zip(dense_masks(layer["layers"][0], 30, 41), masks, strict=True):
        np.testing.assert_array_equal(decoded, mask)


def found(masks: np.ndarray) -> MaskSet:
    return MaskSet.from_dense(masks, masks.shape[1:], granularity=0.5)


def test_a_set_without_granularity_gets_its_tree(rocket: np.ndarray) -> None:
    outer, inner = np.zeros((2, *rocket.shape[:2]), bool)
    outer[10:100, 10:100], inner[20:40, 20:40] = True, True
    masks = MaskSet.from_dense([inner, outer], outer.shape)
    layer = block(report_page([ReportItem("r", rocket, {"divide": masks})], "t"), "photo-0")["layers"][0]
    assert layer["parent"] == [1, -1]
    assert layer["level"] == [1, 0]
    np.testing.assert_allclose(layer["granularity"], [0.1, 1])


def test_a_large_photo_is_scaled_down_and_its_areas_are_not() -> None:
    image = np.zeros((4000, 5000, 3), np.uint8)
    big, tiny = np.ones((2000, 2000), bool), np.ones((2, 2), bool)
    boxes = [[100, 100, 2000, 2000], [52, 52, 2, 2]]
    masks = MaskSet.from_crops(image.shape[:2], boxes, [big, tiny], granularity=[1, 0.1])
    page = report_page([ReportItem("large", image, {"l": masks})], "t")
    photo = block(page, "photo-0")
    assert max(photo["width"], photo["height"]) == PAGE_SIDE
    assert photo["layers"][0]["area"] == [4_000_000]
    assert photo["layers"][0]["hidden"] == 1
    assert block(page, "report")["photos"][0]["layers"] == [{"name": "l", "count": 2, "hidden": 1}]
    with Image.open(io.BytesIO(base64.b64decode(photo["image"].partition(",")[2]))) as picture:
        assert picture.size == (photo["width"], photo["height"])


def test_six_photos_of_five_hundred_masks_stay_under_eight_megabytes(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (768, 1024, 3), np.uint8)
    rows, columns = np.mgrid[:768, :1024]
    cell = (rows + 6 * np.sin(columns / 9)).astype(int) // 36 * 32 + (columns + 7 * np.cos(rows / 8)).astype(int) // 44
    cells = MaskSet.from_dense([cell == label for label in np.unique(cell)[:500]], cell.shape, granularity=0.5)
    assert len(cells) == 500
    items = [ReportItem(str(number), image, {"tree": cells}) for number in range(6)]
    assert write_report(tmp_path / "index.html", items, "t").stat().st_size < 8_000_000


UNSAFE = [
    "</script><script>alert(1)</script>.jpg",
    "<!--<script>",
    "a&amp;\u2028b",
    '"><img src=x onerror=alert(1)>',
    "$title",
]


@pytest.mark.parametrize("text", UNSAFE)
def test_no_text_leaves_its_place(text: str, rocket: np.ndarray) -> None:
    item = ReportItem(text, rocket, {text: MaskSet.empty(rocket.shape[:2])}, credit=text, notes=[text])
    page = report_page([item], text, [{text: text}], {text: text})
    plain = report_page(
        [ReportItem("n", rocket, {"l": MaskSet.empty(rocket.shape[:2])}, "c", ["n"])], "t", [{"a": "b"}]
    )
    for tag in ("<script", "</script", "<img", "<!--"):
        assert page.count(tag) == plain.count(tag)
    report = block(page, "report")
    assert report["photos"][0]["name"] == report["photos"][0]["credit"] == report["photos"][0]["notes"][0] == text
    assert report["table"]["columns"] == [text]
    assert report["figures"] == [[text, text]]


def test_the_page_refers_to_nothing_outside_itself(rocket: np.ndarray, nested: MaskSet) -> None:
    page = report_page([ReportItem("rocket", rocket, {"tree": nested})], "t")
    assert not re.findall(r"""(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}""", re.sub(r"data:[^\"]*", "", page))
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    ("value", "text", "number"),
    [
        (1234567, "1,234,567", True),
        (np.int64(7), "7", True),
        (3.14159, "3.14", True),
        (np.float32(1234.56), "1,234.6", True),
        (float("nan"), "nan", True),
        (True, "True", False),
        (None, "", False),
        ("<b>", "<b>", False),
    ],
)
def test_table_cells(value: object, text: str, number: bool) -> None:
    table = block(report_page([], "t", [{"a": "x", "b": value}, {"a": "y"}]), "report")["table"]
    assert table["columns"] == ["a", "b"]
    assert table["rows"][0][1] == {"text": text, "number": number}
    assert table["rows"][1][1] == {"text": "", "number": False}


def test_default_figures_count_the_last_layer(rocket: np.ndarray, nested: MaskSet) -> None:
    empty = MaskSet.empty(rocket.shape[:2])
    items = [ReportItem("a", rocket, {"divide": empty, "tree": nested}), ReportItem("b", rocket, {"tree": empty})]
    figures = dict(block(report_page(iter(items), "t"), "report")["figures"])
    assert figures == {"photos": "2", "masks": f"{len(nested):,}", "masks a photo": f"{len(nested) / 2:,.0f}"}


def test_a_page_begins_with_the_layer_that_is_named(rocket: np.ndarray, nested: MaskSet) -> None:
    """Its figures are that layer's; a photo without it shows its last one."""
    one = nested.take([0])
    items = [ReportItem("a", rocket, {"tree": nested, "model": one}), ReportItem("b", rocket, {"model": one})]
    report = block(report_page(iter(items), "t", shown="tree"), "report")
    assert report["shown"] == "tree"
    assert dict(report["figures"])["masks"] == f"{len(nested) + 1:,}"


def test_masks_of_another_photo_are_refused(rocket: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"rocket: masks 'tree' of \(H, W\) = \(3, 4\)"):
        report_page([ReportItem("rocket", rocket, {"tree": MaskSet.empty((3, 4))})], "t")


def test_a_failed_write_leaves_the_old_page(tmp_path: Path, rocket: np.ndarray) -> None:
    path = write_report(tmp_path / "deep" / "index.html", [], "old")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="masks"):
        write_report(path, [ReportItem("r", rocket, {"l": MaskSet.empty((1, 1))})], "new")
    assert path.read_bytes() == before
    assert [child.name for child in path.parent.iterdir()] == ["index.html"]


def test_the_same_photos_make_the_same_page(rocket: np.ndarray, nested: MaskSet) -> None:
    first, second = (report_page([ReportItem("r", rocket, {"tree": nested})], "t") for _ in range(2))
    assert first == second
