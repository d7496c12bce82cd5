"""How the simulated GoCardless says no: every error body it knows, in GoCardless's own shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Json = dict[str, Any]

_DOCUMENTATION: Final = "https://developer.gocardless.com/api-reference#"


class Refusal(Exception):
    """An answer that is an error: `status` is the HTTP status, `errors` the list inside the body."""

    def __init__(self, status: int, kind: str, reason: str, message: str, errors: Sequence[Json]) -> None:
        super().__init__(message)
        self.status, self.kind, self.reason, self.message, self.errors = status, kind, reason, message, tuple(errors)

    def body(self, request_id: str) -> Json:
        """The body as GoCardless writes it."""
        return {
            "error": {
                "message": self.message,
                "documentation_url": _DOCUMENTATION + self.reason,
                "type": self.kind,
                "request_id": request_id,
                "code": self.status,
                "errors": list(self.errors),
            }
        }


def misused(status: int, reason: str, message: str) -> Refusal:
    """The request itself is wrong: not found, no version, no JSON, no permission."""
    return Refusal(status, "invalid_api_usage", reason, message, [{"reason": reason, "message": message}])


def not_found() -> Refusal:
    """No such resource."""
    return misused(404, "resource_not_found", "Resource not found")


def no_path() -> Refusal:
    """No such path."""
    return misused(404, "path_not_found", "Path not found")


def link_not_found(name: str) -> Refusal:
    """A request links to what is not there."""
    return misused(404, "link_not_found", f"Link not found: {name}")


def invalid(resource: str, faults: Mapping[str, str]) -> Refusal:
    """Fields that do not pass: path inside the resource ("links/mandate") → what is wrong with it."""
    errors = [
        {"field": path.rpartition("/")[2], "message": message, "request_pointer": f"/{resource}/{path}"}
        for path, message in faults.items()
    ]
    return Refusal(422, "validation_failed", "validation_failed", "Validation failed", errors)


def wrong_state(reason: str, message: str, *, status: int = 422, links: Mapping[str, str] | None = None) -> Refusal:
    """What is asked for is not possible with the resource as it is."""
    error: Json = {"reason": reason, "message": message}
    if links:
        error["links"] = dict(links)
    return Refusal(status, "invalid_state", reason, message, [error])


def conflict(existing: str) -> Refusal:
    """The key was used before: nothing is compared, only what it made is named."""
    message = "A resource has already been created with this idempotency key"
    return wrong_state("idempotent_creation_conflict", message, status=409, links={"conflicting_resource_id": existing})


def internal() -> Refusal:
    """GoCardless itself broke."""
    return Refusal(500, "gocardless", "internal_error", "Internal server error", [])
