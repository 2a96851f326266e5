"""Which servers exist, which addresses are theirs, and what a user's own file may change."""

from __future__ import annotations

from pathlib import Path

import pytest

from bagit_create import config, credentials
from bagit_create.credentials import Secret
from bagit_create.errors import ConfigError, InputError
from bagit_create.pipelines import PIPELINES


@pytest.mark.parametrize(
    ("address", "source", "recid"),
    [
        ("https://zenodo.org/records/3911261", "zenodo", "3911261"),
        ("https://zenodo.org/record/3911261", "zenodo", "3911261"),
        ("http://www.zenodo.org/record/3911261/files/a%20b.pdf?download=1", "zenodo", "3911261"),
        ("https://ZENODO.org/api/records/3911261/files", "zenodo", "3911261"),
        ("zenodo.org/records/3911261#top", "zenodo", "3911261"),
        ("https://zenodo.org/badge/DOI/10.5281/zenodo.3911261.svg", "zenodo", "3911261"),
        ("https://zenodo.org/doi/10.5281/zenodo.3911261", "zenodo", "10.5281/zenodo.3911261"),
        ("https://doi.org/10.5281/zenodo.3911261", "zenodo", "3911261"),
        ("http://dx.doi.org/10.5281/ZENODO.3911261", "zenodo", "3911261"),
        ("doi:10.5281/zenodo.3911261", "zenodo", "3911261"),
        ("10.5281/zenodo.3911261", "zenodo", "3911261"),
        ("10.5072/zenodo.17", "zenodo-sandbox", "17"),
        ("https://repository.cern/records/k3f9q-7xw21", "cds-rdm", "k3f9q-7xw21"),
        ("10.17181/k3f9q-7xw21", "cds-rdm", "k3f9q-7xw21"),
    ],
)
def test_an_address_names_a_source_and_a_record(address: str, source: str, recid: str) -> None:
    """Pages, files, API addresses, badges and DOIs all lead to the record."""
    instance, found = config.load().resolve(address)

    assert (source, recid) == (instance.name, found)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("https://example.org/records/1", "No known source has the host example.org"),
        ("https://zenodo.org.example.org/records/1", "No known source"),
        ("https://example.org@127.0.0.1/records/1", "No known source"),
        ("https://zenodo.org/", "names no record"),
        ("https://zenodo.org/communities/records", "names no record"),
        ("ftp://zenodo.org/records/1", "Only http and https"),
        ("10.1234/unheard.of", "does not tell which record"),
        ("https://[broken/records/1", "not a web address"),
    ],
)
def test_an_address_of_nobody_is_refused(address: str, text: str) -> None:
    """The message says what is wrong with it, and a look-alike host is nobody's."""
    with pytest.raises(InputError, match=text.replace(".", r"\.")):
        config.load().resolve(address)


def test_an_unknown_source_gets_the_nearest_name() -> None:
    """A typing error is answered with what was probably meant."""
    with pytest.raises(InputError) as caught:
        config.load().instance("zenod")

    assert "The given source zenod is not supported" in caught.value.message
    assert "did you mean zenodo?" in caught.value.hint


def test_sources_are_found_in_any_case() -> None:
    """The forerunner did not care about case either."""
    assert "zenodo" == config.load().instance("Zenodo").name


def test_every_built_in_server_has_a_pipeline() -> None:
    """The registry knows each kind that the built-in servers use."""
    assert {one.pipeline for one in config.load().instances.values()} <= set(PIPELINES)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_a_user_may_add_a_server(tmp_path: Path) -> None:
    """A server of a known kind is four lines of TOML."""
    path = write(
        tmp_path,
        '[mine]\npipeline = "inveniordm"\nbase_url = "https://rdm.example.org/"\n',
    )

    instance, recid = config.load(path).resolve("https://rdm.example.org/records/abc")

    assert ("mine", "abc", "https://rdm.example.org") == (instance.name, recid, instance.base_url)


def test_a_user_may_change_an_address(tmp_path: Path) -> None:
    """The rest of a built-in server stays as it was, and its hosts follow the address."""
    path = write(tmp_path, '[zenodo]\nbase_url = "http://127.0.0.1:8080"\n')

    instance = config.load(path).instance("zenodo")

    assert ("zenodo", ("127.0.0.1:8080",)) == (instance.pipeline, instance.hosts)
    assert "Zenodo" == instance.title


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[zenodo\n", "not TOML"),
        ('loose = "x"\n', "outside a table"),
        ('[x]\npipeline = "nonsense"\n', "'pipeline' is 'nonsense'"),
        ('[x]\npipeline = "zenodo"\nbase_url = "ftp://x"\n', "'base_url' is not"),
        ("[zenodo]\nbase_urll = 'https://x'\n", "Unknown setting 'base_urll'"),
        ("[zenodo]\nhosts = 'x'\n", "'hosts' is not a list"),
        ("[zenodo]\npaths = ['(']\n", "not a regular expression"),
        ("[zenodo]\npaths = ['x']\n", "no group 'recid'"),
    ],
)
def test_a_faulty_file_is_explained(tmp_path: Path, text: str, message: str) -> None:
    """The message names the setting and the table, and the exit code is 3."""
    with pytest.raises(ConfigError) as caught:
        config.load(write(tmp_path, text))

    assert message in caught.value.message
    assert 3 == caught.value.exit_code


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    """A misspelt ``--config`` is not passed over in silence."""
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path / "none.toml")


def test_a_token_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was given, the source's variable, its own name, the general one, the configuration."""
    instance = config.load(write(tmp_path, '[zenodo]\ntoken = "t0"\n')).instance("zenodo")
    seen = []
    for name in ("BIC_TOKEN", "ZENODO_TOKEN", "BIC_TOKEN_ZENODO"):
        found = credentials.find(instance, None)
        seen.append(found.value if found else None)
        monkeypatch.setenv(name, f"from {name}")
    found = credentials.find(instance, None)
    seen.append(found.value if found else None)
    given = credentials.find(instance, Secret("given"))

    assert ["t0", "from BIC_TOKEN", "from ZENODO_TOKEN", "from BIC_TOKEN_ZENODO"] == seen
    assert given == Secret("given")


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The file is named, and the command that mends it."""
    path = write(tmp_path, '[zenodo]\ntoken = "secret-value"\n')
    path.chmod(0o644)

    with pytest.raises(ConfigError) as caught:
        credentials.find(config.load(path).instance("zenodo"), None)

    assert "chmod 600" in caught.value.hint
    assert "secret-value" not in str(caught.value)


def test_a_token_file_gives_its_first_line(tmp_path: Path) -> None:
    """``--token-file`` and ``token_file`` read one line, without its end."""
    path = write(tmp_path, "abc\nnothing\n")

    assert "abc" == credentials.read_file(str(path)).value


def test_a_secret_cannot_be_printed() -> None:
    """Neither ``str`` nor ``repr`` shows it, so no message or log can by accident."""
    secret = Secret("hunter2")

    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"


@pytest.mark.parametrize("value", ["a\nb", "näme", "a\x00b"])
def test_a_token_that_no_header_can_hold_is_refused(value: str) -> None:
    """It is refused before it could split a request."""
    with pytest.raises(InputError, match="characters that no token has"):
        credentials.find(config.load().instance("zenodo"), Secret(value))
