"""``siluan doctor``."""

from __future__ import annotations


def doctor() -> None:
    """Say what is missing and what that costs; only reads."""
