"""Completion beside others: light bags whose files a server on loopback has."""

from __future__ import annotations

import shutil
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from . import bags
from .cases import Case, Commands
from .peers import MISSING, WAYS, python_with, shell
from .upstream import serving

BDBAG = "bdbag --resolve-fetch, --validate"
ARIA2 = "aria2c + sha256sum -c"
ALGORITHM = "sha256"


@dataclass(frozen=True)
class CompletionCase(Case):
    """A light bag with one manifest that promises ``files`` of ``size`` bytes."""

    @contextmanager
    def prepared(self, source: Path, scale: float) -> Iterator[str]:
        """Start the server, and make a light bag of what it has."""
        count, size = self.shape(scale)
        with serving(source, count, size, self.delay) as server:
            address = (source / "address").read_text(encoding="utf-8")
            files = {}
            for number in range(count):
                name = f"f{number:06}.bin"
                url = f"{address}/api/records/1/files/{name}/content"
                kept = source / "files" / name
                if not kept.exists():  # the sandbox makes its bytes up
                    kept = source / "fetched"
                    urllib.request.urlretrieve(url, kept)
                files[name] = url, size, bags.digests(kept, (ALGORITHM,))
            bags.promised(source / "bag", files, (ALGORITHM,))
            text = "".join(f"{url}\n  out=data/{name}\n" for name, (url, _, _) in files.items())
            (source / "light.txt").write_text(text, encoding="utf-8")
            yield server

    def fill(self, source: Path, out: Path) -> None:
        """Each run has a light bag of its own."""
        shutil.copytree(source / "bag", out / "bag")

    def bic(self, source: Path, out: Path) -> list[str]:
        """Our own command line."""
        command = [sys.executable, "-m", "bagit_create", "complete", "--allow-host", "127.0.0.1"]
        command += ["--jobs", "16"] if self.delay else []
        return [*command, str(out / "bag")]

    def beside(self, source: Path, out: Path) -> Commands | None:
        """Who completes bags, and who only fetches, with the digests compared behind it."""
        bdbag = python_with("bdbag")
        program = str(Path(bdbag).with_name("bdbag")) if bdbag else ""
        does = [program, "--resolve-fetch", "all", "--validate", "full", str(out / "bag")]
        fetch = f"aria2c -q --no-conf -j {WAYS} -x {WAYS} --file-allocation=none"
        fetch += f" -i {quote(str(source / 'light.txt'))} -d ."
        check = f"{ALGORITHM}sum -c --quiet manifest-{ALGORITHM}.txt"
        line = f"cd {quote(str(out / 'bag'))} && {fetch} && {check}"
        return {BDBAG: does if bdbag else MISSING, ARIA2: shell("aria2c", line)}


def _cases() -> Iterator[Case]:
    for name, shape in (("1,000 x 4 KiB", (1000, 4096)), ("4 x 256 MiB", (4, 256 << 20))):
        for far, delay in (("", 0.0), (", 20 ms away", 0.02)):
            asked = {BDBAG: 1.0, ARIA2: 1.2}
            yield CompletionCase(f"complete, {name}{far}", "bag", *shape, asked, delay=delay)


CASES = tuple(_cases())
