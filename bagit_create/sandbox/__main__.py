"""``python -m bagit_create.sandbox [PORT]``: run in the foreground and print the configuration."""

from __future__ import annotations

import sys
from threading import Event

from .sandbox import Sandbox

if __name__ == "__main__":
    with Sandbox(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as running:
        sys.stdout.write(running.config_text())
        sys.stdout.flush()
        Event().wait()
