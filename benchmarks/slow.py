"""A server far away: every answer comes after a while. ``slow.py DIR PORT SECONDS``."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

PATHS = (
    (r"/api/records/1", "record.json"),
    (r"/api/records/1/files", "files.json"),
    (r"/plain/", "list.html"),
    (r"/api/records/1/files/([\w.]+)/content", "files/{}"),
    (r"/(?:plain|records/1/files)/([\w.]+)", "files/{}"),
)


async def main(place: Path, port: int, delay: float) -> None:
    """Serve until it is ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                method, path, _ = line.decode("ascii").split(" ")
                await asyncio.sleep(delay)
                body, status, kind = _body(place, path), "200 OK", "application/octet-stream"
                if body is None:
                    body, status = b"", "404 Not Found"
                if path.endswith("/"):
                    kind = "text/html"
                elif path.endswith(("/1", "/files")):
                    kind = "application/json"
                head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nContent-Type: {kind}"
                head += "\r\nConnection: keep-alive\r\n\r\n"
                writer.write(head.encode("ascii") + (b"" if method == "HEAD" else body))
                await writer.drain()
        except (ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        await server.serve_forever()


def _body(place: Path, path: str) -> bytes | None:
    for pattern, file in PATHS:
        if match := re.fullmatch(pattern, path):
            found = place / file.format(*match.groups())
            return found.read_bytes() if found.is_file() else None
    return None


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
