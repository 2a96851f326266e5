"""``bic`` (BagIt Create): from a record of a digital repository to a verified CERN SIP.

``import bagit_create`` makes ``bagit_create.main.process`` and ``bagit_create.version.get_version``
reachable, as existing software expects. Both modules load when they are first looked at, so that
``bic --help`` stays quick.
"""

from importlib import import_module
from types import ModuleType

__all__ = ["main", "version"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
