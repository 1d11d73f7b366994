"""Activations, the random walk and pseudo-labels: against plain definitions, and on what goes wrong."""

import numpy as np
import pytest
import torch
from skimage import data

from models.feature_body import FeatureBody
from models.image_classifier import ClassifierShape, ImageClassifier, build_classifier, load_classifier, save_classifier
from models.weights import WeightsUnavailable
from ops.class_samples import cut_labels
from ops.class_training import pixel_loss, tag_loss
from ops.mask_loader import Window
from ops.sepl.cams import activations
from ops.sepl.class_settings import CamSettings
from ops.sepl.pseudo_labels import labels_of, pseudo_labels
from ops.sepl.walk import random_walk

QUICK = CamSettings(size=96, scales=(1.0,), crf_size=48, flip=False)


class ColourBody(FeatureBody):
    """Red, green and blue of every 8 x 8 pixels, cut off at 0: what a class looks at is plain to see."""

    channels = (3,)

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        return [torch.nn.functional.avg_pool2d(pixels, 8).clamp(min=0)]


@pytest.fixture
def model() -> ImageClassifier:
    """Class 1 sees red, class 2 green or, in another row, blue, class 3 nothing."""
    shape = ClassifierShape("colours", 8, ("red", "cold", "nothing"), (0, 1, 1, 2))
    model = ImageClassifier(shape, ColourBody()).eval()
    with torch.no_grad():
        model.head.weight.copy_(torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [-1, -1, -1]]))
        model.head.bias.zero_()
    return model


@pytest.fixture
def photo() -> np.ndarray:
    """Red on the left, blue on the right, grey between."""
    image = np.full((64, 96, 3), 90, np.uint8)
    image[:, :32] = (250, 0, 0)
    image[:, 64:] = (0, 0, 250)
    return image


@pytest.mark.parametrize("method", ["cam", "gradcam++", "layercam"])
def test_every_method_finds_the_class_where_it_is(model, photo, method: str) -> None:
    seen = activations(model, photo, (1, 2), QUICK.model_copy(update={"method": method}))
    red, cold = seen.maps.numpy()
    assert red[:, :3].min() > 0.5 > red[:, 9:].max()
    assert cold[:, 9:].min() > 0.5 > cold[:, :3].max()
    assert seen.maps.amax(dim=(1, 2)).tolist() == pytest.approx([1, 1])


def test_scales_and_mirroring_keep_things_in_place(model, photo) -> None:
    settings = QUICK.model_copy(update={"scales": (0.75, 1.0, 1.5), "flip": True})
    red, _ = activations(model, photo, (1, 2), settings).maps.numpy()
    assert red[:, :3].min() > 0.5 > red[:, 9:].max()


def test_a_class_that_fires_nowhere_gets_no_pixel(model, photo) -> None:
    made = pseudo_labels(model, photo, (1, 3), QUICK)
    assert made.empty == (3,)
    assert set(np.unique(made.refined)) == {0, 1}
    assert (made.plain[:, :28] == 1).all()


def test_the_strongest_class_is_told_below_the_threshold_too(model, photo) -> None:
    low, high = (
        pseudo_labels(model, photo, (1, 2), QUICK.model_copy(update={"threshold": threshold}))
        for threshold in (0.0, 0.99)
    )
    assert (high.plain == 0).mean() > 0.2
    np.testing.assert_array_equal(high.strongest, low.strongest)
    np.testing.assert_array_equal(low.plain[low.heat > 0], low.strongest[low.heat > 0])


def test_an_image_without_tags_is_background(model, photo) -> None:
    made = pseudo_labels(model, photo, (), QUICK)
    assert not made.refined.any()
    assert made.refined.shape == photo.shape[:2]


