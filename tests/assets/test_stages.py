"""The asset graph on a small shard: what it publishes, tells the UI, uses again, and refuses."""

import base64
import io
import re
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from PIL import Image
from skimage import data

from pipelines.definitions import defs
from pipelines.registration import register_paths
from stores.home import Home
from stores.mask_store import MaskShardWriter, open_masks
from stores.masks import MaskSet
from tests.dagster_runs import shared_pool

ASSETS = ("shard_manifest", "dino_features", "ncut_masks", "hierarchical_masks")
QUICK = {"pixel_tree": {"side": 200, "feature_side": 200, "max_masks": 60}}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    root = tmp_path_factory.mktemp("assets")
    (root / "photos").mkdir()
    for name, photo in {"coffee": data.coffee(), "cat": data.chelsea()}.items():
        Image.fromarray(photo).resize((180, 130)).save(root / "photos" / f"{name}.jpg")
    (root / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return Home(str(root / "home"))


@pytest.fixture(scope="module")
def instance(home):
    with dg.DagsterInstance.ephemeral() as instance:
        register_paths(home, instance, [str(Path(home.location.local_path).parent / "photos")])
        yield instance


def run(home, instance, *assets: str, raise_on_error: bool = True, **labelling) -> dg.ExecuteInProcessResult:
    (shard,) = instance.get_dynamic_partitions("shard")
    config = {"preset": "small", "settings": QUICK} | labelling
    return defs.resolve_job_def("label_shards").execute_in_process(
        instance=instance,
        partition_key=shard,
        asset_selection=[dg.AssetKey(asset) for asset in assets] or None,
        raise_on_error=raise_on_error,
        resources=shared_pool(),
        run_config={
            "resources": {"home": {"config": {"url": home.location.url}}, "labelling": {"config": config}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
    )


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, dict]:
    found = {}
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        found[materialization.asset_key.to_user_string()] = {
            name: value.value for name, value in materialization.metadata.items()
        }
    return found


@pytest.fixture(scope="module")
def first(home, instance) -> dg.ExecuteInProcessResult:
    return run(home, instance)


def test_every_stage_publishes_what_it_says(first, home, instance):
    (shard,) = instance.get_dynamic_partitions("shard")
    told = metadata_of(first)
    assert tuple(told) == ASSETS
    masks = open_masks(home, "hierarchical_masks", shard)
    assert masks.version == told["hierarchical_masks"]["version"]
    assert masks.keys == ["cat.jpg", "coffee.jpg"]
    assert told["hierarchical_masks"]["masks"] == masks.counts().sum() > 20
    assert masks.counts().max() <= QUICK["pixel_tree"]["max_masks"]
    assert told["shard_manifest"]["quarantined"] == 1
    provenance = masks.versions.provenance()
    assert provenance["inputs"]["ncut_masks"] == told["ncut_masks"]["version"]


@pytest.mark.parametrize("asset", ASSETS[1:])
def test_pictures_are_seen_and_small(first, asset):
    markdown = metadata_of(first)[asset]["pictures"]
    assert len(markdown) < 210_000
    picture = Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^)]+)\)", markdown)[1])))
    picture.load()
    assert min(picture.size) > 100
    assert np.asarray(picture).std() > 10


def test_every_check_ran_and_passed(first):
    evaluations = first.get_asset_check_evaluations()
    assert {evaluation.asset_key.to_user_string() for evaluation in evaluations} == set(ASSETS)
    names = {evaluation.check_name for evaluation in evaluations}
    assert {"decodable", "finite", "non_empty", "inside_frame", "no_duplicates", "tree_consistent"} <= names
    assert all(evaluation.passed for evaluation in evaluations)


def test_a_second_run_computes_nothing(first, home, instance):
    again = metadata_of(run(home, instance))
    for asset in ASSETS:
        assert again[asset]["reused"], asset
        assert again[asset]["version"] == metadata_of(first)[asset]["version"]


def test_a_setting_of_one_stage_leaves_those_before_it(first, home, instance):
    before = metadata_of(first)
    settings = QUICK | {"pixel_tree": QUICK["pixel_tree"] | {"max_masks": 30}}
    after = metadata_of(run(home, instance, settings=settings))
    assert after["ncut_masks"]["version"] == before["ncut_masks"]["version"]
    assert after["ncut_masks"]["reused"]
    assert after["hierarchical_masks"]["version"] != before["hierarchical_masks"]["version"]
    assert after["hierarchical_masks"]["most_masks"] <= 30


def test_a_forced_run_makes_new_versions_of_equal_masks(first, home, instance):
    (shard,) = instance.get_dynamic_partitions("shard")
    run(home, instance)
    before = open_masks(home, "hierarchical_masks", shard)
    run(home, instance, force=True)
    after = open_masks(home, "hierarchical_masks", shard)
    assert after.version != before.version
    for key in before.keys:
        np.testing.assert_array_equal(before[key].bits, after[key].bits)


def test_features_that_are_kept_give_the_masks_of_features_that_are_not(first, home, instance):
    (shard,) = instance.get_dynamic_partitions("shard")
    run(home, instance)
    before = open_masks(home, "ncut_masks", shard)
    run(home, instance, settings=QUICK | {"features": {"keep": "float16"}})
    after = open_masks(home, "ncut_masks", shard)
    assert after.version != before.version
    for key in before.keys:
        assert len(after[key]) == len(before[key])


def test_masks_that_fail_a_check_are_withdrawn_and_stop_the_run(first, home, instance):
    (shard,) = instance.get_dynamic_partitions("shard")
    good = metadata_of(run(home, instance))["ncut_masks"]["version"]
    versions = home.versions("masks", "ncut_masks", shard)
    provenance = versions.provenance(good)
    versions.location(good).delete()
    square = np.zeros((130, 180), bool)
    square[20:50, 30:70] = True
    writer = MaskShardWriter(versions, good, ["cat.jpg", "coffee.jpg"])
    for key in ("cat.jpg", "coffee.jpg"):
        writer.add(key, MaskSet.from_dense([square, square], square.shape))
    writer.finish(provenance)

    result = run(home, instance, raise_on_error=False)
    assert not result.success
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert [check.check_name for check in failed] == ["no_duplicates"]
    assert "cat.jpg: mask 1 equals mask 0" in failed[0].description
    assert "hierarchical_masks" not in metadata_of(result)
    assert open_masks(home, "ncut_masks", shard).version != good


def test_a_misspelt_setting_is_named(home, instance):
    with pytest.raises(dg.DagsterResourceFunctionError) as caught:
        run(home, instance, settings={"divide": {"max_mask": 3}})
    assert "did you mean 'max_masks'" in str(caught.value.user_exception)
