"""What tests of several modules of this room share."""

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="module")
def one_thread():
    """One thread for each of numpy's and torch's pools: on few cores the two spin against each other."""
    with threadpool_limits(1):
        yield
