"""Click protocols with a predictor whose answers are known."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from ops.evaluation_history import HistoryEntry, SourceEntry
from ops.prompt_evaluation.clicks import answer_mask, clicks_needed, next_click, overlap
from ops.prompt_evaluation.rounds import rounds_of, rounds_table
from ops.prompt_evaluation.settings import PromptEvaluationSettings
from ops.prompt_evaluation.summary import summarise
from ops.prompt_evaluation.table import comparison_table
from ops.promptable.predictor import Predictor
from ops.promptable.simulation import innermost
from stores.masks import MaskSet
from tests.ops.promptable.tiny_promptable import photo, tiny_model


def test_numbers_follow_from_the_predictors_answers() -> None:
    predictor = Predictor(tiny_model(), precision="float32")
    predictor.set_image(photo())
    truth = np.zeros((60, 90), bool)
    truth[20:50, 30:70] = True
    teacher = np.zeros((8, 60, 90), bool)
    teacher[0, 30:40, 40:60] = True  # contains the click
    teacher[1, :10] = True  # does not
    teacher[2:, 20:50, 30:72] = np.arange(6)[:, None, None] > 4  # only the last is not empty: nearly perfect
    ranked = MaskSet.from_dense(teacher, (60, 90))
    found = answer_mask(predictor, truth, 3, ranked)
    (x, y), _ = innermost(truth)
    masks, scores, _ = predictor.predict(np.array([[x, y]]), np.array([1]))
    ious = [overlap(mask, truth) for mask in masks]
    assert found.oracle == pytest.approx(max(ious))
    assert found.best_score == pytest.approx(ious[int(scores.argmax())])
    assert found.by_clicks[0] == found.best_score
    assert found.by_clicks.shape == (3,)
    assert found.teacher == pytest.approx(40 / 42)
    box, _, _ = predictor.predict(box=np.array([30, 20, 70, 50]), multimask_output=False)
    assert found.box == pytest.approx(overlap(box[0], truth))
    assert np.isnan(answer_mask(predictor, truth, 1, None).teacher)
    asked = np.linspace(0.1, 1, 10)
    areas = [predictor.predict(np.array([[x, y]]), np.array([1]), granularity=float(value))[0].sum() for value in asked]
    ranks = [np.argsort(np.argsort(values)) for values in (asked, areas)] if len(set(areas)) == 10 else None
    assert -1 <= found.size_order <= 1
    if ranks:
        assert found.size_order == pytest.approx(np.corrcoef(ranks[0], ranks[1])[0, 1])


def test_the_seventh_mask_of_the_teacher_does_not_count() -> None:
    predictor = Predictor(tiny_model(), precision="float32")
    predictor.set_image(photo())
    truth = np.zeros((60, 90), bool)
    truth[20:50, 30:70] = True
    poor = np.zeros((60, 90), bool)
    poor[30:40, 40:60] = True
    ranked = MaskSet.from_dense([poor] * 6 + [truth], (60, 90))
    assert answer_mask(predictor, truth, 1, ranked).teacher == pytest.approx(200 / 1200)


def test_the_next_click_is_innermost_in_the_larger_error() -> None:
    truth, answered = np.zeros((30, 30), bool), np.zeros((30, 30), bool)
    truth[5:14, 5:14] = True
    answered[20:25, 20:25] = True
    assert next_click(truth, answered) == ((9, 9), 1)
    answered[5:14, 5:14] = True
    assert next_click(truth, answered) == ((22, 22), 0)
    assert next_click(truth, truth) is None


@pytest.mark.parametrize(("target", "expected"), [(0.5, 1), (0.8, 3), (0.95, 20)])
def test_number_of_clicks(target: float, expected: int) -> None:
    assert clicks_needed(np.array([0.6, 0.7, 0.9]), target) == expected


class Improving:
    """A predictor whose answer to n clicks lacks 20 - n columns of `truth`, and never has more than `best`."""

    def __init__(self, truth: np.ndarray, best: int = 1000) -> None:
        self.truth, self.best, self.asked = truth, best, 0
        self.model = SimpleNamespace(shape=SimpleNamespace(granularity=False))

    def predict(self, points=None, labels=None, box=None, **rest):
        clicks = 1 if points is None else len(points)
        self.asked = max(self.asked, clicks)
        mask = self.truth.copy()
        mask[:, : max(0, 20 - clicks)] = False
        mask[:, self.best :] = False
        return mask[None], np.ones(1), np.zeros((1, 4, 4))


@pytest.mark.parametrize(("width", "asked", "needed"), [(100, 10, 10), (40, 16, 16), (24, 18, 18), (200, 9, 1)])
def test_the_user_clicks_until_the_last_target_is_reached(width: int, asked: int, needed: int) -> None:
    """Columns are lost on the left: IoU after n clicks is 1 - (20 - n) / width."""
    predictor = Improving(np.ones((10, width), bool))
    found = answer_mask(predictor, predictor.truth, 20)
    assert found.by_clicks.shape == (20,)
    assert predictor.asked == asked
    assert clicks_needed(found.by_clicks, 0.9) == needed
    numbers = summarise([found], [0], 20)
    assert numbers["NoC@90"] == needed
    assert numbers["clicks_9"] == pytest.approx(1 - 11 / width)


def test_one_who_never_gets_there_clicks_twenty_times() -> None:
    predictor = Improving(np.ones((10, 100), bool), best=50)
    found = answer_mask(predictor, predictor.truth, PromptEvaluationSettings().clicks)
    assert predictor.asked == 20
    assert clicks_needed(found.by_clicks, 0.8) == clicks_needed(found.by_clicks, 0.9) == 20


def test_summary_and_table() -> None:
    predictor = Predictor(tiny_model(), precision="float32")
    predictor.set_image(photo())
    truth = np.zeros((60, 90), bool)
    truth[20:50, 30:70] = True
    answers = [answer_mask(predictor, truth, 2, None), answer_mask(predictor, ~truth, 2, None)]
    numbers = summarise(answers, [0, 1], 2)
    assert numbers["oracle"] == pytest.approx(np.mean([answer.oracle for answer in answers]))
    assert numbers["teacher"] is None
    assert numbers["clicks_2"] == pytest.approx(np.mean([answer.by_clicks[1] for answer in answers]))
    assert "clicks_3" not in numbers
    table = comparison_table({"promptable_model": numbers})
    assert "| 1 click, oracle |" in table
    with pytest.raises(ValueError, match="no mask"):
        summarise([], [], 1)


def test_what_each_round_gained() -> None:
    def entry(day: int, version: str, **numbers: float) -> HistoryEntry:
        sources = {"promptable_model": SourceEntry(numbers=numbers, made_by=version, versions={})}
        time = datetime(2026, 1, day, tzinfo=UTC)
        return HistoryEntry(time=time, run="r", dataset="d", images=1, sources=sources)

    past = [
        entry(1, "a", oracle=0.4),
        entry(2, "a", oracle=0.5, **{"AR@1000": 0.2}),
        entry(3, "b", oracle=0.55, **{"AR@1000": 0.3}),
    ]
    rounds = rounds_of(past, "promptable_model", "oracle")
    assert [(found.version, found.value) for found in rounds] == [("a", 0.5), ("b", 0.55)]
    assert rounds[0].gain is None
    assert rounds[1].gain == pytest.approx(0.05)
    table = rounds_table(past, "promptable_model")
    assert "| 2 | 2026-01-03 00:00 | b | 30.0 | +10.0 | 55.0 | +5.0 |" in table
    assert rounds_of(past, "another", "oracle") == []
