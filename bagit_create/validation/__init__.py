"""Is it a bag, is it a SIP, and are the bytes those that its manifests promise?"""

from .bag import validate
from .readback import read_back

__all__ = ["read_back", "validate"]
