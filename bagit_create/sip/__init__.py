"""The package itself: a staged bag with its tag files, sip.json and dc.xml."""

from .build import build
from .contents import Built, Contents
from .sipjson import step

__all__ = ["Built", "Contents", "build", "step"]
