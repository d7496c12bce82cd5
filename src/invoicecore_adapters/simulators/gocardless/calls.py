"""One request to the API, understood: what it is about and what it says."""

from __future__ import annotations

import json
from collections.abc import Callable

import attrs

from invoicecore_adapters.simulators.gocardless import shapes
from invoicecore_adapters.simulators.gocardless.account import Account
from invoicecore_adapters.simulators.gocardless.refusals import Json, misused


@attrs.frozen(kw_only=True)
class Call:
    """One request, understood: `id` is in its path, `pages` the address of the pages for people."""

    account: Account
    id: str
    query: str
    body: object
    key: str | None
    pages: str

    def made(self, shape: shapes.Shape, resource: str) -> Json:
        """The fields of a creation; Refusal for a key that was used before (see Account.keys_first)."""
        if not isinstance(self.body, dict):
            raise misused(400, "invalid_document_structure", "Root element must be an object.")
        if self.account.keys_first:
            self.account.unused(self.key)
        return shapes.read(self.body, resource, shape, resource)

    def changed(self, shape: shapes.Shape, resource: str) -> Json:
        """The fields of an update."""
        return shapes.read(self.body, resource, shape, resource)

    def acted(self, shape: shapes.Shape = shapes.METADATA_ONLY) -> Json:
        """The fields of an action, which may have none."""
        return shapes.read({} if self.body is None else self.body, "data", shape, "data")


Handler = Callable[[Call], tuple[int, Json]]
"""Does what a call asks for: (status, body)."""


def document(body: bytes) -> object:
    """A body's JSON, None for none; Refusal for anything else."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as wrong:
        raise misused(400, "invalid_document_structure", "The body is not JSON") from wrong
