"""What Stripe says no with: one exception that carries a status and the error in Stripe's own shape."""

from __future__ import annotations

from typing import Any, Final

from invoicecore_adapters.simulators.server import Response

_DOCS: Final = "https://docs.stripe.com/error-codes/"


class Refused(Exception):
    """An answer that is an error; `error` is what stands under "error" in its body."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(error.get("message", ""))
        self.status = status
        self.error = error

    def response(self) -> Response:
        """It as an answer."""
        return Response.of({"error": self.error}, self.status)


def refused(
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    status: int = 400,
    type: str = "invalid_request_error",
    **more: object,
) -> Refused:
    """An error of Stripe's; what is None is left out, as Stripe does."""
    told = {
        "code": code,
        "doc_url": f"{_DOCS}{code.replace('_', '-')}" if code else None,
        "message": message,
        "param": param,
        "type": type,
        **more,
    }
    return Refused(status, {name: value for name, value in told.items() if value is not None})


def missing(kind: str, id: str, *, param: str | None = None) -> Refused:
    """An object that is not there: 404 for one that the path names, 400 for one that a parameter (`param`) names."""
    return refused(
        f"No such {kind}: '{id}'", code="resource_missing", param=param or "id", status=400 if param else 404
    )
