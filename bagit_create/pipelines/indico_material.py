"""Where attachments and minutes hang in an Indico event, gathered from several answers.

The directory of a file is the place it hangs at: ``contributions/ID``, ``sessions/ID``,
``contributions/ID/subcontributions/ID`` (the numbers of the addresses), then the folder's title.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from .. import checksums
from ..model import Checksum, Document, FileEntry, Skipped
from .base import expect

_IMAGE = re.compile(r"""<img\b[^<>]*?\bsrc\s*=\s*["']([^"']+)["']""", re.IGNORECASE)


class Material:
    """All attachments, each once, by its id; and all minutes, each once, by its place.

    ``closed`` are the places of folders that may not be looked into.
    :param own: brings an address to the server that is asked.
    """

    def __init__(self, own: Callable[[str], str]) -> None:
        self._own = own
        self._files: dict[int, tuple[str, dict[str, Any]]] = {}
        self._links: dict[int, Skipped] = {}
        self._notes: dict[str, dict[str, Any]] = {}
        self._of_sessions: dict[str, None] = {}
        self._sessions: set[str] = set()
        self.closed: dict[str, None] = {}

    def add_event(self, event: dict[str, Any]) -> None:
        """Take what one answer shows of the event.

        :raises KeyError, TypeError, ValueError: if it is not of the known shape.
        """
        self._add(event, "")
        for one in expect(event.get("contributions") or [], list, "contributions"):
            self._add_contribution(one)
        for block in expect(event.get("sessions") or [], list, "sessions"):
            session = expect(block["session"], dict, "session")
            place = f"sessions/{expect(session['db_id'], int, 'db_id')}"
            self._sessions.add(str(session.get("title")))
            self._add(session, place)
            self._note(block.get("note"), f"{place}/blocks/{block['id']}")
            for one in expect(block.get("contributions") or [], list, "contributions"):
                self._add_contribution(one)

    def _add_contribution(self, one: dict[str, Any]) -> None:
        place = f"contributions/{expect(one['db_id'], int, 'db_id')}"
        if one.get("session"):
            self._of_sessions[str(one["session"])] = None
        self._add(one, place)
        for inner in expect(one.get("subContributions") or [], list, "subContributions"):
            number = expect(inner["db_id"], int, "db_id")
            self._add(inner, f"{place}/subcontributions/{number}")

    def _add(self, thing: dict[str, Any], place: str) -> None:
        """The folders and minutes of one thing."""
        self._note(thing.get("note"), place)
        for folder in expect(thing["folders"], list, "folders"):
            title = (folder.get("title") or "").replace("/", "_")
            inside = "/".join(part for part in (place, title) if part)
            attachments = expect(folder["attachments"], list, "attachments")
            if folder.get("is_protected") and not attachments:
                self.closed[inside or "the event's own"] = None
            for one in attachments:
                number = expect(one["id"], int, "id")
                if one["type"] == "link":
                    self._links[number] = _link(one, inside)
                elif one["type"] == "file":
                    self._files[number] = (inside, one)
                else:
                    raise ValueError(f"attachment {number} is of type {one['type']!r}")

    @property
    def sessions_unseen(self) -> list[str]:
        """Titles of sessions that contributions name and no answer shows: they have no block."""
        return [title for title in self._of_sessions if title not in self._sessions]

    def _note(self, note: Any, place: str) -> None:
        if isinstance(note, dict) and note.get("html"):
            self._notes[place] = note

    def result(
        self,
    ) -> tuple[tuple[FileEntry, ...], tuple[Skipped, ...], tuple[Document, ...]]:
        """The files, the links, and the minutes."""
        names = Counter((place, _folded(one)) for place, one in self._files.values())
        files = [
            self._file(number, place, one, names[(place, _folded(one))] > 1)
            for number, (place, one) in self._files.items()
        ]
        notes = []
        for place, note in self._notes.items():
            text = expect(note["html"], str, "html")
            name = f"{place}/minutes.html".lstrip("/")
            notes.append(
                Document(name, text.encode("utf-8"), note.get("url"), "content", "text/html")
            )
            files += self._images(text, place)
        return tuple(files), tuple(self._links.values()), tuple(notes)

    def _file(self, number: int, place: str, one: dict[str, Any], again: bool) -> FileEntry:
        """One attachment; those of one name in one folder get a folder of their id each."""
        size, digest = one.get("size"), one.get("checksum")
        if size is not None and expect(size, int, "size") < 0:
            raise ValueError(f"size is {size}")
        sums: tuple[Checksum, ...] = (checksums.parse(digest),) if digest else ()
        facts = {
            key: one[name]
            for key, name in (
                ("attachment", "id"),
                ("title", "title"),
                ("description", "description"),
                ("modified", "modified_dt"),
            )
            if one.get(name)
        }
        return FileEntry(
            name=expect(one["filename"], str, "filename"),
            urls=(self._own(expect(one["download_url"], str, "download_url")),),
            size=size,
            checksums=sums,
            folder="/".join(part for part in (place, str(number) if again else "") if part),
            media_type=one.get("content_type"),
            origin=facts,
        )

    def _images(self, text: str, place: str) -> list[FileEntry]:
        """Images inside minutes that this server holds; they may be gone."""
        found = {}
        for address in _IMAGE.findall(text):
            url = self._own(html.unescape(address))
            if urlsplit(url).netloc == urlsplit(self._own("/")).netloc:
                name = unquote(urlsplit(url).path.rpartition("/")[2])
                folder = "/".join(part for part in (place, "minutes") if part)
                found[url] = FileEntry(name, (url,), folder=folder, optional=True)
        return list(found.values())


def _folded(one: dict[str, Any]) -> str:
    return str(one.get("filename")).casefold()


def _link(one: dict[str, Any], place: str) -> Skipped:
    address = str(one.get("link_url") or one.get("download_url"))
    facts = {"link_url": address, "attachment": one["id"], "path": place}
    return Skipped(str(one.get("title") or address), "a link to elsewhere, not a file", facts)
