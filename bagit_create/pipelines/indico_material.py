"""Where attachments and minutes hang in an Indico event, gathered from several answers.

The directory of a file is the place it hangs at: ``contributions/ID``, ``sessions/ID``,
``contributions/ID/subcontributions/ID`` (the numbers of the addresses), then the folder's title.

``folders`` leaves out folders that are hidden; the deprecated ``material`` names what is in them
(``indico/modules/attachments/api/util.py``), without sizes and checksums.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from .. import checksums
from ..model import Checksum, Document, FileEntry, Skipped
from .base import expect

# Neither goes back over what it has read: minutes may be long, and anybody may have written them.
_IMAGE = re.compile(r"""<img\b((?:[^<>"']|"[^"]*"|'[^']*')*)""", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""([^\s=<>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?""", re.IGNORECASE
)


class Material:
    """All attachments, each once, by its id; and all minutes, each once, by its place.

    ``closed`` are the places of folders that may not be looked into, ``hidden`` those of folders
    that only the old list names; ``has_parts`` is whether any contribution was shown.
    :param own: brings an address to the server that is asked.
    """

    def __init__(self, own: Callable[[str], str]) -> None:
        self._own = own
        self._files: dict[int, tuple[str, dict[str, Any]]] = {}
        self._links: dict[int, Skipped] = {}
        self._hidden_links: dict[tuple[str, str], Skipped] = {}
        self._minutes: dict[str, tuple[str, str | None]] = {}
        self._of_sessions: dict[str, None] = {}
        self._sessions: set[str] = set()
        self.has_parts = False
        self.closed: dict[str, None] = {}
        self.hidden: dict[str, None] = {}

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
            # Indico repeats the minutes of a session for each of its blocks.
            if not self._note(block.get("note"), place):
                number = expect(block["id"], int, "id")
                self._note(block["note"], f"{place}/blocks/{number}")
            for one in expect(block.get("contributions") or [], list, "contributions"):
                self._add_contribution(one)

    def _add_contribution(self, one: dict[str, Any]) -> None:
        place = f"contributions/{expect(one['db_id'], int, 'db_id')}"
        self.has_parts = True
        if one.get("session"):
            self._of_sessions[str(one["session"])] = None
        self._add(one, place)
        for inner in expect(one.get("subContributions") or [], list, "subContributions"):
            number = expect(inner["db_id"], int, "db_id")
            self._add(inner, f"{place}/subcontributions/{number}")

    def _add(self, thing: dict[str, Any], place: str) -> None:
        """The folders and minutes of one thing."""
        self._note(thing.get("note"), place)
        shown = set()
        for folder in expect(thing["folders"], list, "folders"):
            shown.add(str(folder.get("id")))
            inside = _inside(place, folder)
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
        for folder in expect(thing.get("material") or [], list, "material"):
            if str(folder["id"]) not in shown | {"minutes"}:
                self._add_hidden(folder, _inside(place, folder))

    def _add_hidden(self, folder: dict[str, Any], inside: str) -> None:
        """A folder of the old list that the new one leaves out."""
        self.hidden[inside] = None
        for one in expect(folder["resources"], list, "resources"):
            if "fileName" not in one:
                link = _link({"title": one.get("name"), "link_url": one["url"]}, inside)
                self._hidden_links[inside, link.details["link_url"]] = link
                continue
            number = int(expect(one["id"], str, "id"))
            facts = {"id": number, "title": one.get("name"), "hidden": True}
            facts |= {"filename": one["fileName"], "download_url": one["url"]}
            self._files.setdefault(number, (inside, facts))

    def unlisted(self, timetable: Any) -> list[int]:
        """Attachments that a timetable names and no list has, in order."""
        found, todo = set(), [timetable]
        while todo:
            one = todo.pop()
            if isinstance(one, dict):
                if one.get("_type") == "Attachment" and isinstance(one.get("id"), int):
                    found.add(one["id"])
                todo.extend(one.values())
            elif isinstance(one, list):
                todo.extend(one)
        return sorted(found - set(self._files) - set(self._links))

    @property
    def sessions_unseen(self) -> list[str]:
        """Titles of sessions that contributions name and no answer shows: they have no block."""
        return [title for title in self._of_sessions if title not in self._sessions]

    def _note(self, note: Any, place: str) -> bool:
        """Take minutes, if there are any; False where other ones have that place already."""
        if not isinstance(note, dict) or not note.get("html"):
            return True
        text: str = expect(note["html"], str, "html")
        url = note.get("url")
        held = self._minutes.setdefault(place, (text, url if isinstance(url, str) else None))
        return held[0] == text

    def result(
        self,
    ) -> tuple[tuple[FileEntry, ...], tuple[Skipped, ...], tuple[Document, ...]]:
        """The files, what is left out, and the minutes."""
        names = Counter((place, _folded(one)) for place, one in self._files.values())
        files = [
            self._file(number, place, one, names[(place, _folded(one))] > 1)
            for number, (place, one) in self._files.items()
        ]
        known = {one.urls[0] for one in files}
        skipped = [*self._links.values(), *self._hidden_links.values()]
        documents = []
        for place, (text, url) in self._minutes.items():
            name = f"{place}/minutes.html".lstrip("/")
            # JSON may hold half a character (RFC 8259 section 8.2), which UTF-8 cannot.
            content = text.encode("utf-8", "xmlcharrefreplace")
            documents.append(Document(name, content, url, "content", "text/html"))
            images, elsewhere = self._images(text, url or "", place, known)
            files += images
            skipped += elsewhere
        return tuple(files), tuple(skipped), tuple(documents)

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
                ("hidden", "hidden"),
            )
            if isinstance(one.get(name), (str, int)) and one[name]
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

    def _images(
        self, text: str, base: str, place: str, known: set[str]
    ) -> tuple[list[FileEntry], list[Skipped]]:
        """Images in minutes: those that this server holds, which may be gone, and the others.

        :param known: addresses that have an entry; those of the images are added.
        """
        folder = "/".join(part for part in (place, "minutes") if part)
        files: list[FileEntry] = []
        skipped: list[Skipped] = []
        for address in _sources(text):
            try:
                url = self._own(urljoin(base, address))
                parts = urlsplit(url)
            except ValueError:  # "http://[x"
                skipped.append(Skipped(address, "an image in minutes whose address is none"))
                continue
            name = unquote(parts.path.rpartition("/")[2])
            if parts.scheme not in ("http", "https"):
                continue  # data: is in the minutes themselves
            if parts.netloc != urlsplit(self._own("/")).netloc:
                reason = "an image in minutes, on another site"
                skipped.append(Skipped(address, reason, {"url": url}))
            elif name and url not in known:
                known.add(url)
                files.append(FileEntry(name, (url,), folder=folder, optional=True))
        return files, skipped


def _sources(text: str) -> dict[str, None]:
    """The addresses of the images in HTML, each once."""
    return {
        html.unescape(address).strip(): None
        for tag in _IMAGE.finditer(text)
        for name, *values in _ATTRIBUTE.findall(tag[1])
        if name.lower() == "src" and (address := next(filter(None, values), ""))
    }


def _inside(place: str, folder: dict[str, Any]) -> str:
    """The directory of a folder; the default one has no title."""
    title = expect(folder.get("title") or "", str, "title").replace("/", "_")
    return "/".join(part for part in (place, title) if part)


def _folded(one: dict[str, Any]) -> str:
    return str(one.get("filename")).casefold()


def _link(one: dict[str, Any], place: str) -> Skipped:
    address = str(one.get("link_url") or one.get("download_url"))
    facts = {"link_url": address, "attachment": one.get("id"), "path": place}
    facts = {key: value for key, value in facts.items() if value is not None}
    return Skipped(str(one.get("title") or address), "a link to elsewhere, not a file", facts)
