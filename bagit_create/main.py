"""From what was asked for to a verified package: :func:`run` raises, :func:`process` does not."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from . import errors, log
from .credentials import Secret
from .errors import BicError, InputError, Interrupted
from .job import Job
from .model import Events, Result
from .options import JobOptions, algorithms, embargo_seconds


def run(
    options: JobOptions, events: Events | None = None, loglevel: int | None = logging.WARNING
) -> Result:
    """Make one SIP.

    :param events: told of the progress, from several threads.
    :param loglevel: how much goes into the package's log; at least what is ``info`` does.
    :returns: what was made; Ctrl-C that comes when it is there already changes nothing.
    :raises BicError: of the class that says what went wrong (see :mod:`bagit_create.errors`).
        Nothing is left in the target then, but for a staging folder that the next run of the same
        command continues, where that is of use.
    """
    with log.job(loglevel) as own:
        job = Job(options, events, own)
        try:
            return job.run()
        except KeyboardInterrupt:
            if job.made is None:
                raise
            return job.made
        except BicError as err:
            err.redact(own.redact)  # upstream's own words may repeat what it was sent
            raise


def process(
    recid: int | str | None = None,
    source: str | None = None,
    loglevel: int | None = logging.WARNING,
    target: str | Path | None = None,
    source_path: str | Path | None = None,
    author: str | None = None,
    source_base_path: str | Path | None = None,
    dry_run: bool = False,
    bibdoc: bool = False,
    bd_ssh_host: str | None = None,
    timestamp: int = 0,
    cert: str | None = None,
    token: str | None = None,
    skipssl: bool = False,
    url: str | None = None,
    collection: str | None = None,
    embargo: str | int | None = None,
    comment: str | None = None,
    workdir: str | Path | None = None,
    *,
    alternate_uri: bool = False,
    invcookie: str | None = None,
    algorithm: str | tuple[str, ...] | list[str] = (),
    bagit_version: str = "0.97",
    verify: bool = True,
    hash_missing: bool = False,
    allow_missing: bool = False,
    base_url: str | None = None,
    proxy: str | None = None,
    cookies: str | Path | None = None,
    jobs: int | None = None,
    timeout: float | None = None,
    retries: int | None = None,
    max_wait: float | None = None,
    config: str | Path | None = None,
    archive: str | None = None,
    if_changed: bool = False,
    previous: str | Path | None = None,
) -> dict[str, Any]:
    """Make one SIP, and say in a dict how it went.

    The first nineteen parameters are the forerunner's, in its order. ``timestamp`` is there for
    old callers only: the package always carries the time it was made. ``target`` is the folder in
    which the SIP appears (the current one if None). ``loglevel`` is of either scale: 0 to 3
    (debug, info, warning, error) or the constants of :mod:`logging`. ``archive`` leaves one file
    (``"tar"``, ``"tar.gz"`` or ``"zip"``); the default is a folder, since CERN's platform joins
    ``target`` and ``foldername`` and walks it. ``if_changed`` makes nothing where the newest
    package in ``target`` (or ``previous``) has the record as it is: then ``unchanged`` is True and
    ``foldername`` that package's. ``previous``, a package or a folder of them, gives the files that
    have not changed. Safe from many threads.

    :returns: on success ``{"status": 0, "errormsg": None, "foldername": NAME, ...}``, on failure
        ``{"status": 1, "errormsg": TEXT, "exit_code": N, "error": KIND, ...}``; all of it can be
        written as JSON. ``errormsg`` begins with ``HTTP nnn`` where upstream answered so.
    """
    try:
        if loglevel is not None and (
            isinstance(loglevel, bool)
            or not isinstance(loglevel, int)
            or loglevel not in (0, 1, 2, 3, 10, 20, 30, 40, 50)
        ):
            raise InputError("Not a valid log level.", hint="use 0 to 3, or logging.WARNING")
        _check_types(
            {
                "recid": (recid, (str, int)),
                "target": (target, (str, os.PathLike)),
                "source_path": (source_path, (str, os.PathLike)),
                "source_base_path": (source_base_path, (str, os.PathLike)),
                "workdir": (workdir, (str, os.PathLike)),
                "config": (config, (str, os.PathLike)),
                "cookies": (cookies, (str, os.PathLike)),
                "previous": (previous, (str, os.PathLike)),
                "base_url": (base_url, (str,)),
                "proxy": (proxy, (str,)),
                "algorithm": (algorithm, (str, tuple, list)),
                "jobs": (jobs, (int,)),
                "retries": (retries, (int,)),
                "timeout": (timeout, (int, float)),
                "max_wait": (max_wait, (int, float)),
                "source": (source, (str,)),
                "author": (author, (str,)),
                "url": (url, (str,)),
                "token": (token, (str,)),
                "invcookie": (invcookie, (str,)),
                "cert": (cert, (str,)),
                "bd_ssh_host": (bd_ssh_host, (str,)),
                "archive": (archive, (str,)),
                "collection": (collection, (str,)),
                "comment": (comment, (str,)),
            }
        )
        names = (algorithm,) if isinstance(algorithm, str) else tuple(algorithm or ())
        switches = (
            *(dry_run, bibdoc, skipssl, alternate_uri, verify),
            *(hash_missing, allow_missing, if_changed),
        )
        if not all(isinstance(one, str) for one in names):
            raise InputError("algorithm is a name, or several.")
        if not all(one is None or one in (0, 1) for one in switches):
            raise InputError(
                "dry_run, bibdoc, skipssl, alternate_uri, verify, hash_missing, allow_missing and"
                " if_changed are True or False."
            )
        given: dict[str, Any] = {
            "jobs": jobs,
            "timeout": timeout,
            "retries": retries,
            "max_wait": max_wait,
        }
        options = JobOptions(
            source=source or None,
            recid=None if recid is None or recid == "" else str(recid).strip(),
            url=url or None,
            target=Path(target) if target else Path(),
            workdir=Path(workdir) if workdir else None,
            light=bool(dry_run),
            alternate_uri=bool(alternate_uri),
            source_path=Path(source_path) if source_path else None,
            author=author,
            source_base_path=Path(source_base_path) if source_base_path else None,
            bibdoc=bool(bibdoc),
            bd_ssh_host=bd_ssh_host,
            invcookie=Secret(invcookie) if invcookie else None,
            cert=cert,
            token=Secret(token) if token else None,
            cookies=Path(cookies) if cookies else None,
            proxy=Secret(proxy) if proxy else None,
            base_url=base_url or None,
            allow_missing=bool(allow_missing),
            skipssl=bool(skipssl),
            collection=collection,
            embargo=embargo_seconds(embargo),
            comment=comment,
            algorithms=algorithms(names),
            bagit_version=bagit_version,
            verify=bool(verify),
            hash_missing=bool(hash_missing),
            config=Path(config) if config else None,
            archive=archive or None,
            if_changed=bool(if_changed),
            previous=Path(previous) if previous else None,
            **{name: value for name, value in given.items() if value is not None},
        )
        return run(options, loglevel=loglevel).as_dict()
    except Interrupted as err:
        # Ctrl-C ends the caller's loop over records too, as it would without us.
        raise KeyboardInterrupt(err.message) from err
    except BicError as err:
        return failure(err)
    except Exception as err:  # a bug of ours must not end a worker that harvests many records
        logging.getLogger(__name__).exception("unexpected error")
        return failure(BicError(f"Unexpected error, please report it: {type(err).__name__}: {err}"))


def _check_types(given: dict[str, tuple[Any, tuple[type, ...]]]) -> None:
    """Refuse values that no caller can mean, all in one message.

    :param given: by name the value and the types it may have; None always may be.
    """
    faults = [
        f"{name} is {type(value).__name__}, not {' or '.join(one.__name__ for one in types)}."
        for name, (value, types) in given.items()
        if value is not None and (isinstance(value, bool) or not isinstance(value, types))
    ]
    if faults:
        raise InputError("\n".join(faults))


def failure(err: BicError) -> dict[str, Any]:
    """What ``process()`` and ``--json`` say of a failure."""
    return {
        "status": 1,
        "errormsg": err.for_callers(),
        "exit_code": err.exit_code,
        "error": next(c.__name__ for c in type(err).__mro__ if c in vars(errors).values()),
        "http_status": err.http_status,
        "where": err.where,
        "hint": err.hint,
        "findings": list(getattr(err, "findings", ())),
    }
