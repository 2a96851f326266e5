"""The version, in one place."""

__version__ = "2.0.0a1"


def get_version() -> str:
    """Return the version of this package, for example ``"2.0.0"``.

    CERN's Digital Memory platform logs what this returns before each harvest.
    """
    return __version__
