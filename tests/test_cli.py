"""The command line, mostly through its real door: arguments in; streams and exit code out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from gates import LONG_S, until

from bagit_create import errors
from bagit_create.cli import cli, job
from bagit_create.cli.demo import RECORDS
from bagit_create.cli.group import EXAMPLES, EXIT_CODES
from bagit_create.console import Display, Lines, display, size_text
from bagit_create.errors import BicError
from bagit_create.pipelines import PIPELINES
from bagit_create.sandbox import Fault, Sandbox
from bagit_create.sandbox.sandbox import SOURCES
from bagit_create.version import __version__

Answer = subprocess.CompletedProcess[str]
ZENODO = ("--source", "zenodo", "--recid", "7000001")


class Door:
    """Runs ``bic`` in a folder of its own, against the sandbox."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder = folder
        self.config = config

    def __call__(self, *args: str | Path, input: str = "", **environment: str) -> Answer:
        return subprocess.run(
            [sys.executable, "-m", "bagit_create", *map(str, args)],
            cwd=self.folder,
            env={**os.environ, "BIC_CONFIG": str(self.config), **environment},
            input=input,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )

    @property
    def left(self) -> list[str]:
        """What is in the folder afterwards."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def bic(tmp_path: Path, config_file: Path) -> Door:
    folder = tmp_path / "here"
    folder.mkdir()
    return Door(folder, config_file)


def local(folder: Path) -> tuple[str, ...]:
    """Options that package a small folder, made beside."""
    source = folder / "source"
    source.mkdir()
    (source / "a.txt").write_text("alpha")
    return ("--source", "local", "--source-path", str(source))


# -- the result -------------------------------------------------------------------------------


def test_the_path_is_all_there_is_on_stdout(bic: Door) -> None:
    """One line, an existing package, and a quiet stderr that is no terminal."""
    answer = bic(*ZENODO, "--target", "out")

    [line] = answer.stdout.splitlines()
    assert (0, "") == (answer.returncode, answer.stderr)
    assert (bic.folder / line / "data/meta/sip.json").is_file()
    assert ["out"] == bic.left


def test_json_on_success(bic: Door) -> None:
    """One object with the keys of process(): they are an interface."""
    answer = bic("-u", "https://doi.org/10.5281/zenodo.7000001", "--json", "--light")

    result = json.loads(answer.stdout)
    assert {
        "status": 0,
        "errormsg": None,
        "foldername": Path(result["path"]).name,
        "exit_code": 0,
        "source": "zenodo",
        "recid": "7000001",
        "light": True,
        "files": 4,
    }.items() <= result.items()
    assert {"bytes", "skipped", "renamed", "without_checksum", "warnings"} <= set(result)
    assert "" == answer.stderr


def test_json_on_failure(bic: Door) -> None:
    """The same place, the same keys as process() gives, and the reason on stderr too."""
    answer = bic("--source", "zenodo", "--recid", "7000007", "--json")

    result = json.loads(answer.stdout)
    assert (5, 1, 5, "RecordNotFound") == (
        answer.returncode,
        result["status"],
        result["exit_code"],
        result["error"],
    )
    assert result["errormsg"].startswith("HTTP 410")
    assert {"where", "hint", "findings"} <= set(result)
    assert answer.stderr.startswith("Error: HTTP 410")


def test_a_full_disk_behind_stdout(bic: Door) -> None:
    """The package is there, but its path reached nobody: that is not success."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "bagit_create", *ZENODO, "--config", str(bic.config)],
            cwd=bic.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    assert 10 == answer.returncode
    assert "Standard output cannot be written" in answer.stderr
    assert bic.left[0] in answer.stderr
    assert "Traceback" not in answer.stderr and "Exception" not in answer.stderr


def test_a_reader_that_went_away(bic: Door) -> None:
    """``bic … | head`` ends quietly."""
    script = f'"{sys.executable}" -m bagit_create sources 2>errors | true; cat errors'
    answer = subprocess.run(
        ["bash", "-c", script],
        cwd=bic.folder,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "BIC_CONFIG": str(bic.config)},
    )

    assert "rror" not in answer.stdout.replace("cat errors", "")


# -- every exit code --------------------------------------------------------------------------


def test_the_exit_codes_of_the_help_are_those_of_the_errors() -> None:
    """One table, told twice."""

    def codes(one: type[BicError]) -> set[int]:
        return {one.exit_code}.union(*map(codes, one.__subclasses__()))

    assert codes(errors.BicError) | {0} == set(EXIT_CODES)