def plain_walk(maps: np.ndarray, features: np.ndarray, radius: float, power: float, steps: int) -> np.ndarray:
    """The definition, cell by cell."""
    count, height, width = maps.shape
    cells = list(np.ndindex(height, width))
    for _ in range(steps):
        spread = np.zeros_like(maps)
        for cell in cells:
            weights = []
            for other in cells:
                a, b = features[:, *cell], features[:, *other]
                cosine = max(0.0, a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
                near = np.hypot(cell[0] - other[0], cell[1] - other[1]) <= radius
                weights.append(1.0 if cell == other else near * cosine**power)
            for k in range(count):
                spread[k, *cell] = sum(w * maps[k, *other] for w, other in zip(weights, cells, strict=True)) / sum(
                    weights
                )
        maps = spread
    return maps / maps.max(axis=(1, 2), keepdims=True)


def test_random_walk_is_its_definition() -> None:
    generator = np.random.default_rng(0)
    maps, features = generator.random((2, 4, 5)), generator.normal(size=(3, 4, 5))
    ours = random_walk(torch.tensor(maps).float(), torch.tensor(features).float(), 1.5, 3.0, 2)
    np.testing.assert_allclose(ours.numpy(), plain_walk(maps, features, 1.5, 3.0, 2), atol=1e-5)


def test_random_walk_stays_among_what_looks_alike() -> None:
    features = torch.zeros(2, 6, 8)
    features[0, :, :4], features[1, :, 4:] = 1, 1
    start = torch.zeros(1, 6, 8)
    start[0, 0, 0] = 1
    spread = random_walk(start, features, 3.0, 8.0, 30)[0]
    assert spread[:, :4].min() > 0.5
    assert not spread[:, 4:].any()


@pytest.mark.parametrize(
    ("background", "knob", "expected"),
    [
        ("threshold", {"threshold": 0.3}, [0, 1, 1, 2]),
        ("threshold", {"threshold": 0.8}, [0, 0, 1, 2]),
        ("power", {"power": 1.0}, [0, 0, 1, 2]),
        ("power", {"power": 4.0}, [0, 1, 1, 2]),
    ],
)
def test_background(background: str, knob: dict[str, float], expected: list[int]) -> None:
    maps = torch.tensor([[[0.0, 0.4, 0.9, 0.1]], [[0.0, 0.1, 0.2, 1.0]]])
    settings = CamSettings(background=background, **knob)
    assert labels_of(maps, (1, 2), settings).tolist() == [expected]


def test_the_packaged_classifier_knows_a_cat_and_survives_its_file(tmp_path) -> None:
    model = build_classifier(
        ["cat", "cup", "unheard of"], "efficientnet_lite0", 32, class_map={"cat": [281, 285], "cup": [967]}
    )
    from ops.sepl.cams import whole_image

    pixels = whole_image(data.chelsea(), 224)
    with torch.inference_mode():
        logits = model(pixels)[0]
        save_classifier(model, tmp_path / "model.safetensors")
        again = load_classifier(tmp_path / "model.safetensors")(pixels)[0]
    assert logits[0] > logits[1] + 2
    assert logits[2] == 0
    torch.testing.assert_close(again, logits, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("body", "class_map", "expected"),
    [
        ("efficientnet_lite0", {"cat": [1000]}, ValueError),
        ("no_such_network", {}, ValueError),
        ("augnet_resnet50", {"cat": [3]}, ValueError),
    ],
)
def test_impossible_classifiers(body: str, class_map: dict[str, list[int]], expected: type[Exception]) -> None:
    with pytest.raises(expected):
        build_classifier(["cat"], body, class_map=class_map)


def test_another_file_is_no_classifier(tmp_path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsUnavailable):
        load_classifier(tmp_path / "model.safetensors")


def test_losses() -> None:
    assert tag_loss(torch.zeros(2, 3), torch.tensor([[1.0, 0, 0], [0, 0, 0]])) == pytest.approx(3 * np.log(2))
    labels = torch.tensor([[[0, 255], [1, 255]]])
    logits = torch.zeros(1, 2, 2, 2)
    logits[0, 1] = 5
    expected = (np.log1p(np.exp(5)) + np.log1p(np.exp(-5))) / 2
    assert pixel_loss(logits, labels) == pytest.approx(expected)
    assert pixel_loss(logits, torch.full_like(labels, 255)) == 0


def test_crops_of_labels_follow_the_window() -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert cut_labels(labels, Window(1.0, 1, 1, False), 3).tolist() == [[5, 6, 7], [9, 10, 11], [255, 255, 255]]
    assert cut_labels(labels, Window(1.0, 0, 0, True), 2).tolist() == [[1, 0], [5, 4]]
    assert cut_labels(labels, Window(0.5, 0, 0, False), 2).tolist() == [[5, 7], [255, 255]]
