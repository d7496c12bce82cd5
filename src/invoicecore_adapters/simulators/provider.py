"""What a simulated provider is to the server that serves it: requests, answers, and the questions it is asked."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping

import attrs

from invoicecore.testing.gateway_bench import Fault


@attrs.frozen(kw_only=True)
class Request:
    """One request as it arrived: `path` without the query, `headers` by lower-case name."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = attrs.Factory(dict)
    body: bytes = b""


@attrs.frozen(kw_only=True)
class Response:
    """One whole answer; its length and `Connection: close` are added on the wire."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = attrs.Factory(lambda: {"Content-Type": "application/json"})

    @classmethod
    def of(cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """JSON, with headers besides its type."""
        return cls(
            status=status,
            body=json.dumps(value, indent=2, ensure_ascii=False).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
        )

    def json(self) -> object:
        """What the body says; ValueError for one that is not JSON."""
        return json.loads(self.body)


class Provider(ABC):
    """What a simulated provider does with requests; called by several threads at once."""

    @abstractmethod
    def operation(self, request: Request) -> str | None:
        """The port's name of a request; "" for none of it, None for a page for people, which no fault touches."""

    @abstractmethod
    def handle(self, request: Request) -> Response:
        """Do what is asked, and answer."""

    @abstractmethod
    def refusal(self, fault: Fault) -> Response:
        """Its own words for ERROR_500_BEFORE, ERROR_500_AFTER, RATE_LIMIT, UNAUTHORISED and NONSENSE."""

    @abstractmethod
    def pretended(self, request: Request) -> Response:
        """A success in its own shape, with no effect at all: what the target of a redirect answers."""

    @abstractmethod
    def altered(self, fault: Fault, response: Response) -> Response:
        """A good answer with fields (UNKNOWN_FIELDS) or a status (UNKNOWN_STATUS) that nobody knows."""

    def key(self, request: Request) -> str | None:
        """The idempotency key of a request as it arrived."""
        return request.headers.get("idempotency-key")

    def remember(self, request: Request, response: Response) -> None:
        """Store an answer for the request's key, where the provider does: called for ERROR_500_AFTER."""
        return None
