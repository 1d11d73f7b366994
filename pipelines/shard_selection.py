"""Which of the registered shards a command is about: names, ranges, a file of names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_RANGE = re.compile(r"(?P<first>.+?)(?:…|\.{2,3})(?P<last>.+)")


def select_shards(known: Sequence[str], wanted: Iterable[str], first: str = "unsam add FOLDER") -> list[str]:
    """Names and ranges (`a…b`, `a..b` or `a...b`, both ends included) as shards in the register's order, each once.

    Args:
        first: the command to begin with where nothing is registered yet.

    Raises:
        LookupError: nothing is registered, or a name is not.
        ValueError: a range ends before it begins.
    """
    if not known:
        raise LookupError(f"no shard is registered; begin with: {first}")
    positions = {shard: index for index, shard in enumerate(known)}
    chosen: set[int] = set()
    for name in wanted:
        if name in positions:
            chosen.add(positions[name])
        elif match := _RANGE.fullmatch(name):
            chosen.update(_between(positions, match["first"], match["last"]))
        else:
            raise LookupError(_unknown(name, known))
    return [known[index] for index in sorted(chosen)]


def read_shard_file(path: Path) -> list[str]:
    """Names and ranges of a text file, one a line; empty lines and what follows a `#` are left out.

    Raises:
        ValueError: it cannot be read, or names nothing.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    names = [name for line in lines if (name := line.partition("#")[0].strip())]
    if not names:
        raise ValueError(f"{path} names no shard")
    return names


def _between(positions: dict[str, int], first: str, last: str) -> range:
    for name in (first, last):
        if name not in positions:
            raise LookupError(_unknown(name, list(positions)))
    if positions[first] > positions[last]:
        raise ValueError(f"the range {first}…{last} ends before it begins; swap its ends")
    return range(positions[first], positions[last] + 1)


def _unknown(name: str, known: Sequence[str]) -> str:
    more = " …" if len(known) > 5 else ""
    return f"not registered: {name}; there are {', '.join(known[:5])}{more}"
