"""Old CDS addresses on the sites that its records moved to.

Facts: CERNDocumentServer/cds-rdm (``site/cds_rdm/legacy/redirector.py``) and cds-videos
(``cds/modules/legacy/redirector.py``): ``/legacy/record/N`` redirects to pages, not to the API; the
last of them carries the record's id.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from .. import log
from ..answers import REDIRECTS
from ..client import Client
from ..config import Instance
from ..errors import UpstreamError

PREFIX = "legacy/record/"
WHAT = "Request for the moved record"


def current_id(client: Client, instance: Instance, recid: str) -> str:
    """The id that a record has now, if ``recid`` is an old address (``legacy/record/N``).

    :raises UpstreamError: if the server does not lead to a record.
    """
    if not recid.startswith(PREFIX):
        return recid
    url = f"{instance.base_url}/{recid}"
    for _ in range(5):
        answer = client.get(url, what=WHAT, accept="*/*", allow=tuple(REDIRECTS), follow=False)
        if answer.status not in REDIRECTS:
            break
        url = urljoin(url, answer.headers.get("Location", ""))
        if urlsplit(url).netloc != urlsplit(instance.base_url).netloc:
            break
        match = re.match(r"/records?/([^/]+)", urlsplit(url).path)
        if match:
            log.info(f"{recid} is record {match[1]}")
            return match[1]
    raise UpstreamError(
        "The old address does not lead to a record of this site.",
        where=url,
        hint="open it in a browser, and give the address it leads to",
    )
