"""What of an answer counts when it is compared with that of another day."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from typing import Any

from .base import Essence


def of_json(
    content: bytes,
    volatile: Collection[str] = (),
    *,
    kept: Collection[str] = (),
    part: Callable[[Any], Any] = lambda value: value,
    tells_all: Callable[[Any], bool] = lambda value: False,
    settled: Callable[[Any], int] = lambda value: 0,
) -> Essence | None:
    """What counts of a JSON document; None if it is not of the known shape.

    :param volatile: keys that do not count, at any depth.
    :param kept: keys below which everything counts: there, people choose the words.
    :param part: takes what counts at all out of the document.
    :param tells_all: see :class:`.base.Essence`; asked of the whole document, as is ``settled``.
    """
    try:
        value = json.loads(content)
        text = canonical(without(part(value), volatile, kept))
        return Essence(text, tells_all(value), settled(value))
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        return None


def without(value: Any, volatile: Collection[str], kept: Collection[str] = ()) -> Any:
    """The same value without these keys, at any depth but below those that are kept whole.

    :raises RecursionError: if it is nested too deeply.
    """
    if isinstance(value, dict):
        return {
            key: one if key in kept else without(one, volatile, kept)
            for key, one in value.items()
            if key not in volatile
        }
    if isinstance(value, list):
        return [without(one, volatile, kept) for one in value]
    return value


def canonical(value: Any) -> bytes:
    """One spelling of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def all_have(items: Iterable[Any], key: str) -> bool:
    """Whether each of these is an object with something under this key."""
    return all(isinstance(one, dict) and one.get(key) for one in items)
