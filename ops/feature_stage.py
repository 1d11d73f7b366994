"""Tokens of a shard: identified, measured and shown on a few photos, and kept where the settings say so."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from models.weights import WeightsUnavailable
from ops.fanout import Fanout
from ops.feature_statistics import mean_statistics, token_statistics
from ops.pictures import contact_sheet, features_as_colours, jpeg_under, resized
from ops.settings import LabelSettings
from ops.shard_samples import spread
from ops.stage_workers import REFUSABLE, FeatureWorker, TokenWorker, WeightHasher
from ops.stages import Provenance, Say, StageReport, run_stage
from stores.feature_store import FeatureShardReader, FeatureShardWriter
from stores.location import Location
from stores.shards import ShardSource
from stores.versions import Versions, version_of

_STATISTICS, _SHEET = "statistics.json", "sheet.jpg"
_SHOWN = 4
_TILE = 224
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class TokenSample:
    """What the tokens of a few photos look like.

    Attributes:
        statistics: `token_statistics`, averaged over the photos.
        sheet: (H, W, 3) uint8, each photo beside its tokens' first three principal components as colours.
    """

    statistics: Mapping[str, float]
    sheet: np.ndarray


def feature_shard(
    versions: Versions,
    provenance: Provenance,
    source: ShardSource,
    keys: Sequence[str],
    settings: LabelSettings,
    pool: Fanout,
    log: Say | None = None,
) -> tuple[StageReport, TokenSample]:
    """Publish the version of tokens that `provenance` names.

    With `features.keep: none` that is a sample of a few photos only: whoever needs tokens makes them, because 3600
    tokens outweigh the photo that they come from.
    """
    version = version_of(provenance)
    if settings.features.keep == "none":
        begun = time.perf_counter()
        sample = _stored_sample(versions, version) if versions.is_complete(version) else None
        if sample is None:
            sample = sample_tokens(source, keys, settings, pool)
            _store_sample(versions.location(version), sample)
            versions.publish(version, provenance)
        else:
            versions.rollback(version)
        return StageReport(version, len(keys), 0, {}, time.perf_counter() - begun), sample
    writer = FeatureShardWriter(versions, version, keys, precision=settings.features.keep)
    worker = FeatureWorker(source, settings)
    report = run_stage(writer, provenance, worker, pool, f"features of {source.shard}", log)
    stored = FeatureShardReader(versions, version)
    return report, sample_tokens(source, stored.keys, settings, pool, stored)


def sample_tokens(
    source: ShardSource,
    keys: Sequence[str],
    settings: LabelSettings,
    pool: Fanout,
    stored: FeatureShardReader | None = None,
) -> TokenSample:
    """Statistics and pictures of a few photos' tokens, computed or taken from the store by the pool's workers."""
    statistics, pictures = [], []
    worker = TokenWorker(source, settings, stored)
    for outcome in pool.map(worker, spread(keys, _SHOWN), refusable=REFUSABLE):
        if outcome.reason is None:
            tokens = outcome.value.tokens
            statistics.append(token_statistics(tokens, outcome.value.defaults))
            coloured = features_as_colours(np.nan_to_num(tokens, posinf=0, neginf=0))
            pictures += [resized(outcome.value.image, _TILE), coloured]
    return TokenSample(mean_statistics(statistics), contact_sheet(pictures, columns=4, tile=_TILE))


def pooled_weight_hash(settings: LabelSettings, pool: Fanout) -> str:
    """`weight_hash`, told by a worker of the pool, so that this process need not load the backbone.

    Raises:
        WeightsUnavailable: of the backbone.
    """
    unsized = iter([settings.backbone.name])  # all workers start and load it, as the next stage wants them
    (outcome,) = pool.map(WeightHasher(settings), unsized, refusable=(WeightsUnavailable,))
    if outcome.reason is not None:
        raise WeightsUnavailable(outcome.reason)
    return outcome.value


def stored_statistics(
    versions: Versions, version: str, source: ShardSource, settings: LabelSettings, pool: Fanout
) -> Mapping[str, float]:
    """Statistics of a few images' tokens, read back from the store."""
    if settings.features.keep == "none":
        return _stored_sample(versions, version).statistics
    stored = FeatureShardReader(versions, version)
    return sample_tokens(source, stored.keys, settings, pool, stored).statistics


def check_features(statistics: Mapping[str, float]) -> dict[str, list[str]]:
    """Problems by check of a sample's statistics; an empty sample has none."""
    finite, spread = statistics.get("finite", 1.0), statistics.get("spread", 1.0)
    return {
        "finite": [] if finite == 1 else [f"{1 - finite:.2%} of the values are infinite or not numbers"],
        "varied": [] if spread > _LEAST_SPREAD else ["all tokens are equal: the weights do not fit the backbone"],
    }


def _store_sample(place: Location, sample: TokenSample) -> None:
    (place / _STATISTICS).write_bytes(json.dumps(sample.statistics).encode())
    (place / _SHEET).write_bytes(jpeg_under(sample.sheet))


def _stored_sample(versions: Versions, version: str) -> TokenSample:
    place = versions.location(version)
    sheet = np.asarray(Image.open(io.BytesIO((place / _SHEET).read_bytes())).convert("RGB"))
    return TokenSample(json.loads((place / _STATISTICS).read_bytes()), sheet)
