"""ops/human_masks.py: which images are chosen, and SA-1B JSON good and bad."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from ops.human_masks import annotated_images, image_id, is_selected, read_human_masks
from stores.annotations import BadAnnotations
from stores.masks import SOURCES
from stores.shards import discover

HEIGHT, WIDTH = 30, 40
POLYGON = [[5.0, 5.0, 20.0, 5.0, 20.0, 20.0, 5.0, 20.0]]


def dense() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[3:17, 8:30] = True
    mask[6:9, 10:14] = False
    return mask


def compressed() -> dict:
    rle = coco_mask.encode(np.asfortranarray(dense().astype(np.uint8)))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def uncompressed() -> dict:
    flat = dense().T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False)).tolist()
    return {"size": [HEIGHT, WIDTH], "counts": np.diff([0, *edges, flat.size]).tolist()}


def document(segmentations, size=(HEIGHT, WIDTH), **image) -> bytes:
    annotations = [
        {"id": i, "bbox": [0, 0, 1, 1], "area": 1, "segmentation": segmentation, "predicted_iou": 0.9}
        for i, segmentation in enumerate(segmentations)
    ]
    head = {"image_id": 1, "width": size[1], "height": size[0], "file_name": "sa_1.jpg"} | image
    return json.dumps({"image": head, "annotations": annotations}).encode()


def jpeg(seed=0) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def tar_of(path, members) -> str:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


@pytest.mark.parametrize(
    ("key", "identity"),
    [("sa_12.jpg", "12"), ("a/b/sa_0012.png", "12"), ("cat.jpg", "cat"), ("x/cat.png", "cat"), ("sa_x.jpg", "sa_x")],
)
def test_an_image_has_one_identity_wherever_it_lies(key, identity):
    assert image_id(key) == identity


def test_one_per_cent_is_one_per_cent_and_a_part_of_two():
    keys = [f"sa_{number}.jpg" for number in range(50_000)]
    chosen = {fraction: {key for key in keys if is_selected(key, fraction)} for fraction in (0.0, 0.01, 0.02, 1.0)}
    assert chosen[0.0] == set()
    assert chosen[1.0] == set(keys)
    assert 400 < len(chosen[0.01]) < 600
    assert chosen[0.01] < chosen[0.02]


def test_the_choice_is_the_same_in_another_tar(tmp_path):
    members = {f"sa_{number}.jpg": jpeg(number) for number in range(40)}
    members |= {f"sa_{number}.json": document([compressed()]) for number in range(40)}
    (alone,) = discover(tar_of(tmp_path / "one.tar", members))
    (among,) = discover(tar_of(tmp_path / "two.tar", {f"deep/{name}": data for name, data in members.items()}))
    chosen = annotated_images(alone, [member.key for member in alone.members], 0.3).keys
    assert 0 < len(chosen) < 40
    again = annotated_images(among, [member.key for member in among.members], 0.3).keys
    assert [key.removeprefix("deep/") for key in again] == list(chosen)


def test_only_images_with_a_json_are_chosen_and_its_content_counts(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg())
    (tmp_path / "b.json").write_bytes(document([compressed()]))
    (source,) = discover(tmp_path)
    assert source.skipped == {}
    first = annotated_images(source, ["a.jpg", "b.jpg", "c.jpg"], 1.0)
    assert first.keys == ("b.jpg",)
    (tmp_path / "b.json").write_bytes(document([compressed(), POLYGON]))
    assert annotated_images(source, ["a.jpg", "b.jpg", "c.jpg"], 1.0).fingerprint != first.fingerprint
    assert annotated_images(source, ["a.jpg", "b.jpg", "c.jpg"], 0.0).keys == ()


@pytest.mark.parametrize("segmentation", [compressed(), uncompressed()], ids=["compressed", "uncompressed"])
def test_run_lengths_are_read(tmp_path, segmentation):
    masks = read(tmp_path, document([segmentation]))
    np.testing.assert_array_equal(masks.dense(0), dense())
    assert masks.source.tolist() == [SOURCES.index("human")]
    assert masks.score[0] == pytest.approx(0.9, abs=1e-3)


def test_polygons_are_read_empty_masks_and_copies_are_not(tmp_path):
    nothing = {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}
    masks = read(tmp_path, document([POLYGON, nothing, compressed(), compressed()]))
    assert len(masks) == 2
    assert masks.areas()[0] == pytest.approx(15 * 15, abs=35)


BROKEN = [
    (document([compressed()], size=(HEIGHT, WIDTH + 1)), r"is of size \(30, 40\)"),
    (document([], size=(HEIGHT + 2, WIDTH)), r"of \(H, W\) \(32, 40\), the photo is \(30, 40\)"),
    (document([{"size": [HEIGHT, WIDTH], "counts": [7, 5]}]), "counts add up to 12 pixels"),
    (document([{"size": [HEIGHT, WIDTH], "counts": "é!"}]), "no compressed RLE"),
    (document([{"size": [HEIGHT, WIDTH], "counts": compressed()["counts"][:3]}]), "add up to|no compressed"),
    (document([None]), "neither an RLE nor polygons"),
    (document([[[1.0, 2.0]]]), "neither an RLE nor polygons"),
    (document([], height="tall"), "image is"),
    (b'{"annotations": []}', "no SA-1B document"),
    (b"[]", "no JSON object"),
    (b"{", "no JSON"),
]


@pytest.mark.parametrize(("data", "message"), BROKEN)
def test_a_broken_json_is_refused_with_its_reason(tmp_path, data, message):
    with pytest.raises(BadAnnotations, match=message):
        read(tmp_path, data)


def test_a_json_that_is_gone(tmp_path):
    (tmp_path / "sa_1.jpg").write_bytes(jpeg())
    (source,) = discover(tmp_path)
    with pytest.raises(BadAnnotations, match="no longer there"):
        read_human_masks(source.open(), "sa_1.jpg", (HEIGHT, WIDTH))


def test_a_tar_that_is_cut_off_gives_the_masks_before_the_cut(tmp_path):
    members = {}
    for number in range(6):
        members |= {f"sa_{number}.jpg": jpeg(number), f"sa_{number}.json": document([compressed()])}
    path = Path(tar_of(tmp_path / "sa_000000.tar", members))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (source,) = discover(path)
    assert any("cut off" in problem for problem in source.problems)
    keys = [member.key for member in source.members]
    chosen = annotated_images(source, keys, 1.0).keys
    assert 1 <= len(chosen) <= 4
    for key in chosen:
        assert len(read_human_masks(source.open(), key, (HEIGHT, WIDTH))) == 1


def read(folder, data: bytes):
    (folder / "sa_1.jpg").write_bytes(jpeg())
    (folder / "sa_1.json").write_bytes(data)
    (source,) = discover(folder)
    return read_human_masks(source.open(), "sa_1.jpg", (HEIGHT, WIDTH))
