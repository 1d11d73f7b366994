import pytest

from ops.settings import LabelSettings
from ops.staleness import LABEL_ASSETS, Freshness, label_states, stored_states
from stores.home import Home
from tests.label_chains import publish_chain, recipe, register_tars


@pytest.fixture(params=["local", "memory"])
def home(request, tmp_path) -> Home:
    return Home(str(tmp_path / "home") if request.param == "local" else f"memory://{tmp_path.name}")


def states_of(home: Home, *arguments: object, **settings: object) -> dict[str, tuple[str, str]]:
    (shard,) = register_tars(home, 1)
    states = label_states(home, [shard], recipe(*arguments, **settings))[shard]
    assert list(states) == list(LABEL_ASSETS)
    return {asset: (state.freshness.value, state.reason) for asset, state in states.items()}


FRESH, MISSING = ("fresh", ""), ("missing", "")


def test_nothing_made_yet(home):
    assert set(states_of(home).values()) == {MISSING}


@pytest.mark.parametrize("weights", ["aaaa", None])
def test_a_chain_as_the_recipe_makes_it(home, weights):
    publish_chain(home, "sa-000000-0000")
    assert set(states_of(home, weights).values()) == {FRESH}


@pytest.mark.parametrize("weights", ["aaaa", None])
def test_what_was_forced_once_is_fresh(home, weights):
    publish_chain(home, "sa-000000-0000", forced="a-run")
    assert set(states_of(home, weights).values()) == {FRESH}


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({"weights": "bbbb"}, {"dino_features": "weights", "ncut_masks": "dino_features is stale"}),
        ({"code": {"ncut_masks": "2"}}, {"ncut_masks": "code", "hierarchical_masks": "ncut_masks is stale"}),
        ({"divide": {"max_masks": 7}}, {"ncut_masks": "settings", "hierarchical_masks": "ncut_masks is stale"}),
        ({"recipe": "paper"}, {"hierarchical_masks": "settings"}),
        ({"conquer": {"crop_size": 99}}, {}),
    ],
)
def test_what_changed_is_named_and_what_follows_is_stale_too(home, change, stale):
    publish_chain(home, "sa-000000-0000")
    seen = states_of(home, **change)
    for asset in LABEL_ASSETS:
        if asset in stale:
            assert seen[asset] == ("stale", stale[asset])
    assert {asset for asset, (state, _) in seen.items() if state == "stale"} >= stale.keys()
    if not stale:
        assert set(seen.values()) == {FRESH}


def test_another_backbone_is_seen_without_loading_weights(home):
    publish_chain(home, "sa-000000-0000")
    seen = states_of(home, None, backbone={"name": "vit_small_patch8_224.dino"})
    assert seen["dino_features"] == ("stale", "settings")


def test_a_changed_shard_makes_its_labels_stale(home):
    publish_chain(home, "sa-000000-0000", manifest="m1")
    home.versions_of("shard_manifest", "sa-000000-0000").publish("m2", {})
    seen = states_of(home)
    assert seen["shard_manifest"] == FRESH
    assert seen["dino_features"] == ("stale", "inputs")


def test_a_chain_that_broke_off(home):
    publish_chain(home, "sa-000000-0000", assets=LABEL_ASSETS[:3])
    assert states_of(home)["hierarchical_masks"] == MISSING
    assert states_of(home)["ncut_masks"] == FRESH


def test_masks_of_models_are_stale_with_their_inputs(home):
    publish_chain(home, "sa-000000-0000", LabelSettings())
    home.versions_of("round1_model").publish("model1", {})
    inputs = {"inputs": {"shard_manifest": "m1", "round1_model": "model1"}}
    home.versions_of("round1_masks", "sa-000000-0000").publish("v1", inputs)

    def state() -> Freshness:
        return stored_states(home, ["sa-000000-0000"], ["round1_masks"])["sa-000000-0000"]["round1_masks"].freshness

    assert state() is Freshness.FRESH
    home.versions_of("round1_model").publish("model2", {})
    assert state() is Freshness.STALE
