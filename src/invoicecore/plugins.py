"""Plugins: the hooks a plugin may implement, and the set of plugins one desk works with.

A plugin is a module or an object with functions marked `@hookimpl`, registered under the entry-point group
`invoicecore` or handed to `Plugins`. The built-in adapters come the same way as a stranger's.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
import pluggy

from invoicecore.errors import InvalidValue, InvoicecoreError, ObserverFailed, PluginError, Refused
from invoicecore.ports import Event, Store
from invoicecore.spans import NOTHING, Around, Attribute, Span

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from invoicecore.ports import Composer, Mailer, PaymentGateway, Renderer

GROUP: Final = "invoicecore"
"""The entry-point group, and the project name of the marker."""

StoreFactory: TypeAlias = Callable[[str], Store]
"""Opens the store a URL names."""

MailerFactory: TypeAlias = "Callable[[str], Mailer]"
"""Makes the mailer a URL names."""

GatewayFactory: TypeAlias = "Callable[[str], PaymentGateway]"
"""Makes the payment gateway a URL names."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
"""Marks a plugin's function as the implementation of the hook of the same name."""


class Hooks:
    """Every hook there is. A plugin implements those it wants, with the same argument names or fewer of them."""

    @hookspec
    def stores(self) -> Mapping[str, StoreFactory]:  # type: ignore[empty-body]  # a specification has no body
        """URL scheme (`memory`) → what opens such a URL as a Store. Asked once, when the first store is opened."""

    @hookspec
    def gateways(self) -> Mapping[str, GatewayFactory]:  # type: ignore[empty-body]  # a specification has no body
        """URL scheme (`memory`) → what makes a PaymentGateway of such a URL."""

    @hookspec
    def mailers(self) -> Mapping[str, MailerFactory]:  # type: ignore[empty-body]  # a specification has no body
        """URL scheme (`smtp`) → what makes a Mailer of such a URL."""

    @hookspec
    def renderers(self) -> Mapping[str, Callable[[], Renderer]]:  # type: ignore[empty-body]  # as above
        """Format (`pdf`) → what makes a Renderer of it."""

    @hookspec
    def composers(self) -> Mapping[str, Callable[[], Composer]]:  # type: ignore[empty-body]  # as above
        """Name (`letters`) → what makes a Composer."""

    @hookspec
    def authorise(self, action: str, actor: str | None, biller: str, subject: str | None) -> str | None:
        """Why `actor` may not do `action` to the biller's record `subject`; None allows it (R18)."""

    @hookspec
    def observe(self, events: Sequence[Event]) -> None:
        """Hear what one transaction wrote, once, after it was committed (R18)."""

    @hookspec
    def span(self, name: str, attributes: Mapping[str, Attribute]) -> AbstractContextManager[object] | None:
        """What to put around a journey (`billing.run`), a transaction (`run`) or a call (`gateway.charge`); None: nothing.

        Never asked once per invoice. `attributes` are read when it ends: counts are added until then.
        """


_NAMED: Final = re.compile(r"[\w.:-]{1,64}", re.ASCII)  # what is told of work: ids and names
_OFFERS: Final = ("stores", "gateways", "mailers", "renderers", "composers")
_HOOKS: Final = (*_OFFERS, "authorise", "observe", "span")


@attrs.frozen(kw_only=True)
class PluginRow:
    """One plugin as a table shows it: the hooks it implements and, by hook, the names it offers.

    `distribution` and `version` are None for a plugin that was handed over and not installed.
    """

    name: str
    hooks: tuple[str, ...]
    offers: Mapping[str, tuple[str, ...]]
    distribution: str | None
    version: str | None


@attrs.frozen(kw_only=True)
class _Candidate:
    name: str
    plugin: object
    distribution: str | None = None
    version: str | None = None

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}" if self.distribution else "handed over"


@attrs.frozen(kw_only=True)
class _Impl:
    """One plugin's implementation of one hook; called alone, so that a failure has a name."""

    plugin: str
    hook: str
    function: Callable[..., object]
    argnames: tuple[str, ...]

    def __call__(self, **given: object) -> object:
        return self.function(*(given[name] for name in self.argnames))


