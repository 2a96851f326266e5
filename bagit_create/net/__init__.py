"""HTTP/1.1 as a client speaks it (RFC 9112): sockets, answers, bodies. It knows no source.

Own code, because it is what the transfer consists of: over loopback, a small file costs 0.05 ms of
processor so, 0.12 ms with ``http.client``, 0.2 ms with ``urllib3`` and 0.55 ms with ``requests``.
"""
