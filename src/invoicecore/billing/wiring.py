"""The wiring: which mailer, renderer, composer and gateway a host chose, opened when first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from invoicecore.errors import InvalidValue, NotWired
from invoicecore.plugins import Plugins

if TYPE_CHECKING:
    from invoicecore.ports import Composer, Mailer, PaymentGateway, Renderer

T = TypeVar("T")

_PAGES: Final = "give base_url='https://…' to Billing.open, the address at which your app serves invoicecore's pages"


class Wiring:
    """What a host handed to `Billing.open`; each part is a thing or the URL of one, and is opened once."""

    def __init__(
        self,
        plugins: Plugins,
        *,
        mailer: Mailer | str | None = None,
        renderer: Renderer | None = None,
        composer: Composer | None = None,
        gateway: PaymentGateway | str | None = None,
        base_url: str | None = None,
    ) -> None:
        """Raises InvalidValue for a base URL that is none."""
        self._plugins = plugins
        self._given: dict[str, object] = {
            "mailer": mailer, "renderer": renderer, "composer": composer, "gateway": gateway,
        }  # fmt: skip
        self._base_url = _checked(base_url)
        self._lock = threading.Lock()
        self.sending = threading.Lock()
        """Held while the mailer sends: desks that share it, in any thread, take turns."""

    @property
    def mailer(self) -> Mailer:
        """What sends e-mails; NotWired without one."""
        return self._part("mailer", self._plugins.mailer, None)

    @property
    def gateway(self) -> PaymentGateway:
        """What takes payments; NotWired without one."""
        return self._part("gateway", self._plugins.gateway, None)

    @property
    def renderer(self) -> Renderer:
        """What draws documents, by default the installed renderer of PDFs."""
        return self._part("renderer", None, self._plugins.renderer)

    @property
    def composer(self) -> Composer:
        """What lays e-mails out, by default the installed composer."""
        return self._part("composer", None, self._plugins.composer)

    @property
    def has_gateway(self) -> bool:
        """Whether there is a gateway, so that a pay page has a button."""
        return self._given["gateway"] is not None

    @property
    def has_pages(self) -> bool:
        """Whether the host serves pay pages, so that links can be given out."""
        return self._base_url is not None

    def page(self, token: str) -> str:
        """The URL of a token's pay page (R12); NotWired without a base URL."""
        if self._base_url is None:
            raise NotWired("address of the pay pages", _PAGES)
        return f"{self._base_url}/pay/{token}"

    def close(self) -> None:
        """End the mailer's connections."""
        mailer = self._given["mailer"]
        if mailer is not None and not isinstance(mailer, str):
            self.mailer.close()

    def _part(self, name: str, by_url: Callable[[str], T] | None, default: Callable[[], T] | None) -> T:
        with self._lock:
            part = self._given[name]
            if part is None and default is not None:
                part = default()
            elif part is None:
                raise NotWired(name, f"give {name}= to Billing.open: one of your own, or the URL of one")
            elif isinstance(part, str) and by_url is not None:
                part = by_url(part)
            self._given[name] = part
            return part  # type: ignore[return-value]  # a part is what its factory makes, or what the host gave for it


def _checked(base_url: str | None) -> str | None:
    if base_url is None:
        return None
    from urllib.parse import urlsplit  # only hosts with pages pay for it

    way_out = "write it as https://pay.example.com, with a path if the pages are mounted below one"
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        usable = (
            usable and base_url.isascii() and base_url.isprintable() and " " not in base_url and "@" not in parts.netloc
        )
    except (ValueError, AttributeError, TypeError):
        usable = False
    if not usable:
        raise InvalidValue("base_url", base_url, "is not the address of a site", way_out)
    return base_url.rstrip("/")