class Plugins:
    """The plugins of one desk: no global state, made by `Plugins.discover()` or `Plugins.of(…)`.

    Hooks are called in pluggy's order: the plugin registered last first, unless `tryfirst` or `trylast` says
    otherwise. Every failure of a plugin is a PluginError with the plugin's name and the known names in it.
    """

    def __init__(self, candidates: Iterable[_Candidate]) -> None:
        """Register the candidates; use `discover` or `of` instead.

        Raises PluginError for a hook that does not exist or has other arguments, for a plugin without any hook, and
        for a name or a plugin given twice.
        """
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(Hooks)
        self._candidates: dict[str, _Candidate] = {}
        for candidate in candidates:
            self._register(manager, candidate)
        self._offers: dict[str, Mapping[str, tuple[str, object]]] = {}
        self._impls: dict[str, tuple[_Impl, ...]] = {
            # pluggy calls from the end of this list, and this class keeps to the order a pluggy user knows.
            hook: tuple(
                _Impl(plugin=impl.plugin_name, hook=hook, function=impl.function, argnames=tuple(impl.argnames))
                for impl in reversed(getattr(manager.hook, hook).get_hookimpls())
            )
            for hook in _HOOKS
        }

        self._around = tuple((impl.plugin, _around(impl)) for impl in self._impls["span"])

    @classmethod
    def discover(cls, *extra: object) -> Plugins:
        """The installed plugins, by entry point, and after them the `extra` ones; see `of` for what is a plugin.

        Raises PluginError for an entry point that cannot be imported, and as `of` does.
        """
        # Imported here: 40 ms that `import invoicecore` need not pay.
        from importlib.metadata import entry_points

        points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
        known = [point.name for point in points]
        candidates = []
        for point in points:
            try:
                plugin = point.load()
            except (Exception, SystemExit) as error:  # whatever a stranger's module raises
                where = f"its entry point {point.value!r}{_of(point.dist)} cannot be imported"
                raise PluginError(point.name, f"{where}: {_told(error)}", known) from error
            candidates.append(
                _Candidate(
                    name=point.name,
                    plugin=plugin,
                    distribution=point.dist.name if point.dist else None,
                    version=point.dist.version if point.dist else None,
                )
            )
        return cls([*candidates, *_handed_over(extra)])

    @classmethod
    def of(cls, *plugins: object) -> Plugins:
        """Exactly these plugins, modules or objects; nothing installed is looked at.

        A plugin's name is its `plugin_name` if it has one, else a module's name or an object's class name.
        Raises PluginError for a class (give an instance), a hook that does not exist or has other arguments, a plugin
        without any hook, and a name or plugin given twice.
        """
        return cls(_handed_over(plugins))

    @property
    def names(self) -> tuple[str, ...]:
        """The plugins' names in the order of their registration."""
        return tuple(self._candidates)

    def store(self, url: str) -> Store:
        """The store a URL such as `memory://` names, opened by the plugin that offers its scheme.

        The scheme is what precedes `://`, in any case; when nobody offers it whole, what precedes its first `+`.
        Raises InvalidValue for text without a scheme, PluginError for a scheme nobody offers (the known ones named),
        for one that two plugins offer, and when the plugin fails; errors of this library pass as they are.
        """
        store: Store = self._opened("stores", url)
        return store

    def mailer(self, url: str) -> Mailer:
        """The mailer a URL such as `smtp://mail.example.org` names; found, and refused, as a store is."""
        mailer: Mailer = self._opened("mailers", url)
        return mailer

    def gateway(self, url: str) -> PaymentGateway:
        """The payment gateway a URL such as `memory://` names; found, and refused, as a store is."""
        gateway: PaymentGateway = self._opened("gateways", url)
        return gateway

    def renderer(self, name: str = "pdf") -> Renderer:
        """A renderer of that format; PluginError for one nobody offers, the known ones named."""
        renderer: Renderer = self._made("renderers", name)
        return renderer

    def composer(self, name: str = "letters") -> Composer:
        """The composer of that name; PluginError for one nobody offers, the known ones named."""
        composer: Composer = self._made("composers", name)
        return composer

    def known(self, hook: str, url: object) -> str:
        """The name among what `hook` offers that a URL is for; refused as `store` refuses it, and nothing is opened."""
        offered = self._offered(hook)
        if not isinstance(url, str):
            raise InvalidValue("url", url, "is not text", f"write it as {min(offered, default='memory')}://…")
        scheme, found, _ = url.partition("://")
        if not found:
            # Only what precedes a colon: the rest of a mistyped URL may hold a password, and without one all may be a key.
            start = f"start it with one of {', '.join(f'{name}://' for name in sorted(offered))}"
            told = url.partition(":")[0] if ":" in url or url.lower() in offered else "…"
            raise InvalidValue("url", told, "has no scheme", start)
        scheme = scheme.lower()
        name = scheme if scheme in offered else scheme.partition("+")[0]
        self._find(hook, name)
        return name

    def _opened(self, hook: str, url: str) -> Any:  # what the hook's factories make; each caller names its type
        return self._made(hook, self.known(hook, url), url)

    def _made(self, hook: str, name: str, *given: str) -> Any:  # as above
        plugin, factory = self._find(hook, name)
        if not callable(factory):
            raise PluginError(plugin, f"its {hook[:-1]} {name!r} cannot be called", self.names)
        try:
            return factory(*given)
        except InvoicecoreError:
            raise
        except Exception as error:
            raise PluginError(plugin, f"its {hook[:-1]} {name!r} did not open: {_told(error)}", self.names) from error

    def authorise(self, action: str, actor: str | None, biller: str, subject: str | None = None) -> None:
        """Raise Refused with the first reason a plugin gives; return when none gives any (R18).

        A plugin that fails, or answers with anything but text or None, is a PluginError: in doubt nothing is allowed.
        """
        for impl in self._impls["authorise"]:
            try:
                reason = impl(action=action, actor=actor, biller=biller, subject=subject)
            except Refused:
                raise
            except Exception as error:
                raise PluginError(impl.plugin, f"authorise failed on {action}: {_told(error)}", self.names) from error
            if reason is None:
                continue
            if not isinstance(reason, str):
                problem = f"authorise answered {reason!r} on {action}; a reason refuses, None allows"
                raise PluginError(impl.plugin, problem, self.names)
            raise Refused(action, actor, reason or f"plugin {impl.plugin!r} gave no reason")

    def observe(self, events: Sequence[Event]) -> None:
        """Tell every observer what one committed transaction wrote (R18).

        Every observer is called whatever the others do. Afterwards the failures are raised as one ObserverFailed that
        names each and says that the change is committed, for an observer cannot undo it.
        """
        impls = self._impls["observe"]
        if not impls or not events:
            return
        heard = tuple(events)  # one observer must not change what the next one hears
        failures: list[tuple[str, Exception]] = []
        for impl in impls:
            try:
                impl(events=heard)
            except Exception as error:
                failures.append((impl.plugin, error))
        if failures:
            told = "; ".join(f"{name}: {_told(error)}" for name, error in failures)
            raise ObserverFailed(
                ", ".join(name for name, _ in failures),
                f"observe failed ({told}), but the change is committed: do not repeat it",
                self.names,
            ) from ExceptionGroup("observers failed", [error for _, error in failures])

    def span(self, name: str, **attributes: Attribute) -> AbstractContextManager[dict[str, Attribute]]:
        """What plugins put around a piece of work; entering it gives its attributes, to which counts may be added.

        A plugin that fails there is logged and disturbs nothing. What was given for the name of a gateway or the id of
        a biller and is none may be anything, also from whoever calls a webhook: it is told as "?".
        """
        if not self._around:
            return NOTHING
        told = {k: "?" if isinstance(v, str) and not _NAMED.fullmatch(v) else v for k, v in attributes.items()}
        return Span(self._around, name, told)

    def listing(self) -> tuple[PluginRow, ...]:
        """One row per plugin, in the order of their registration; asks every plugin what it offers.

        Raises PluginError when a plugin fails to answer.
        """
        offered = {hook: self._offered(hook) for hook in _OFFERS}
        return tuple(
            PluginRow(
                name=name,
                hooks=tuple(hook for hook in _HOOKS if any(impl.plugin == name for impl in self._impls[hook])),
                offers={
                    hook: names
                    for hook in _OFFERS
                    if (names := tuple(sorted(key for key, (by, _) in offered[hook].items() if by == name)))
                },
                distribution=candidate.distribution,
                version=candidate.version,
            )
            for name, candidate in self._candidates.items()
        )

    def _register(self, manager: pluggy.PluginManager, candidate: _Candidate) -> None:
        name, plugin = candidate.name, candidate.plugin
        if (other := self._candidates.get(name)) is not None:
            problem = f"the name is taken: {other.origin} and {candidate.origin} both use it; rename one"
            raise PluginError(name, problem, self.names)
        for other in self._candidates.values():
            if other.plugin is plugin:
                raise PluginError(name, f"it is registered already, as {other.name!r}", self.names)
        if inspect.isclass(plugin):
            raise PluginError(name, "it is a class; give an instance of it, or a module", self.names)
        try:
            manager.register(plugin, name)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(name, " ".join(str(error).split()), _HOOKS) from error
        except Exception as error:  # a property of the plugin that raises while pluggy looks for hooks
            raise PluginError(name, f"it cannot be registered: {_told(error)}", _HOOKS) from error
        callers = manager.get_hookcallers(plugin) or []
        if not callers:
            raise PluginError(name, "it implements no hook; mark its functions with @hookimpl", _HOOKS)
        for caller in callers:
            for impl in caller.get_hookimpls():
                if impl.plugin is not plugin:
                    continue
                if impl.wrapper or impl.hookwrapper:
                    # Around other plugins' calls, it would make it unknowable whose failure it was.
                    raise PluginError(name, f"its {caller.name} is a hook wrapper, which is not supported", _HOOKS)
                if inspect.iscoroutinefunction(impl.function):
                    raise PluginError(name, f"its {caller.name} is async and would never be awaited", _HOOKS)
        self._candidates[name] = candidate

    def _find(self, hook: str, name: str) -> tuple[str, object]:
        offered = self._offered(hook)
        if name not in offered:
            problem = f"no plugin offers it among {hook}; install the one that does, or use a known name"
            raise PluginError(name, problem, sorted(offered))
        return offered[name]

    def _offered(self, hook: str) -> Mapping[str, tuple[str, object]]:
        """Name → (plugin, what it offers) of one offering hook, each plugin asked once."""
        found = self._offers.get(hook)
        if found is None:
            found = self._offers[hook] = _collected(self._impls[hook], self.names)
        return found


