"""The asset that scores: what it tells the UI, its history, and how it takes a broken register or dataset."""

import logging

import dagster as dg
import pytest
import yaml

from assets.evaluation import dataset_names, evaluation_on
from ops.datasets import DATASETS_VARIABLE, load_datasets
from ops.evaluation_history import history
from ops.evaluation_stage import MODEL_MASKS
from ops.evaluation_table import FROM_THE_PAPER
from ops.model_stages import MODEL_OF
from pipelines.definitions import RESOURCES, defs
from pipelines.jobs import evaluate
from stores.home import Home
from tests.dagster_runs import shared_pool
from tests.ops.tiny_datasets import write_coco

QUICK = {"pixel_tree": {"side": 120, "feature_side": 120, "max_masks": 40}}
ENTRY = {"format": "coco", "images": "data/images", "annotations": "data/instances.json", "paper": "coco"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    write_coco(folder / "data")
    entries = {"tiny": ENTRY, "lost": ENTRY | {"images": "nowhere"}}
    (folder / "mine.yaml").write_text(yaml.safe_dump({"datasets": entries}, sort_keys=False))
    return folder


def run(folder, dataset: str, limit: int = 0) -> dg.ExecuteInProcessResult:
    configured = {
        "home": {"url": str(folder / "home")},
        "labelling": {"preset": "small", "settings": QUICK},
        "evaluating": {"file": str(folder / "mine.yaml"), "limit": limit},
    }
    definitions = dg.Definitions(
        assets=[evaluation_on(["tiny", "lost"])],
        jobs=[evaluate],
        resources=RESOURCES,
        executor=dg.in_process_executor,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def("evaluate").execute_in_process(
            instance=instance,
            partition_key=dataset,
            raise_on_error=False,
            resources=shared_pool(),
            run_config={
                "resources": {name: {"config": config} for name, config in configured.items()},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )


def told(result: dg.ExecuteInProcessResult) -> dict:
    (event,) = result.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    return {name: value.value for name, value in metadata.items()}


@pytest.fixture(scope="module")
def first(folder) -> dg.ExecuteInProcessResult:
    return run(folder, "tiny")


def test_numbers_are_plotted_and_the_paper_is_set_apart(first, folder):
    metadata = told(first)
    assert metadata["images"] == 2
    assert metadata["pseudo_labels_images_without_predictions"] == 0
    assert 0 < metadata["pseudo_labels_AR@1000"] <= 1
    assert metadata["pseudo_labels_AR@1000"] >= metadata["pseudo_labels_AR@100"] >= metadata["pseudo_labels_AR@1"]
    assert metadata["pseudo_labels_AR@1000_error"] >= 0
    assert "pseudo_labels_AR_large" not in metadata
    assert metadata["scores"]["pseudo_labels"]["AR_large"] is None
    assert metadata["models_missing"] == "round1_model, unsam_model"
    assert metadata["table"].index("pseudo_labels") < metadata["table"].index(FROM_THE_PAPER)
    assert [record.data["AR@1000"] for record in metadata["paper"].records] == [
        f"{value:.1f}" for value in load_datasets(folder / "mine.yaml")["tiny"].paper.values()
    ]


def test_every_run_is_remembered(first, folder):
    home = Home(str(folder / "home"))
    before = history(home, "tiny")
    again = run(folder, "tiny")
    entries = history(home, "tiny")
    assert entries[:-1] == before
    assert entries[-1].run == again.run_id
    assert entries[-1].sources == before[0].sources
    assert entries[-1].sources["pseudo_labels"].numbers == told(again)["scores"]["pseudo_labels"]
    assert len(told(again)["history"].records) == len(entries)


def test_a_limit_is_kept_to(first, folder):
    assert told(run(folder, "tiny", limit=1))["images"] == 1


def test_a_wrong_path_fails_at_once_with_its_reason(folder):
    result = run(folder, "lost")
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert "dataset lost: there is no folder" in failure.step_failure_data.error.message
    assert not [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY]
    assert history(Home(str(folder / "home")), "lost") == []


def test_it_follows_all_models_and_has_a_partition_for_each_dataset(folder, monkeypatch):
    node = defs.resolve_asset_graph().get(dg.AssetKey("evaluation"))
    assert {key.to_user_string() for key in node.parent_keys} == {MODEL_OF[asset] for asset in MODEL_MASKS.values()}
    monkeypatch.setenv(DATASETS_VARIABLE, str(folder / "mine.yaml"))
    assert dataset_names() == ["tiny", "lost"]


def test_a_broken_register_leaves_the_rest_of_the_project_loadable(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(DATASETS_VARIABLE, str(tmp_path / "gone.yaml"))
    with caplog.at_level(logging.WARNING):
        names = dataset_names()
    assert names == []
    assert "gone.yaml cannot be read" in caplog.text
    dg.Definitions.validate_loadable(
        dg.Definitions(assets=[evaluation_on(names)], jobs=[evaluate], resources=RESOURCES)
    )
