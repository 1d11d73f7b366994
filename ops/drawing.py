"""A share of images that never changes when others are added: by a hash of their names."""

from __future__ import annotations

import hashlib

_BITS = 64


def is_drawn(name: str, share: float, purpose: bytes = b"") -> bool:
    """Whether `name` is among the share; a larger share holds the smaller ones.

    Args:
        purpose: at most 16 bytes; shares drawn for different purposes have nothing to do with each other.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=_BITS // 8, person=purpose).digest()
    return int.from_bytes(digest) < share * 2**_BITS
