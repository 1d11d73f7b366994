"""One local Ray for all assets of a worker: each run would start its own otherwise."""

import pytest

from ops.fanout import Fanout


@pytest.fixture(scope="session", autouse=True)
def cluster():
    with Fanout() as pool:
        pool.connect()
        yield pool
