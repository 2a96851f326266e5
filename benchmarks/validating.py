"""Validation beside others: bags in folders and archives, and manifests of a million lines."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import join, quote

from . import bags
from .cases import Case, Commands
from .peers import MISSING, python_with, python_with_bagit, shell

BAGIT_1, BAGIT_2 = "bagit-python, 1 process", "bagit-python, 2 processes"
BDBAG = "bdbag --validate full"
ONE_JOB = "bic --jobs 1"
UNPACKED = "unpack + bagit-python, 2 processes"
SHA2 = ("sha256", "sha512")
OWN = ("md5", "sha512")
"""What ``bic`` takes for its own packages."""


@dataclass(frozen=True)
class ValidationCase(Case):
    """``files`` of ``size`` bytes in a bag with a manifest for each of ``algorithms``."""

    algorithms: tuple[str, ...] = SHA2

    @contextmanager
    def prepared(self, source: Path, scale: float) -> Iterator[str]:
        """Make the bag."""
        bags.full(source / "bag", *self.shape(scale), self.algorithms)
        yield "a folder"

    def payload(self, scale: float) -> int:
        """Nothing is left by whoever only reads."""
        return 0

    def bic(self, source: Path, out: Path) -> list[str]:
        """Our own command line."""
        return [sys.executable, "-m", "bagit_create", "validate", "--bag", str(self.what(source))]

    def what(self, source: Path) -> Path:
        """What is validated."""
        return source / "bag"

    def beside(self, source: Path, out: Path) -> Commands | None:
        """The other validators, and the digest of one manifest alone."""
        found: Commands = {ONE_JOB: [*self.bic(source, out), "--jobs", "1"]}
        found |= _validators(self.what(source))
        name = self.algorithms[0]
        line = f"cd {quote(str(source))}/bag && {name}sum -c --quiet manifest-{name}.txt"
        found[f"{name}sum -c, one algorithm"] = shell(f"{name}sum", line)
        return found


@dataclass(frozen=True)
class ArchiveCase(ValidationCase):
    """The same bag packed; the others unpack it, and validate what came out."""

    form: str = "tar"

    @contextmanager
    def prepared(self, source: Path, scale: float) -> Iterator[str]:
        """Make the bag and pack it."""
        with super().prepared(source, scale):
            bags.pack(source / "bag", self.form)
            shutil.rmtree(source / "bag")
            yield f"a {self.form}"

    def what(self, source: Path) -> Path:
        """What is validated."""
        return source / f"bag.{self.form}"

    def beside(self, source: Path, out: Path) -> Commands | None:
        """The unpacking alone, and with a validator behind it; bdbag unpacks by itself."""
        archive, at = quote(str(self.what(source))), quote(str(out))
        program, line = "tar", f"tar xf {archive} -C {at}"
        if self.form == "zip":
            program, line = "unzip", f"unzip -q {archive} -d {at}"
        bagit = python_with_bagit()
        behind = join(_bagit(bagit, out / "bag", 2)) if bagit else ""
        return {
            program: shell(program, line),
            UNPACKED: shell(program, f"{line} && {behind}") if bagit else MISSING,
            BDBAG: _validators(self.what(source))[BDBAG],
        }


@dataclass(frozen=True)
class ListCase(ValidationCase):
    """Manifests of so many lines; no file is there, and ``light`` says whether fetch.txt has it."""

    @contextmanager
    def prepared(self, source: Path, scale: float) -> Iterator[str]:
        """Write the manifests."""
        count, _ = self.shape(scale)
        bags.listed(source / "bag", count, self.algorithms, light=self.light)
        yield "a folder"

    def beside(self, source: Path, out: Path) -> Commands | None:
        """The other validators."""
        found = _validators(self.what(source))
        del found[BAGIT_2]  # no file is read
        return found

    def finds_faults(self, contender: str) -> bool:
        """The files are missing; a light bag is faulty for those who know no such thing."""
        return contender != "bic" or not self.light


def _validators(bag: Path) -> Commands:
    bagit, bdbag = python_with_bagit(), python_with("bdbag")
    program = str(Path(bdbag).with_name("bdbag")) if bdbag else ""
    return {
        BAGIT_1: _bagit(bagit, bag, 1) if bagit else MISSING,
        BAGIT_2: _bagit(bagit, bag, 2) if bagit else MISSING,
        BDBAG: [program, "--validate", "full", str(bag)] if bdbag else MISSING,
    }


def _bagit(python: str, bag: Path, processes: int) -> list[str]:
    return [python, "-m", "bagit", "--validate", "--processes", str(processes), str(bag)]


def _cases() -> Iterator[Case]:
    few, many = (4, 512 << 20), (20_000, 4096)
    others = {BAGIT_2: 1.0, BDBAG: 1.0}
    for name, (count, size) in (
        ("4 x 512 MiB", few),
        ("20,000 x 4 KiB", many),
        ("100,000 x 1 KiB", (100_000, 1024)),
    ):
        yield ValidationCase(f"validate, {name}, sha256 sha512", "bag", count, size, others)
    name = "validate, 4 x 512 MiB, md5 sha512"
    yield ValidationCase(name, "bag", *few, others, algorithms=OWN)
    for form in bags.FORMS:
        for name, shape in (("4 x 512 MiB", few), ("20,000 x 4 KiB", many)):
            name = f"validate {form}, {name}, sha256 sha512"
            yield ArchiveCase(name, "bag", *shape, {UNPACKED: 1.0, BDBAG: 1.0}, form=form)
    others = {BAGIT_1: 1.0, BDBAG: 1.0}
    for name, light in (("listed and missing", False), ("to fetch", True)):
        name = f"validate, 1,000,000 files {name}"
        yield ListCase(name, "bag", 1_000_000, 4096, others, light=light, turns=0)


CASES = tuple(_cases())
