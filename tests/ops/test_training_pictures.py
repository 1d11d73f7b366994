import numpy as np
import pytest

from ops import training_pictures
from ops.training_settings import PredictionSettings
from tests.labelled_shards import grid_masks

SIZE = (60, 90)


@pytest.mark.parametrize(("photos", "shown"), [(1, 1), (2, 2), (40, 3)])
def test_a_few_photos_in_a_row_each_looked_at_twice(monkeypatch, photos: int, shown: int) -> None:
    looked_at = []

    def find(model: object, image: np.ndarray, settings: PredictionSettings) -> object:
        looked_at.append((int(image[0, 0, 0]), settings.grouping.views))
        return grid_masks(SIZE)

    monkeypatch.setattr(training_pictures, "predicted_tree", find)
    labels = [(np.full((*SIZE, 3), number, np.uint8), grid_masks(SIZE)) for number in range(photos)]
    settings = PredictionSettings()
    sheet = training_pictures.sample_sheet(object(), labels, settings)
    assert sheet.dtype == np.uint8
    assert len(looked_at) == shown
    assert {number for number, _ in looked_at} <= set(range(photos))
    assert all(views == settings.grouping.views[:2] for _, views in looked_at)
    assert len(settings.grouping.views) == 4, "masks themselves come from all views"


def test_a_history_without_entries_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="no history"):
        training_pictures.loss_curve([])