@pytest.mark.parametrize(
    ("code", "args"),
    [
        (2, ("--source", "zenod", "--recid", "1")),
        (2, ("--no-such-option",)),
        (3, (*ZENODO, "--config", "missing.toml")),
        (5, ("--source", "cds-rdm", "--recid", "gone0-00004")),
        (6, ("--source", "zenodo", "--recid", "7000002")),
        (10, (*ZENODO, "--target", "/proc/nowhere")),
        (11, ("validate", ".")),
    ],
)
def test_each_fault_has_its_exit_code(bic: Door, code: int, args: tuple[str, ...]) -> None:
    """A script can tell what happened, nothing is on stdout, and nothing is left behind."""
    answer = bic(*args)

    assert code == answer.returncode, answer.stderr
    assert "Traceback" not in answer.stderr
    if "validate" not in args:
        assert ("", []) == (answer.stdout, bic.left)
        assert "Error: " in answer.stderr


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (4, Fault("not-json")),
        (7, Fault("status", status=503)),
        (8, Fault("cut", after=1000)),
        (9, Fault("wrong-bytes")),
    ],
)
def test_each_upstream_fault_has_its_exit_code(
    bic: Door, sandbox: Sandbox, code: int, fault: Fault
) -> None:
    """So does what goes wrong on the other side."""
    sandbox.fault("/content" if code in (8, 9) else "/api/records/7000001", fault)
    answer = bic(*ZENODO, "--retries", "0", "--max-wait", "1")

    assert (code, "") == (answer.returncode, answer.stdout), answer.stderr
    assert [] == [one for one in bic.left if one.startswith("sip")]


def test_a_bug_is_called_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line and exit code 1; the traceback only for those who ask."""

    def broken(*_: object) -> Any:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(job, "_run", broken)
    brief = CliRunner().invoke(cli, [*ZENODO])
    long = CliRunner().invoke(cli, [*ZENODO, "--debug", "--json"])

    assert (1, "") == (brief.exit_code, brief.stdout)
    assert "this is a bug, please report it: ZeroDivisionError: oh" in brief.stderr
    assert "Traceback" not in brief.stderr and "Traceback" in long.stderr
    assert (1, 1) == (long.exit_code, json.loads(long.stdout)["exit_code"])


def test_control_c(bic: Door, sandbox: Sandbox) -> None:
    """130, no traceback, no package; the same command continues and leaves nothing hidden."""
    sandbox.add_record("zenodo", "7200000", {"first.bin": 100_000, "second.bin": 100_000})
    sandbox.fault("second.bin", Fault("stall", after=10, seconds=LONG_S), times=1)
    command = [sys.executable, "-m", "bagit_create", "--source", "zenodo", "--recid", "7200000"]
    running = subprocess.Popen(
        [*command, "--config", str(bic.config)],
        cwd=bic.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    until(lambda: any("second.bin/content" in one.path for one in sandbox.seen))
    until(lambda: any("first.bin" in one.read_text() for one in bic.folder.rglob("done.jsonl")))
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=LONG_S)

    assert (130, "") == (running.returncode, out)
    assert "Interrupted" in err and "Traceback" not in err
    assert [] == [one for one in bic.left if one.startswith("sip")]
    sandbox.clear()
    assert 0 == bic(*command[3:]).returncode
    assert [] == [one.path for one in sandbox.seen if "first.bin/content" in one.path]
    assert 1 == len(bic.left)


# -- what was asked for -----------------------------------------------------------------------


def test_all_that_is_wrong_is_named_at_once(bic: Door, sandbox: Sandbox) -> None:
    """One call per mistake is a nuisance; and no request is made."""
    answer = bic(
        "--source", "zenodo", "--recid", "a/b", "--alternate-uri", "--bibdoc", "--embargo", "soon",
        "-q", "-v", "--token", "", "--jobs", "0",
    )  # fmt: skip

    assert 2 == answer.returncode
    for word in (
        "record id", "--alternate-uri", "--bibdoc", "--embargo", "--quiet", "--token", "--jobs"
    ):  # fmt: skip
        assert word in answer.stderr
    assert [] == sandbox.seen


@pytest.mark.parametrize("name", job.MAY_NOT_BE_EMPTY)
def test_a_value_that_is_empty_is_refused(name: str) -> None:
    """As that of a variable which is not set: the run would be another than was meant."""
    option = f"--{name.replace('_', '-')}"
    answer = CliRunner().invoke(cli, ["--source", "cds", "--recid", "1", "--bibdoc", option, ""])

    assert 2 == answer.exit_code
    assert f"{option} is empty." in answer.stderr


def test_a_wrong_source_names_the_near_one(bic: Door) -> None:
    """And all known ones."""
    answer = bic("--source", "zenodoo", "--recid", "1")

    assert "did you mean zenodo?" in answer.stderr
    assert "cds-rdm" in answer.stderr


def test_u_is_the_author_of_a_local_folder(bic: Door, tmp_path: Path) -> None:
    """As the forerunner's README has it."""
    answer = bic(*local(tmp_path), "-u", "Ada Lovelace")

    sip = json.loads((bic.folder / answer.stdout.strip() / "data/meta/sip.json").read_text())
    assert "Ada Lovelace" in json.dumps(sip)


