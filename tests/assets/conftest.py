"""One local Ray and one actor for all assets of a worker: each run would start its own otherwise."""

import pytest

from tests.dagster_runs import one_actor_for_all_runs


@pytest.fixture(scope="session", autouse=True)
def cluster():
    with one_actor_for_all_runs() as pool:
        yield pool
