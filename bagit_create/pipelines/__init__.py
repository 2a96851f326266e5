"""The registry: which kind of source is which pipeline. A pipeline loads when it is used.

A kind is the ``pipeline`` of a server in ``instances.toml``. A new kind is one line here, one
module beside this one, one in the sandbox, and one in the tests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ..client import Client
    from ..config import Instance
    from ..options import JobOptions
    from .base import Pipeline

PIPELINES = {
    "codimd": "codimd:CodiMD",
    "cod": "cod:OpenData",
    "gitlab": "gitlab:GitLab",
    "indico": "indico:Indico",
    "invenio-v1": "invenio_v1:InvenioV1",
    "inveniordm": "inveniordm:InvenioRDM",
    "local": "local:Local",
    "videos": "videos:Videos",
    "zenodo": "zenodo:Zenodo",
}


def load(instance: Instance, client: Client | None, options: JobOptions) -> Pipeline:
    """Make the pipeline for a server.

    :param client: None only for a source that asks nobody (``local``).
    """
    module, _, name = PIPELINES[instance.pipeline].partition(":")
    made = getattr(import_module(f".{module}", __name__), name)
    return cast("Pipeline", made(instance, client, options))