def test_u_is_an_address_everywhere_else(bic: Door) -> None:
    """And ``--url`` is an address always."""
    assert 0 == bic("-u", "10.5281/zenodo.7000001", "-d").returncode
    refused = bic("--source", "local", "--url", "x", "--source-path", ".")
    assert 2 == refused.returncode
    assert "--url does not go with source local" in refused.stderr


@pytest.mark.parametrize(
    ("written", "name", "value"),
    [
        (["-s", "x"], "source", "x"),
        (["-d"], "dry_run", True),
        (["--light"], "dry_run", True),
        (["-a"], "alternate_uri", True),
        (["-b"], "bibdoc", True),
        (["--bd-ssh-host", "h"], "bd_ssh_host", "h"),
        (["-t", "x"], "target", "x"),
        (["-wd", "x"], "workdir", "x"),
        (["-sp", "x"], "source_path", "x"),
        (["-au", "x"], "author", "x"),
        (["-sbp", "x"], "source_base_path", "x"),
        (["-ic", "x"], "invcookie", "x"),
        (["-ss"], "skipssl", True),
        (["-c", "x"], "cert", "x"),
        (["-tk", "x"], "token", "x"),
        (["-ct", "x"], "collection", "x"),
        (["-em", "1"], "embargo", "1"),
        (["-cm", "x"], "comment", "x"),
        (["-v"], "verbose", 1),
        (["-v", "-v"], "verbose", 2),
        (["-vv"], "very_verbose", True),
        (["--very-verbose"], "very_verbose", True),
        (["-q"], "quiet", True),
        (["-j", "3"], "jobs", 3),
        (["--algorithm", "md5", "--algorithm", "sha256"], "algorithm", ("md5", "sha256")),
    ],
)
def test_the_short_forms(written: list[str], name: str, value: object) -> None:
    """Every spelling of the forerunner parses, and none means two things."""
    context = cli.make_context("bic", list(written), resilient_parsing=False)

    assert value == context.params[name]


def test_no_spelling_is_taken_twice() -> None:
    """Click would let the later one win."""
    every = [one for param in cli.params for one in (*param.opts, *param.secondary_opts)]

    assert sorted(set(every)) == sorted(every)


@pytest.mark.parametrize("word", ["3911261", "https://zenodo.org/records/1", "vaildate"])
def test_a_stray_word(word: str) -> None:
    """What it may have meant is said."""
    answer = CliRunner().invoke(cli, [word])

    assert 2 == answer.exit_code
    assert any(hint in answer.stderr for hint in ("--recid", "--url", "validate"))


def test_options_before_a_subcommand_are_not_lost() -> None:
    """They would have no effect there, so they are refused."""
    answer = CliRunner().invoke(cli, ["--target", "x", "sources"])

    assert (2, True) == (answer.exit_code, "--target does not go before" in answer.stderr)


# -- help -------------------------------------------------------------------------------------


def test_nothing_asks_for_help(bic: Door) -> None:
    """So do ``-h`` and ``--help``; exit code 0, on stdout."""
    texts = {bic(*args).stdout for args in ((), ("-h",), ("--help",))}

    assert 1 == len(texts)
    assert "Examples:" in texts.pop()


def test_every_option_has_help() -> None:
    """And a command has a line in the list of commands."""
    commands: list[click.Command] = [cli, *cli.commands.values()]

    for command in commands:
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help or param.hidden, param.opts


def test_the_examples_of_the_help_are_of_known_sources() -> None:
    """Their options parse, and their servers exist."""
    for line in EXAMPLES:
        assert line in CliRunner().invoke(cli, ["--help"]).stdout
        words = line.replace("'Ada Lovelace'", "Ada").split()[1:]
        context = cli.make_context("bic", words)
        job.job_options(context.params)


