"""HTTP to one host alone: the key goes nowhere else, and an answer has a largest size.

Whatever the environment says of proxies, organisations and headers, a request carries what is
named here and nothing else, and goes to the configured host or not at all.
"""

from collections.abc import AsyncIterator

import httpx2

# What a request for a completion needs. The client library would tell more: its version, the
# operating system, and the organisation and project that the environment names.
_SENT = (
    "host", "content-type", "content-length", "accept", "accept-encoding", "connection",
    "idempotency-key", "x-client-request-id",
)  # fmt: skip
_LARGEST_ANSWER = 1024 * 1024


class AnotherHost(Exception):
    """A request was about to leave for a host that is not the provider's."""


class AnswerTooLarge(Exception):
    """The provider sends more than any node can be."""


class OneHost(httpx2.AsyncBaseTransport):
    """Sends to the host of ``url``, with the key, through no proxy."""

    def __init__(self, url: str, api_key: str | None) -> None:
        self._origin = _origin(httpx2.URL(url))
        self._api_key = api_key
        self._wire = httpx2.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it. Raises `AnotherHost`, and while the answer is read `AnswerTooLarge`."""
        if _origin(request.url) != self._origin:
            raise AnotherHost
        headers = [(name, request.headers[name]) for name in _SENT if name in request.headers]
        headers.append(("user-agent", "firstline"))
        if self._api_key is not None:
            headers.append(("authorization", f"Bearer {self._api_key}"))
        request.headers = httpx2.Headers(headers)
        response = await self._wire.handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - for the type alone
        response.stream = _Bounded(response.stream)
        return response

    async def aclose(self) -> None:
        await self._wire.aclose()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > _LARGEST_ANSWER:
                raise AnswerTooLarge
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
