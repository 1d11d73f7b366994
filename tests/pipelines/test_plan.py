import pytest

from pipelines.commands.plan import Rates, plan_for


@pytest.mark.parametrize(
    ("images", "workers", "worker_hours", "wall_hours"),
    [
        (1000, 1, 1010 / 3600, 1010 / 3600),
        (10_000, 1, 10_100 / 3600, 10_100 / 3600),
        (10_000, 5, 10_100 / 3600, 2 * 1010 / 3600),
        (10_000, 3, 10_100 / 3600, 4 * 1010 / 3600),
        (1001, 4, 1021 / 3600, 1010 / 3600),
        (100, 8, 110 / 3600, 110 / 3600),
    ],
)
def test_shards_are_dealt_out_whole(images, workers, worker_hours, wall_hours):
    plan = plan_for(images, 1000, workers, Rates(images_per_second=1.0, overhead=10.0, price=3600.0))
    assert plan.worker_hours == pytest.approx(worker_hours)
    assert plan.wall_hours == pytest.approx(wall_hours)
    assert plan.cost == pytest.approx(worker_hours * 3600)


def test_disk_grows_with_images_and_masks():
    plan = plan_for(1_000_000, 1000, 1, Rates(1.0, masks=200, mask_bytes=500, token_bytes=2.8e6))
    assert plan.gigabytes["hierarchical_masks"] == pytest.approx(100)
    assert plan.gigabytes["dino_features"] == pytest.approx(2800)


@pytest.mark.parametrize(
    ("arguments", "error"), [((0, 1000, 1), "images"), ((1, 0, 1), "shard size"), ((1, 1, 0), "workers")]
)
def test_numbers_that_make_no_sense(arguments, error):
    with pytest.raises(ValueError, match=error):
        plan_for(*arguments, Rates(1.0))


def test_without_images_it_is_sa1b(unsam):
    result = unsam("plan", "--rate", "2", "--workers", "8", "--price", "2.5")
    assert result.exit_code == 0, result.stderr
    for part in ("111,854", "1,118,536", "11,185,362", "11,186", "USD"):
        assert part in result.stdout
    nothing = unsam("plan", "--rate", "0")
    assert nothing.exit_code == 2
    assert "never ends" in nothing.stderr