def _collected(impls: Sequence[_Impl], names: Sequence[str]) -> Mapping[str, tuple[str, object]]:
    """Every plugin's answer to one offering hook in one table; PluginError for a failure, an odd answer, a clash."""
    offered: dict[str, tuple[str, object]] = {}
    for impl in impls:
        try:
            answer = impl()
            entries = list(answer.items()) if isinstance(answer, Mapping) else None
        except Exception as error:
            raise PluginError(impl.plugin, f"{impl.hook} failed: {_told(error)}", names) from error
        if entries is None:
            raise PluginError(impl.plugin, f"{impl.hook} answered {answer!r}, not a mapping of names", names)
        for key, thing in entries:
            if not isinstance(key, str) or not key:
                raise PluginError(impl.plugin, f"{impl.hook} offers {key!r}, which is not a name", names)
            if key in offered:
                problem = (
                    f"{impl.hook} offers {key!r}, which plugin {offered[key][0]!r} offers too; remove one of the two"
                )
                raise PluginError(impl.plugin, problem, names)
            offered[key] = (impl.plugin, thing)
    return MappingProxyType(offered)


def _around(impl: _Impl) -> Around:
    return lambda name, attributes: impl(name=name, attributes=attributes)


def _handed_over(plugins: Iterable[object]) -> list[_Candidate]:
    return [_Candidate(name=_name_of(plugin), plugin=plugin) for plugin in plugins]


def _name_of(plugin: object) -> str:
    name = getattr(plugin, "plugin_name", None)
    if isinstance(name, str) and name:
        return name
    if isinstance(plugin, ModuleType):
        return plugin.__name__
    return plugin.__name__ if isinstance(plugin, type) else type(plugin).__name__


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _of(distribution: Distribution | None) -> str:
    return f" of {distribution.name} {distribution.version}" if distribution else ""
