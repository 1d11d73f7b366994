"""One local Ray for all assets of a worker, one actor for all runs of a file: each run would start its own otherwise.

An actor holds a core, idle or not, so none is left to tests of other rooms.
"""

import pytest

from ops.fanout import Fanout
from tests.dagster_runs import one_actor_for_all_runs


@pytest.fixture(scope="session", autouse=True)
def cluster():
    with Fanout() as pool:
        pool.connect()
        yield pool


@pytest.fixture(scope="module", autouse=True)
def actor(cluster):
    with one_actor_for_all_runs() as pool:
        yield pool
