"""Samples to batches in the background, in an order that only the seed decides."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np

from ops.training_settings import LoaderSettings
from ops.training_source import UnfitSource

SampleType = TypeVar("SampleType")
BatchType = TypeVar("BatchType")


class SampleLoader(Generic[SampleType, BatchType]):
    """Batches of one worker, in an order that only the seed decides; `batches(step)` goes on anywhere in it.

    Every epoch is a new permutation of the source, dealt out to the workers in turn. Samples are prepared by threads:
    decoding, resizing and bit packing release the interpreter lock.

    Args:
        length: of the source.
        cut: a sample of the source's entry `index`, with the random numbers of its generator.
        collate: samples and the seconds for which they were waited for, as a batch.
        settings: how many threads, how far ahead.
        batch: images a step of this worker.
        seed: of order and samples.
        rank: this worker among `workers`.

    Raises:
        UnfitSource: nothing to train on.
    """

    def __init__(
        self,
        length: int,
        cut: Callable[[int, np.random.Generator], SampleType],
        collate: Callable[[Sequence[SampleType], float], BatchType],
        settings: LoaderSettings,
        batch: int,
        seed: int,
        rank: int = 0,
        workers: int = 1,
    ) -> None:
        if not length:
            raise UnfitSource("no photos to train on: the source is empty")
        self._length = length
        self._cut = cut
        self._collate = collate
        self._settings = settings
        self._batch = batch
        self._seed = seed
        self._rank = rank
        self._workers = workers

    def batches(self, first_step: int = 0) -> Iterator[BatchType]:
        """Endless batches from `first_step` on, each prepared while the ones before it are used."""
        with ThreadPoolExecutor(self._settings.workers, thread_name_prefix="samples") as pool:
            ahead: deque[list[Future[SampleType]]] = deque()
            step = first_step
            try:
                while True:
                    while len(ahead) <= self._settings.prefetch:
                        ahead.append([pool.submit(self._sample, place) for place in self._places(step)])
                        step += 1
                    start = time.perf_counter()
                    samples = [job.result() for job in ahead.popleft()]
                    yield self._collate(samples, time.perf_counter() - start)
            finally:
                for job in (job for jobs in ahead for job in jobs):
                    job.cancel()

    def _places(self, step: int) -> list[int]:
        """Positions in the endless order that this worker's batch takes at `step`."""
        first = step * self._batch * self._workers
        return [first + self._rank + i * self._workers for i in range(self._batch)]

    def _sample(self, place: int) -> SampleType:
        epoch, position = divmod(place, self._length)
        order = np.random.default_rng((self._seed, 0, epoch)).permutation(self._length)
        return self._cut(int(order[position]), np.random.default_rng((self._seed, 1, place)))
