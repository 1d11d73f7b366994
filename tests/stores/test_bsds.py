"""stores/bsds.py: label maps of several annotators, in and out of MATLAB files."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from stores.bsds import BadGroundTruth, boundaries, partitions, read_bsds, regions, write_bsds
from stores.masks import SOURCES, MaskSet

BSDS = Path(__file__).parents[3] / "shared/data/bsds500_val"


def label_maps(count: int, size: tuple[int, int] = (30, 41)) -> list[np.ndarray]:
    """Voronoi cells of a few random points, labels from 1."""
    random = np.random.default_rng(count)
    maps = []
    for index in range(count):
        points = random.integers(0, size, (3 + 2 * index, 2))
        distances = ((np.indices(size)[:, None] - points.T[..., None, None]) ** 2).sum(axis=0)
        maps.append(np.unique(distances.argmin(axis=0), return_inverse=True)[1].reshape(size).astype(np.int32) + 1)
    return maps


@pytest.mark.parametrize("annotators", [1, 2, 5])
def test_round_trip(annotators):
    maps = label_maps(annotators)
    again = read_bsds(write_bsds(maps))
    assert len(again) == annotators
    for left, right in zip(again, maps, strict=True):
        np.testing.assert_array_equal(left, right)
        assert left.dtype == np.int32


def test_the_file_has_the_structure_of_bsds500():
    cells = scipy.io.loadmat(io.BytesIO(write_bsds(label_maps(3))))["groundTruth"]
    assert cells.shape == (1, 3)
    assert set(cells[0, 0].dtype.names) == {"Segmentation", "Boundaries"}
    assert cells[0, 0]["Segmentation"][0, 0].dtype == np.uint16
    assert cells[0, 0]["Boundaries"][0, 0].dtype == np.uint8


def test_every_region_of_every_annotator_is_a_mask():
    maps = label_maps(3)
    masks = regions(maps)
    expected = [labels == label for labels in maps for label in range(1, labels.max() + 1)]
    np.testing.assert_array_equal([masks.dense(index) for index in range(len(masks))], expected)
    assert set(masks.source.tolist()) == {SOURCES.index("human")}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: read_bsds(b"no matlab"), BadGroundTruth),
        (lambda: read_bsds(b""), BadGroundTruth),
        (lambda: read_bsds(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\0" * 512), BadGroundTruth),
        (lambda: read_bsds(matlab({"other": 1})), BadGroundTruth),
        (lambda: read_bsds(matlab({"groundTruth": np.ones((2, 2))})), BadGroundTruth),
        (lambda: regions([]), ValueError),
        (lambda: regions([np.ones((2, 3), int), np.ones((3, 2), int)]), ValueError),
        (lambda: write_bsds([np.zeros((2, 2), int)]), ValueError),
        (lambda: write_bsds([np.full((2, 2), 70_000)]), ValueError),
    ],
)
def test_what_is_refused(call, error):
    with pytest.raises(error):
        call()


def test_a_damaged_file_is_refused_and_does_not_crash():
    whole, random = write_bsds(label_maps(2)), np.random.default_rng(0)
    for length in random.integers(0, len(whole), 100):
        with pytest.raises(BadGroundTruth):
            read_bsds(whole[:length])
    for place in random.integers(128, len(whole), 300):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(0, 8))
        # A few bits of a compressed stream mean nothing; every other flip must be noticed.
        with contextlib.suppress(BadGroundTruth):
            np.testing.assert_array_equal(read_bsds(bytes(damaged)), label_maps(2))


def matlab(variables: dict) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables)
    return file.getvalue()


def test_partitions_show_the_tree_level_by_level():
    frame = np.zeros((3, 4, 6), bool)
    frame[0, :, :4] = True
    frame[1, :2, :2] = True
    frame[2, 2:, 1:3] = True
    masks = MaskSet.from_dense(frame, (4, 6), level=[0, 1, 1], parent=[-1, 0, 0])
    coarse, fine = partitions(masks)
    np.testing.assert_array_equal(coarse, [[2] * 4 + [1] * 2] * 4)
    assert len(np.unique(fine)) == 4
    for mask in (frame[1], frame[2], ~frame[0], frame[0] & ~frame[1] & ~frame[2]):
        assert len(np.unique(fine[mask])) == 1


def test_partitions_of_nothing_are_one_region():
    [only] = partitions(MaskSet.empty((3, 4)))
    np.testing.assert_array_equal(only, np.ones((3, 4)))
    np.testing.assert_array_equal(read_bsds(write_bsds([only]))[0], only)


@pytest.mark.skipif(not BSDS.is_dir(), reason="BSDS500 is not here")
def test_boundaries_are_those_of_bsds500():
    for path in sorted(BSDS.glob("*.mat"))[:10]:
        for cell in scipy.io.loadmat(path)["groundTruth"][0]:
            found = boundaries(cell["Segmentation"][0, 0])
            np.testing.assert_array_equal(found, cell["Boundaries"][0, 0])


def test_boundaries_lie_where_labels_change():
    labels = np.repeat([[1, 1, 1, 2, 2, 2]], 5, axis=0)
    np.testing.assert_array_equal(boundaries(labels), np.repeat([[0, 0, 1, 0, 0, 0]], 5, axis=0))
