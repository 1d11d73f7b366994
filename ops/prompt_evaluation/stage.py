"""Every promptable model against the human masks of a dataset."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pycocotools import mask as rle

from models.backbone import best_device
from ops.datasets import Dataset
from ops.evaluation import Numbers, evaluate
from ops.evaluation_photos import StoredMasks, evaluation_home, register_photos
from ops.ground_truth import GroundTruth, GroundTruthImage, GroundTruthMask, ImageId
from ops.prompt_evaluation.clicks import MaskAnswers, answer_mask
from ops.prompt_evaluation.edges import EdgeCounts, count_edges, score_edges
from ops.prompt_evaluation.settings import PromptEvaluationSettings
from ops.prompt_evaluation.summary import summarise
from ops.prompt_evaluation.texts import TextAnswer, TextEvaluation, answer_text, summarise_texts
from ops.promptable.files import load_promptable_named
from ops.promptable.request import PROMPTABLE_MODELS
from ops.stages import Say
from stores.bsds import boundaries, read_bsds
from stores.home import Home
from stores.images import decode_image
from stores.mask_store import open_masks
from stores.masks import MaskSet

if TYPE_CHECKING:
    from models.promptable import PromptableModel

TEACHER = "hierarchical_masks"
_WITH_ANNOTATORS = "bsds500"


@dataclass(frozen=True)
class PromptEvaluation:
    """Numbers by model, versions of the models, those that do not exist yet, and wall time in seconds.

    Attributes: no_texts, why a model was asked for no texts.
    """

    numbers: dict[str, Numbers]
    versions: dict[str, str]
    missing: tuple[str, ...]
    no_texts: dict[str, str]
    images: int
    seconds: float


def evaluate_prompts(
    home: Home,
    dataset: Dataset,
    settings: PromptEvaluationSettings,
    extra: Sequence[str] = (),
    limit: int | None = None,
    log: Say | None = None,
) -> PromptEvaluation:
    """Score the promptable models that are published, and others.

    Args:
        home: that holds the models; the teacher's masks are those that `evaluation` left in the dataset's own home.
        extra: further models by name, as `load_promptable_named` takes them, such as SAM's own checkpoint.
        limit: the first so many images only.

    Raises:
        DatasetError: the dataset cannot be scored against.
        WeightsUnavailable: a model cannot be read.
    """
    begun = time.perf_counter()
    truth = dataset.load(limit)
    versions = {name: home.versions_of(name).current() for name in PROMPTABLE_MODELS}
    found = {name: version for name, version in versions.items() if version is not None}
    teacher = teacher_masks(home, dataset, truth)
    device = best_device()
    texts = TextEvaluation(settings, truth, device)
    numbers: dict[str, Numbers] = {}
    no_texts: dict[str, str] = {}
    for name in [*found, *extra]:
        model = load_promptable_named(home, name, device)
        numbers[name] = score_model(model, dataset, truth, teacher, settings, texts, name, log)
        no_texts |= {name: reason} if (reason := texts.skipped(model)) else {}
    missing = tuple(name for name in PROMPTABLE_MODELS if name not in found)
    return PromptEvaluation(numbers, found, missing, no_texts, len(truth.images), time.perf_counter() - begun)


def teacher_masks(home: Home, dataset: Dataset, truth: GroundTruth) -> Mapping[ImageId, MaskSet]:
    """Pseudo-labels of the dataset's photos, where `evaluation` made them; no masks otherwise."""
    place = evaluation_home(home, dataset.name)
    photos = register_photos(place, dataset.images_folder, truth)
    if any(place.versions_of(TEACHER, shard).current() is None for shard in photos.sources):
        return {}
    return StoredMasks(photos, {shard: open_masks(place, TEACHER, shard) for shard in photos.sources})


def score_model(
    model: PromptableModel,
    dataset: Dataset,
    truth: GroundTruth,
    teacher: Mapping[ImageId, MaskSet],
    settings: PromptEvaluationSettings,
    texts: TextEvaluation,
    name: str,
    log: Say | None = None,
) -> Numbers:
    """All protocols that the settings name, for one model."""
    from ops.automatic.generator import AutomaticMaskGenerator
    from ops.prompt_evaluation.edge_maps import edge_map
    from ops.promptable.predictor import Predictor

    predictor = Predictor(model, text_encoder=texts.encoder_for(model))
    generator = AutomaticMaskGenerator(model, settings.generator)
    draws = np.random.default_rng(settings.seed)
    by_image = truth.masks_by_image()
    answers: list[MaskAnswers] = []
    images: list[int] = []
    told: list[TextAnswer] = []
    edges: list[EdgeCounts] = []
    proposals: dict[ImageId, MaskSet] = {}
    for number, image in enumerate(truth.images):
        photo = decode_image(image.path.read_bytes())
        predictor.set_image(photo)
        human = [(mask.category, _dense(mask)) for mask in by_image[image.image_id] if not mask.crowd]
        some = _some([mask for _, mask in human if mask.any()], settings.masks_per_image, draws)
        ranked = _ranked(teacher.get(image.image_id))
        answers += [answer_mask(predictor, mask, settings.clicks, ranked) for mask in some]
        images += [number] * len(some)
        if not texts.skipped(model):
            told += [answer_text(predictor, texts.text(category), masks) for category, masks in _named(human).items()]
        if settings.edges and dataset.format == _WITH_ANNOTATORS:
            edges.append(count_edges(edge_map(predictor, settings), annotated_boundaries(dataset, image)))
        if settings.proposals:
            proposals[image.image_id] = generator.tree(photo)
        if log:
            log(f"{name}: {number + 1} of {len(truth.images)} images")
    numbers: Numbers = summarise(answers, images, settings.clicks) | summarise_texts(told)
    if edges:
        numbers |= score_edges(edges).numbers()
    if proposals:
        found = evaluate(proposals, truth).numbers()
        numbers |= {key: found[key] for key in ("AR@1000", "AR@100", "masks_per_image")}
    return numbers


def annotated_boundaries(dataset: Dataset, image: GroundTruthImage) -> list[np.ndarray]:
    """The boundaries that each annotator of a BSDS500 photo drew, (H, W) bool each."""
    folder = dataset.annotations_folder
    path = folder / f"{image.path.stem}.mat"
    return [boundaries(labels).astype(bool) for labels in read_bsds(path.read_bytes())]


def _named(masks: Sequence[tuple[str, np.ndarray]]) -> dict[str, list[np.ndarray]]:
    """The masks that have a category and a pixel, by category."""
    named: dict[str, list[np.ndarray]] = {}
    for category, mask in masks:
        if category and mask.any():
            named.setdefault(category, []).append(mask)
    return named


def _dense(mask: GroundTruthMask) -> np.ndarray:
    return rle.decode(mask.rle).astype(bool)


def _some(masks: list[np.ndarray], most: int, generator: np.random.Generator) -> list[np.ndarray]:
    if not most or len(masks) <= most:
        return masks
    return [masks[index] for index in generator.choice(len(masks), most, replace=False)]


def _ranked(masks: MaskSet | None) -> MaskSet | None:
    return None if masks is None else masks.take(np.argsort(-masks.score, kind="stable"))
