"""``bic`` without a subcommand: make one package, and say how it went."""

from __future__ import annotations

import logging
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import config, log
from ..console import display, size_text
from ..credentials import Secret, read_file
from ..errors import BicError, ConfigError, InputError
from ..model import Result
from ..options import JobOptions, algorithms, embargo_seconds
from ..version import __version__
from . import output

MAY_NOT_BE_EMPTY = (
    "archive",
    "base_url",
    "bd_ssh_host",
    "cert",
    "config",
    "cookies",
    "embargo",
    "invcookie",
    "previous",
    "proxy",
    "source_base_path",
    "target",
    "token",
    "token_file",
    "workdir",
)
"""Given as ``""`` (an unset variable of a shell), these would quietly mean something else."""


def make_package(given: Mapping[str, Any]) -> int:
    """Make what the options ask for; return the exit code.

    :param given: the values of the options, by the names of their parameters.
    """
    as_json = bool(given["as_json"])
    secrets: list[Secret] = []
    try:
        options = job_options(given)
        secrets = [one for one in (options.token, options.invcookie, options.proxy) if one]
        result, seconds = _run(options, given)
    except BicError as err:
        output.tell_error(_hidden(str(err), secrets))
        return _failed(err, as_json, secrets)
    except Exception as err:  # a bug is told in one line, and its traceback on request
        code = output.tell_bug(err, given["debug"])
        if as_json:
            text = f"Unexpected error, please report it: {type(err).__name__}: {err}"
            _failed(BicError(text), True, secrets)
        return code
    if as_json:
        output.emit_json(result.as_dict())
    else:
        output.emit(bytes(result.path))
        if result.unchanged and not given["quiet"]:
            output.tell(f"unchanged since {result.name} was made: nothing was made")
            return 0
        if sys.stderr.isatty() and not given["quiet"]:
            output.tell(summary(result, seconds))
    return 0


def _run(options: JobOptions, given: Mapping[str, Any]) -> tuple[Result, float]:
    from .. import main  # loads the HTTP library

    verbosity = 2 if given["very_verbose"] else given["verbose"]
    silent = bool(given["quiet"] or given["as_json"])
    level = logging.WARNING
    if verbosity:
        level = logging.DEBUG if verbosity > 1 else logging.INFO
    elif silent:
        level = logging.ERROR
    began = time.monotonic()
    result = None
    try:
        with display(sys.stderr, silent=silent, verbose=verbosity > 0) as shown:
            with output.logging_to(shown, level):
                log.STANDARD.debug("bic %s, Python %s", __version__, platform.python_version())
                log.STANDARD.debug("%s", log.redact(str(options)))
                result = main.run(options, shown, level)
    except KeyboardInterrupt:
        if result is None:
            raise
    return result, time.monotonic() - began


def job_options(given: Mapping[str, Any], any_source: bool = False) -> JobOptions:
    """Turn the values of the command line into a job.

    :param any_source: a list says of each record where it is.
    :raises InputError: naming everything that cannot work.
    :raises ConfigError: if the token file cannot be used.
    """
    faults = [
        f"--{name.replace('_', '-')} is empty." for name in MAY_NOT_BE_EMPTY if given[name] == ""
    ]
    if given["quiet"] and (given["verbose"] or given["very_verbose"]):
        faults.append("--quiet does not go with --verbose.")
    if given["token"] and given["token_file"]:
        faults.append("--token does not go with --token-file.")
    url, author = given["url"], given["author"]
    if given["short_u"] is not None:
        if (given["source"] or "").strip().lower() == "local":
            if author not in (None, given["short_u"]):
                faults.append("-u is the author with source local, and --author says another.")
            author = given["short_u"]
        else:
            if url not in (None, given["short_u"]):
                faults.append("-u and --url name two addresses.")
            url = given["short_u"]
    embargo = None
    try:
        embargo = embargo_seconds(given["embargo"])
    except InputError as err:
        faults.append(" ".join(f"{err.message} ({err.where}; {err.hint})".split()))
    options = JobOptions(
        source=(given["source"] or "").strip() or None,
        recid=(given["recid"] or "").strip() or None,
        url=url or None,
        target=Path(given["target"] or "."),
        workdir=_path(given["workdir"]),
        light=given["dry_run"],
        alternate_uri=given["alternate_uri"],
        source_path=_path(given["source_path"]),
        author=author,
        source_base_path=_path(given["source_base_path"]),
        bibdoc=given["bibdoc"],
        bd_ssh_host=given["bd_ssh_host"] or None,
        invcookie=Secret(given["invcookie"]) if given["invcookie"] else None,
        cert=given["cert"] or None,
        token=Secret(given["token"]) if given["token"] else None,
        cookies=_path(given["cookies"]),
        proxy=Secret(given["proxy"]) if given["proxy"] else None,
        base_url=given["base_url"] or None,
        allow_missing=given["allow_missing"],
        skipssl=given["skipssl"],
        collection=given["collection"],
        embargo=embargo,
        comment=given["comment"],
        algorithms=algorithms(given["algorithm"]),
        bagit_version=given["bagit_version"],
        verify=not given["no_verify"],
        hash_missing=given["hash_missing"],
        jobs=given["jobs"],
        timeout=given["timeout"],
        retries=given["retries"],
        max_wait=given["max_wait"],
        config=_path(given["config"]),
        archive=given["archive"] or None,
        if_changed=given["if_changed"],
        previous=_path(given["previous"]),
    )
    hint = "bic --help"
    kind = None
    try:
        if options.source:
            known = config.load(options.config)
            kind = (
                known.one_off(options.source, options.base_url)
                if options.base_url
                else known.instance(options.source)
            ).pipeline
    except ConfigError:
        raise
    except InputError as err:
        faults.append(err.message)
        hint = err.hint
    try:
        invented = any_source and not options.source
        (replace(options, source="any") if invented else options).check(kind)
    except InputError as err:
        faults += err.message.split("\n")
    if len(faults) > 1:
        raise InputError("\n- ".join(["Several things are wrong:", *faults]), hint=hint)
    if faults:
        raise InputError(faults[0], hint=hint)
    if not given["token_file"]:
        return options
    return replace(options, token=read_file(given["token_file"]))


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _hidden(text: str, secrets: list[Secret]) -> str:
    for one in secrets:
        text = text.replace(one.value, str(one))
    return log.redact(text)


def _failed(err: BicError, as_json: bool, secrets: list[Secret]) -> int:
    if as_json:
        from ..main import failure

        answer = failure(err)
        for key, value in answer.items():
            if isinstance(value, str):
                answer[key] = _hidden(value, secrets)
        output.emit_json(answer)
    return err.exit_code


def summary(result: Result, seconds: float) -> str:
    """Two lines for a person: what was made, and what the person should know of it."""
    kind = "light package" if result.light else "package"
    number = f"{result.files} file" + ("" if result.files == 1 else "s")
    state = "listed" if result.light else "read back and verified" if result.verified else "fetched"
    notes = {
        "left out": len(result.skipped),
        "without a checksum": len(result.without_checksum),
        "renamed": len(result.renamed),
    }
    told = ", ".join(f"{count} {what}" for what, count in notes.items() if count)
    return (
        f"{kind} of {result.source} {result.recid}: {number}, {size_text(result.bytes)}, {state},"
        f" in {seconds:.1f} s\n"
        + (f"{told}: see data/meta/sip.json" if told else "nothing left out, nothing renamed")
    )
