"""The wiring: which mailer, renderer, composer and gateway a host chose, opened when first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

from invoicecore.errors import InvalidValue, NotSupported, NotWired, PluginError
from invoicecore.forking import renew_in_children
from invoicecore.plugins import Plugins

if TYPE_CHECKING:
    from invoicecore.documents import Sheet
    from invoicecore.payments import PaymentMethod
    from invoicecore.ports import Capability, Composer, Mailer, PaymentGateway, Renderer

T = TypeVar("T")

_PAGES: Final = "give base_url='https://…' to Billing.open, the address at which your app serves invoicecore's pages"
_DOES: Final = {"mailer": "send", "renderer": "render", "composer": "compose", "gateway": "info"}
_BY_URL: Final = {"mailer": "mailers", "gateway": "gateways"}
_GATEWAY: Final = "give gateway= to Billing.open: one of your own, the URL of one, or several"


class Wiring:
    """What a host handed to `Billing.open`; each part is a thing or the URL of one, and is opened once."""

    def __init__(
        self,
        plugins: Plugins,
        *,
        mailer: Mailer | str | None = None,
        renderer: Renderer | None = None,
        composer: Composer | None = None,
        gateway: PaymentGateway | str | Sequence[PaymentGateway | str] | None = None,
        base_url: str | None = None,
    ) -> None:
        """Raises InvalidValue for a base URL that is none and a part that cannot be one, PluginError for an unknown scheme.

        They would come out when the first e-mail is due, which then waits, and is given up at last.
        """
        self._plugins = plugins
        self._given: dict[str, object] = {
            "mailer": mailer, "renderer": renderer, "composer": composer,
        }  # fmt: skip
        several = isinstance(gateway, (list, tuple))
        self._gateways: list[PaymentGateway | str] = list(gateway) if several else [gateway] if gateway else []  # type: ignore[arg-type, list-item]  # a tuple and a list are told apart from one
        parts = [*self._given.items(), *(("gateway", each) for each in self._gateways)]
        for name, part in parts:
            if isinstance(part, str) and name in _BY_URL:
                plugins.known(_BY_URL[name], part)
            elif part is not None:
                usable(part, name, _DOES[name])
        self._base_url = _checked(base_url)
        self.forked()
        renew_in_children(self)

    def forked(self) -> None:
        """See Inherited.forked."""
        self._lock = threading.Lock()
        self.sending = threading.Lock()
        """Held while the mailer sends: desks that share it, in any thread, take turns."""

    @property
    def mailer(self) -> Mailer:
        """What sends e-mails; NotWired without one."""
        return self._part("mailer", self._plugins.mailer, None)

    @property
    def gateways(self) -> tuple[PaymentGateway, ...]:
        """What takes payments, in the order given; InvalidValue when two have one name."""
        with self._lock:
            opened = [self._plugins.gateway(each) if isinstance(each, str) else each for each in self._gateways]
            self._gateways[:] = opened = [_guarded(each, self._plugins) for each in opened]
        names = [gateway.info.name for gateway in opened]
        if len(set(names)) < len(names):
            raise InvalidValue("gateway", names, "has one name twice", "give each gateway a name of its own")
        return tuple(opened)

    def gateway_named(self, name: str) -> PaymentGateway:
        """The gateway of a name; NotWired without it."""
        for gateway in self.gateways:
            if gateway.info.name == name:
                return gateway
        raise NotWired(f"gateway {name!r}", _GATEWAY)

    def gateway_for(
        self, capability: Capability, *, currency: str, kind: PaymentMethod | None = None, name: str | None = None
    ) -> PaymentGateway:
        """The first gateway that can do something in a currency, with a kind of method if given, or the one named.

        Raises NotWired without any gateway, NotSupported when none can.
        """
        gateways = self.gateways if name is None else (self.gateway_named(name),)
        if not gateways:
            raise NotWired("gateway", _GATEWAY)
        for gateway in gateways:
            if gateway.info.can(capability, kind=kind, currency=currency):
                return gateway
        what = f"in {currency}" + (f" by {kind.value}" if kind is not None else "")
        raise NotSupported(", ".join(gateway.info.name for gateway in gateways), capability.value, f"not {what}")

    @property
    def renderer(self) -> Renderer:
        """What draws documents, by default the installed renderer of PDFs."""
        return self._part("renderer", None, self._plugins.renderer)

    def draw(self, sheet: Sheet) -> bytes:
        """A document of the renderer; PluginError naming one that answers with anything but bytes."""
        renderer = self.renderer
        pdf: object = renderer.render(sheet)
        if not isinstance(pdf, bytes):
            problem = f"render answered with a {type(pdf).__name__} for {sheet.filename}, not with bytes; mend it"
            raise PluginError(type(renderer).__name__, problem, self._plugins.names)
        return pdf

    @property
    def composer(self) -> Composer:
        """What lays e-mails out, by default the installed composer."""
        return self._part("composer", None, self._plugins.composer)

    def takes_checkouts(self, currency: str) -> bool:
        """Whether a payer can be sent to a provider's page in a currency, so that a pay page has a button."""
        from invoicecore.ports import Capability

        return any(gateway.info.can(Capability.CHECKOUT, currency=currency) for gateway in self.gateways)

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
        """End the mailer's and the gateways' connections."""
        for gateway in self._gateways:
            if not isinstance(gateway, str):
                gateway.close()
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


def usable(part: object, name: str, does: str) -> None:
    """Refuse a part of the wiring that lacks what it is asked for first."""
    # A class is none yet, and a moment has the `now` of its class.
    if isinstance(part, type | datetime) or not hasattr(part, does):
        raise InvalidValue(name, part, f"has no {does}", f"give a {name} of your own, or leave it out")


def _guarded(gateway: PaymentGateway, plugins: Plugins) -> PaymentGateway:
    from invoicecore.billing.guarding import Guarded  # only who uses a gateway pays for it

    if isinstance(gateway, Guarded):
        return gateway
    return Guarded(gateway, plugins)  # type: ignore[return-value]  # every verb of a gateway, by its name


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
