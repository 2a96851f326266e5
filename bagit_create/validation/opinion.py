"""What another validator says of a bag: bagit-python, the Library of Congress's own."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from .container import Kind

LONGEST = 300


def ask(path: Path, irregular: dict[str, Kind]) -> str:
    """Have bagit-python validate a bag, checksums and all, which reads every file once more.

    :param irregular: links and special files that were found; it would follow the ones out of the
        bag and hang on the others, so it is not asked about such a bag.
    :returns: its name, verdict and reason in one line; that it crashed, if it did.
    """
    from importlib.metadata import version  # seldom needed

    import bagit

    name = f"bagit-python {version('bagit')}"
    if not path.is_dir():
        return f"{name}: not asked, it reads folders only"
    if irregular:
        return f"{name}: not asked, it would follow links and open special files"
    log = logging.getLogger("bagit")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        bagit.Bag(str(path)).validate()
    except bagit.BagError as err:
        return f"{name}: invalid: {_words(err)}"
    except Exception as err:  # eleven kinds of bags make it crash instead of judging
        return f"{name}: crashed: {type(err).__name__}: {_words(err)}"
    finally:
        log.setLevel(level)
    return f"{name}: valid"


def _words(err: Exception) -> str:
    return re.sub(r"\s+", " ", str(err))[:LONGEST]
