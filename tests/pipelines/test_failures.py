"""Why a run failed, as one line."""

import pytest
from dagster._utils.error import SerializableErrorInfo

from pipelines.failures import error_in_one_line


@pytest.mark.parametrize(
    ("kind", "message", "said"),
    [
        ("NoVersion", "NoVersion: nothing is published in masks/a\n", "nothing is published in masks/a"),
        ("KeyError", "KeyError: 4\n", "KeyError: 4"),
        ("AssertionError", "AssertionError\n", "AssertionError"),
    ],
)
def test_the_error_below_what_dagster_wraps(kind: str, message: str, said: str) -> None:
    error = SerializableErrorInfo(message, [], kind)
    assert error_in_one_line(error) == said
    wrapper = "DagsterExecutionStepExecutionError"
    assert error_in_one_line(SerializableErrorInfo(f"{wrapper}: an error\n", [], wrapper, cause=error)) == said
