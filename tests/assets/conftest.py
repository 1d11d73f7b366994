"""One local Ray and one actor for all tests of assets: each run would start its own otherwise.

Only for them: an idle actor holds a core that tests of other rooms count on.
"""

import pytest

from tests.dagster_runs import one_actor_for_all_runs


@pytest.fixture(scope="package", autouse=True)
def cluster():
    with one_actor_for_all_runs() as pool:
        yield pool
