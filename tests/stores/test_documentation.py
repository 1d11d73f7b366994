"""The examples in docs/stores.md run as they stand there."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from stores.home import HOME_VARIABLE, Home
from stores.mask_store import MaskShardWriter
from tests.stores.samples import mask_set

TEXT = (Path(__file__).parents[2] / "docs" / "stores.md").read_text(encoding="utf-8")
READ_ALL, READ_BY_ZARR = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
KEYS = ("a.jpg", "sub/b.jpg")


@pytest.fixture
def versions(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    versions = Home(tmp_path).versions("masks", "hierarchical_masks", "photos-0000")
    writer = MaskShardWriter(versions, "v1", KEYS)
    for index, key in enumerate(KEYS):
        writer.add(key, mask_set(6, seed=index))
    writer.finish({})
    return versions


def test_reading_all_masks(versions, capsys):
    exec(READ_ALL, {})
    lines = [line for line in capsys.readouterr().out.splitlines() if ".jpg" in line]
    assert [line.split()[:2] for line in lines] == [[key, "6"] for key in KEYS]


def test_reading_by_zarr_alone(versions):
    folder = versions.location("v1")
    names = {
        "version_folder": folder.local_path,
        "content": json.loads((folder / "provenance.json").read_bytes())["content"],
    }
    exec(READ_BY_ZARR, names)
    np.testing.assert_array_equal(names["first"], mask_set(6, seed=0).crop(0))
