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


@pytest.mark.parametrize(
    ("cause", "expected"),
    [(KeyboardInterrupt(), SystemExit), (OwnInterruption(), SystemExit), (ValueError("a fault"), SystemError)],
)
def test_a_signal_that_comes_as_a_function_in_c_returns_ends_the_process(cause, expected):
    with pytest.raises(expected), ending_at_once():
        raise SystemError("<function wait> returned a result with an exception set") from cause


def test_a_system_error_of_its_own_passes():
    with pytest.raises(SystemError, match="a fault"), ending_at_once():
        raise SystemError("a fault")


def test_a_generator_inside_can_be_closed():
    def numbers():
        with ending_at_once():
            yield from range(3)

    left = numbers()
    assert next(left) == 0
    left.close()
    assert list(numbers()) == [0, 1, 2]