def test_the_version(bic: Door) -> None:
    """In one line."""
    assert f"bic {__version__}\n" == bic("--version").stdout


# -- what is said on the way ------------------------------------------------------------------


def test_v_tells_the_steps_and_vv_the_details(bic: Door) -> None:
    """On stderr, each more than the one before."""
    silent, steps, details = (len(bic(*ZENODO, *more).stderr) for more in ((), ("-v",), ("-vv",)))

    assert 0 == silent < steps < details


def test_a_warning_is_told_once_and_left_out_when_quiet(bic: Door, tmp_path: Path) -> None:
    """What is not in the package is always named, but for those who ask for silence."""
    options = (*local(tmp_path), "--author", "A")
    (tmp_path / "source/out").symlink_to("/etc/hostname")

    told = bic(*options).stderr
    assert 1 == told.count("left out: out")
    assert "" == bic(*options, "-q").stderr
    as_json = bic(*options, "--json")
    assert ("", "out") == (as_json.stderr, json.loads(as_json.stdout)["skipped"][0]["name"])


def test_names_from_outside_do_not_reach_the_terminal_raw(bic: Door, tmp_path: Path) -> None:
    """An escape sequence in a name is shown, not obeyed."""
    options = (*local(tmp_path), "--author", "A")
    (tmp_path / "source/\x1b[31mred\x07").symlink_to("/etc/hostname")
    answer = bic(*options, "-vv")

    assert 0 == answer.returncode
    assert "\x1b" not in answer.stderr and "\x07" not in answer.stderr
    assert r"\x1b[31mred\x07" in answer.stderr


def test_a_name_that_is_no_text(bic: Door, tmp_path: Path) -> None:
    """The path on stdout is the bytes of the file system."""
    target = os.fsencode(tmp_path) + b"/out\xff"
    answer = subprocess.run(
        [sys.executable, "-m", "bagit_create", *ZENODO, "-t", target, "--config", str(bic.config)],
        capture_output=True,
    )

    assert 0 == answer.returncode, answer.stderr
    assert os.path.isdir(answer.stdout.rstrip(b"\n"))


def test_no_secret_on_either_stream(bic: Door) -> None:
    """Not even in detail, nor when it is refused."""
    secret = "s3cret-t0ken"
    share = "https://zenodo.org/records/7000013?token=sh4re-secret"
    for args in ((*ZENODO, "-tk", secret), ("--url", share, "--token", secret)):
        answer = bic(*args, "-vv", "--json")
        assert secret not in answer.stderr + answer.stdout
        assert "sh4re-secret" not in answer.stderr + answer.stdout


def test_size_text() -> None:
    """Sizes for people."""
    given = (0, 1, 999, 1000, 999_949, 999_950, 1_500_000, 2 * 10**15, None)

    assert [
        "0 bytes", "1 byte", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "1.5 MB", "2000.0 TB",
        "an unknown size",
    ] == [size_text(one) for one in given]  # fmt: skip


