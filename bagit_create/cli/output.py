"""What goes to standard output and to standard error, and nothing to the wrong one."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from .. import log
from ..console import Display
from ..errors import InputError, SipError

_WORDS = {logging.DEBUG: "debug: ", logging.INFO: "", logging.WARNING: "warning: "}


def emit(result: str | bytes) -> bool:
    """Write a result to standard output; that nobody reads it any more is no error.

    :returns: whether somebody does.
    :raises SipError: if it cannot be written (a full disk behind a redirection).
    """
    try:
        click.echo(result)
        sys.stdout.flush()
    except BrokenPipeError:
        hush()
        return False
    except OSError as err:
        hush()
        text = result.decode(errors="replace") if isinstance(result, bytes) else result
        raise SipError(
            f"Standard output cannot be written: {err.strerror}.", where=text.strip()[:500]
        ) from err
    return True


def emit_json(value: Any) -> bool:
    """Write one JSON value on one line; ASCII, so that no name can spoil it.

    :returns: whether somebody reads it.
    """
    return emit(json.dumps(value))


def open_closed_streams() -> None:
    """Give a program that was started with a stream closed one that leads nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))


def hush() -> None:
    """Send what is still buffered for standard output nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass  # a stream without descriptor, as tests have it


def tell(text: str) -> None:
    """Write to standard error, line by line, with control characters made visible."""
    try:
        for line in log.redact(text).split("\n"):
            click.echo(log.visible(line), err=True)
    except OSError:
        pass  # nobody is left to be told; the exit code still says it


def tell_error(text: str) -> None:
    """Write what went wrong."""
    tell(f"Error: {text}")


def tell_of_losses(check: Callable[[], None]) -> None:
    """Warn of what a check misses, where the rest can be told all the same."""
    try:
        check()
    except InputError as err:
        tell(f"warning: {err}")


def tell_bug(err: Exception, debug: bool) -> int:
    """Write that this should not happen, with the traceback if asked for; return the exit code."""
    if debug:
        tell("".join(traceback.format_exception(err)).rstrip())
    more = "" if debug else " (--debug shows where)"
    tell_error(f"this is a bug, please report it: {type(err).__name__}: {err}{more}")
    return 1


class _ToDisplay(logging.Handler):
    """Shows the package's log records through the display, each text once."""

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        text = log.visible(log.redact(record.getMessage()))
        if record.levelno >= logging.WARNING:
            if text in self._told:
                return
            self._told.add(text)
        try:
            self._display.message(_WORDS.get(record.levelno, "error: ") + text)
        except OSError:
            pass


@contextmanager
def logging_to(display: Display, level: int) -> Iterator[None]:
    """Show the package's messages from ``level`` on while this lasts; only programs do this."""
    handler = _ToDisplay(display)
    before = log.STANDARD.level
    log.STANDARD.addHandler(handler)
    log.STANDARD.setLevel(level)
    try:
        yield
    finally:
        log.STANDARD.removeHandler(handler)
        log.STANDARD.setLevel(before)
