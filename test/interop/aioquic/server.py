"""HTTP/3 server that answers GET /<file> with the files of one directory, on IPv4 and IPv6."""

import argparse
import asyncio
from functools import partial
from pathlib import Path

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent


class FileServer(QuicConnectionProtocol):
    def __init__(self, *args, root: Path, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._root = root
        self._http: H3Connection | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self._http = H3Connection(self._quic)
        if self._http is None:
            return
        for http_event in self._http.handle_event(event):
            self._answer(self._http, http_event)

    def _answer(self, http: H3Connection, event: H3Event) -> None:
        if not isinstance(event, HeadersReceived):
            return
        path = dict(event.headers).get(b":path", b"/").decode()
        # The last part of the path only: nothing outside of the directory can be named.
        file = self._root / Path(path).name
        data = file.read_bytes() if file.is_file() else None
        status = b"404" if data is None else b"200"
        http.send_headers(event.stream_id, [(b":status", status)])
        http.send_data(event.stream_id, data or b"", end_stream=True)
        self.transmit()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--retry", action="store_true", help="answer the first Initial of a client with a Retry")
    options = parser.parse_args()
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
    configuration.load_cert_chain(options.certificate, options.key)
    await serve(
        "::",
        options.port,
        configuration=configuration,
        create_protocol=partial(FileServer, root=options.root),
        retry=options.retry,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