def test_a_display_for_every_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars need a capable terminal; a log gets lines if asked for; else nothing."""
    monkeypatch.delenv("CI", raising=False)
    with open(os.devnull, "w") as nowhere:
        assert Display is type(display(nowhere))
        assert Lines is type(display(nowhere, verbose=True))
        assert Display is type(display(nowhere, verbose=True, silent=True))


def test_progress_lines(tmp_path: Path) -> None:
    """Where a run is, in plain words."""
    with (tmp_path / "log").open("w+") as stream:
        with Lines(stream) as shown:
            shown.interval = 0.0
            shown.phase("fetch")
            shown.started(2, 3000)
            shown.advanced(1500)
            shown.file_done("data/content/a")
            shown.waiting(30, "the server asked for it")
        stream.seek(0)
        lines = stream.read().splitlines()

    assert [
        "fetching: 0 of 2 files, 1.5 kB of 3.0 kB",
        "fetching: 1 of 2 files, 1.5 kB of 3.0 kB",
        "fetching: 1 of 2 files, 1.5 kB of 3.0 kB, waiting 30 s (the server asked for it)",
    ] == lines


# -- subcommands ------------------------------------------------------------------------------


def test_validate(bic: Door) -> None:
    """A verdict for each path; what is incomplete as declared is sound."""
    full = bic(*ZENODO, "-t", "full").stdout.strip()
    light = bic(*ZENODO, "-t", "light", "--dry-run").stdout.strip()
    answer = bic("validate", full, light)

    assert 0 == answer.returncode, answer.stdout
    assert [f"valid: {full}", f"incomplete: {light}"] == [
        line.partition(" (")[0] for line in answer.stdout.splitlines() if not line.startswith(" ")
    ]


def test_validate_finds_a_changed_byte(bic: Door) -> None:
    """The findings are the result: stdout, and exit code 11."""
    package = Path(bic(*ZENODO).stdout.strip())
    victim = next((bic.folder / package / "data/content").glob("*.pdf"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    answer = bic("validate", package)

    assert 11 == answer.returncode
    assert answer.stdout.startswith("invalid: ")
    assert victim.name in answer.stdout
    reports = json.loads(bic("validate", "--json", package).stdout)["reports"]
    assert ["invalid"] == [report["verdict"] for report in reports]


def test_validate_refuses_a_path_that_is_not_there(bic: Door) -> None:
    """Before anything is read."""
    answer = bic("validate", "nowhere", "neither")

    assert (2, "") == (answer.returncode, answer.stdout)
    assert "nowhere, neither" in answer.stderr


def test_sources(bic: Door) -> None:
    """All servers, the user's own too; where a credential is found, never its value."""
    bic.config.write_text(
        bic.config.read_text() + '[mine]\npipeline = "inveniordm"\nbase_url = "https://a.example"\n'
    )
    plain = bic("sources", BIC_TOKEN_MINE="s3cret")
    listed = json.loads(bic("sources", "--json", BIC_TOKEN_MINE="s3cret").stdout)["sources"]

    assert "mine: https://a.example (kind inveniordm)" in plain.stdout
    assert "found in BIC_TOKEN_MINE" in plain.stdout
    assert "s3cret" not in plain.stdout + plain.stderr
    [mine] = [one for one in listed if one["source"] == "mine"]
    assert (True, "BIC_TOKEN_MINE") == (mine["configured"], mine["configured_in"])
    assert ["BIC_TOKEN_MINE", "BIC_TOKEN"] == mine["variables"]


def test_a_token_from_standard_input(bic: Door) -> None:
    """``--token-file -`` keeps it off the command line."""
    closed = ("--source", "zenodo", "--recid", "7000002")

    assert 0 == bic(*closed, "--token-file", "-", input="good\n").returncode
    assert 3 == bic(*closed, "--token-file", "-", input="").returncode


def test_the_sandbox_command(tmp_path: Path) -> None:
    """It prints a configuration that works, and Ctrl-C is its regular end."""
    file = tmp_path / "sandbox.toml"
    running = subprocess.Popen(
        [sys.executable, "-m", "bagit_create", "sandbox", "--config-file", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert running.stderr
    while "Ctrl-C" not in running.stderr.readline():
        assert running.poll() is None
    done = Door(tmp_path, file)(*ZENODO, "-t", "out")
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=LONG_S)

    assert 0 == done.returncode, done.stderr
    assert (0, file.read_text().strip()) == (running.returncode, out.strip())
    assert "Traceback" not in err


def test_the_demo(tmp_path: Path) -> None:
    """Every package valid, whatever the environment holds, and nothing left."""
    answer = Door(tmp_path, tmp_path / "missing.toml")(
        "demo", BIC_TOKEN="nonsense", HTTP_PROXY="http://127.0.0.1:9", TMPDIR=str(tmp_path)
    )

    rows = answer.stdout.splitlines()[1:]
    assert 0 == answer.returncode, answer.stderr
    assert len(RECORDS) + 2 == len(rows)
    assert 1 == sum("incomplete" in row for row in rows)
    assert [] == list(tmp_path.iterdir())


def test_the_demo_keeps_its_packages_if_asked(tmp_path: Path) -> None:
    """In the folder that is named."""
    answer = Door(tmp_path, tmp_path / "missing.toml")("demo", "--keep", "kept")

    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert len(RECORDS) + 2 == len(kept), answer.stderr
    assert all(name.startswith("sip::") for name in kept)


def test_the_demo_shows_every_source() -> None:
    """Every one that the sandbox plays, and so every kind but the local folder."""
    from bagit_create import config

    kinds = {config.load().instance(name).pipeline for name in RECORDS}
    assert set(SOURCES) == set(RECORDS)
    assert set(PIPELINES) == kinds | {"local"}
