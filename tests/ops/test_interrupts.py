"""What interrupts turn into, and what passes as it is."""

import pytest

from ops.interrupts import STOPPED, ending_at_once


class OwnInterruption(BaseException):
    """As Dagster's."""


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (KeyboardInterrupt(), SystemExit),
        (OwnInterruption(), SystemExit),
        (SystemExit(3), SystemExit),
        (ValueError("a fault"), ValueError),
        (GeneratorExit(), GeneratorExit),
    ],
)
def test_only_interruptions_end_the_process(raised, expected):
    with pytest.raises(expected) as caught, ending_at_once():
        raise raised
    if isinstance(raised, KeyboardInterrupt | OwnInterruption):
        assert caught.value.code == STOPPED
    else:
        assert caught.value is raised


def test_a_generator_inside_can_be_closed():
    def numbers():
        with ending_at_once():
            yield from range(3)

    left = numbers()
    assert next(left) == 0
    left.close()
    assert list(numbers()) == [0, 1, 2]
