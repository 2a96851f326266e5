"""Is it a bag, is it a SIP, and are the bytes those that its manifests promise?"""

from .bag import validate
from .packed import verify_archive
from .profile import Profile
from .profile import read as read_profile
from .readback import digest, read_back

__all__ = ["Profile", "digest", "read_back", "read_profile", "validate", "verify_archive"]
