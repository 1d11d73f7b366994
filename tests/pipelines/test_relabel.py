"""SEPL from files alone, as somebody who has the authors' folders would run it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from typer.testing import CliRunner

from pipelines.cli import app
from stores.coco import write_coco
from stores.label_maps import BadLabelMap, read_label_map, voc_palette, write_label_map
from stores.location import Location
from stores.masks import MaskSet

SIZE = (24, 32)
OBJECT = np.zeros(SIZE, bool)
OBJECT[4:20, 6:26] = True


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """`labels/cat.png` fires on 12 of the object's columns, `masks/cat/*.png` has the object and noise."""
    labels = np.zeros(SIZE, np.uint8)
    labels[4:20, 6:18] = 8
    (tmp_path / "labels").mkdir()
    write_label_map(Location(str(tmp_path / "labels" / "cat.png")), labels)
    (tmp_path / "masks" / "cat").mkdir(parents=True)
    for name, mask in {"0": OBJECT, "1": ~OBJECT}.items():
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "masks" / "cat" / f"{name}.png")
    return tmp_path


def run(root: Path, masks: str = "masks", *options: str) -> tuple[int, str]:
    arguments = ["relabel", str(root / "labels"), str(root / masks), "-o", str(root / "out"), *options]
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


def one_bit(root: Path) -> str:
    for path in (root / "masks" / "cat").iterdir():
        Image.open(path).convert("1").save(path)
    return "masks"


def sa1b(root: Path) -> str:
    rle = coco_mask.encode(np.asfortranarray(OBJECT.astype(np.uint8)))
    (root / "sa").mkdir()
    document = {"image": {"width": SIZE[1], "height": SIZE[0]}, "annotations": [{"id": 1, "segmentation": None}]}
    document["annotations"][0]["segmentation"] = {"size": list(SIZE), "counts": rle["counts"].decode()}
    (root / "sa" / "cat.json").write_text(json.dumps(document))
    return "sa"


def coco(root: Path) -> str:
    write_coco(str(root / "masks.json"), [("cat.jpg", MaskSet.from_dense([OBJECT], SIZE))])
    return "masks.json"


@pytest.mark.parametrize("form", [lambda root: "masks", one_bit, sa1b, coco])
@pytest.mark.parametrize("preset", ["paper", "code", "repair"])
def test_every_form_of_masks_repairs_the_label_map(folders: Path, form: Callable[[Path], str], preset: str) -> None:
    code, said = run(folders, form(folders), "--preset", preset)
    assert code == 0, said
    written = read_label_map(Location(str(folders / "out" / "cat.png")))
    np.testing.assert_array_equal(written, np.where(OBJECT, 8, 0))


def test_written_maps_carry_vocs_palette(folders: Path) -> None:
    with Image.open(folders / "labels" / "cat.png") as image:
        assert image.mode == "P"
        assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
    assert voc_palette()[20].tolist() == [0, 64, 128]
    assert voc_palette()[255].tolist() == [224, 224, 192]


def no_masks(root: Path) -> None:
    (root / "masks" / "cat").rename(root / "masks" / "other")


def colours(root: Path) -> None:
    Image.new("RGB", SIZE[::-1]).save(root / "labels" / "cat.png")


def damaged_mask(root: Path) -> None:
    path = root / "masks" / "cat" / "1.png"
    path.write_bytes(path.read_bytes()[:40])


def mask_of_other_size(root: Path) -> None:
    Image.new("L", (5, 5)).save(root / "masks" / "cat" / "1.png")


def beyond_the_palette(root: Path) -> None:
    write_label_map(Location(str(root / "labels" / "cat.png")), np.full(SIZE, 77, np.uint8))


def nothing_there(root: Path) -> None:
    (root / "labels" / "cat.png").unlink()


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (no_masks, 0, "passed through"),
        (colours, 1, "refused cat"),
        (damaged_mask, 1, "1.png: no PNG that can be read"),
        (mask_of_other_size, 1, "a mask of (H, W) = (5, 5)"),
        (beyond_the_palette, 1, "labels [77] are no classes"),
        (nothing_there, 2, "no PNG there"),
    ],
)
def test_bad_files_are_told(folders: Path, spoil: Callable[[Path], None], code: int, said: str) -> None:
    spoil(folders)
    found, output = run(folders)
    assert found == code
    assert said in " ".join(output.split())


@pytest.mark.parametrize("options", [("--preset", "mine"), ("--set", "mask_share=2"), ("--set", "colour=1")])
def test_wrong_settings_are_one_line(folders: Path, options: tuple[str, str]) -> None:
    code, output = run(folders, "masks", *options)
    assert code == 2
    assert "error:" in output


def test_a_folder_is_not_overwritten_with_its_own_repairs(folders: Path) -> None:
    arguments = ["relabel", str(folders / "labels"), str(folders / "masks"), "-o", str(folders / "labels")]
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_a_label_map_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_label_map(Location(str(tmp_path / "none.png")))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(BadLabelMap, match=r"text\.png"):
        read_label_map(Location(str(tmp_path / "text.png")))
