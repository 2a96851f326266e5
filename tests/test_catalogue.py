"""Every finding can be explained to the person who reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bagit_create.validation
from bagit_create.validation.catalogue import advice, catalogue, title

CODE = Path(bagit_create.validation.__file__).parent
#: How many findings of each kind there are.
KINDS = {
    "D": 16,
    "S": 23,
    "M": 37,
    "N": 11,
    "T": 12,
    "I": 18,
    "F": 22,
    "Z": 9,
    "C": 61,
    "P": 21,
}
IDS = [f"{kind}{number:02}" for kind, last in KINDS.items() for number in range(1, last + 1)]


def test_every_kind_of_finding_is_there() -> None:
    """Once, in order, and nothing else."""
    assert IDS == list(catalogue())


def test_every_id_in_the_code_is_explained() -> None:
    """A finding that nobody can look up helps nobody."""
    used = {
        number
        for module in CODE.glob("*.py")
        for number in re.findall(r'"([DSMNTIFZCP]\d\d)"', module.read_text("utf-8"))
    }

    assert used and set() == used - set(catalogue())


@pytest.mark.parametrize("number", IDS)
def test_an_explanation_is_sentences(number: str) -> None:
    """What is wrong in one line that ends like a sentence, and what to do; nothing else."""
    assert {"title", "advice"} == set(catalogue()[number])
    assert re.fullmatch(r"\S[^\n]{10,118}\.", title(number))
    assert re.fullmatch(r"\S[^\n]{10,158}\.", advice(number))


def test_no_two_findings_are_called_the_same() -> None:
    """A reader tells them apart by their titles."""
    assert len(IDS) == len({title(number) for number in IDS})
