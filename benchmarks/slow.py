"""A server far away: every answer comes after a while. ``slow.py DIR PORT SECONDS``."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

PATHS = (
    (r"/api/records/(7\d+)", "records/{}"),
    (r"/api/records/(7\d+)/files", "lists/{}"),
    (r"/api/records/7\d+/files/([\w.]+)/content", "files/{}"),
    (r"/records/7\d+/files/([\w.]+)", "files/{}"),
    (r"/api/records/1", "record.json"),
    (r"/api/records/1/files", "files.json"),
    (r"/plain/", "list.html"),
    (r"/api/records/1/files/([\w.]+)/content", "files/{}"),
    (r"/(?:plain|records/1/files)/([\w.]+)", "files/{}"),
)
LARGE = 1 << 20
"""Bytes from which a file is not read as a whole: nobody else would be answered meanwhile."""


async def main(place: Path, port: int, delay: float) -> None:
    """Serve until it is ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                method, path, _ = line.decode("ascii").split(" ")
                await asyncio.sleep(delay)
                file, status, kind = _file(place, path), "200 OK", "application/octet-stream"
                if file is None:
                    status = "404 Not Found"
                if path.endswith("/"):
                    kind = "text/html"
                elif re.search(r"/records/\d+(/files)?$", path):
                    kind = "application/json"
                size = file.stat().st_size if file else 0
                head = f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nContent-Type: {kind}"
                head += "\r\nConnection: keep-alive\r\n\r\n"
                start = head.encode("ascii")
                if file is None or method == "HEAD":
                    writer.write(start)
                elif size <= LARGE:
                    writer.write(start + file.read_bytes())
                else:
                    writer.write(start)
                    await writer.drain()
                    with open(file, "rb") as body:
                        await asyncio.get_running_loop().sendfile(writer.transport, body)
                await writer.drain()
        except (ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        await server.serve_forever()


def _file(place: Path, path: str) -> Path | None:
    for pattern, file in PATHS:
        if match := re.fullmatch(pattern, path):
            found = place / file.format(*match.groups())
            return found if found.is_file() else None
    return None


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
