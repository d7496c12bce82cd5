"""Plugins: real plugin objects, and real little distributions in a child process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

import pytest

import invoicecore
from invoicecore.errors import InvalidValue, NotAllowed, PluginError, Refused, StoreError
from invoicecore.plugins import GROUP, Plugins, StoreFactory, hookimpl
from invoicecore.ports import Event, Store

HOOK_NAMES = ("stores", "gateways", "mailers", "renderers", "composers", "authorise", "observe", "span")


class Opened:
    """Stands for a store: it remembers the URL it was opened by."""

    def __init__(self, url: str) -> None:
        self.url = url


def opened(url: str) -> Store:
    return cast(Store, Opened(url))


class Shelf:
    """Offers stores under the schemes it is given."""

    def __init__(self, name: str, **factories: object) -> None:
        self.plugin_name = name
        self.factories = factories
        self.asked = 0

    @hookimpl
    def stores(self) -> Mapping[str, StoreFactory]:
        self.asked += 1
        return cast(Mapping[str, StoreFactory], self.factories)


class Guard:
    """Answers `authorise` with what it is given, and remembers what it was asked."""

    def __init__(self, name: str, answer: object = None) -> None:
        self.plugin_name = name
        self.answer = answer
        self.asked: list[tuple[str, str | None, str, str | None]] = []

    @hookimpl
    def authorise(self, action: str, actor: str | None, biller: str, subject: str | None) -> str | None:
        self.asked.append((action, actor, biller, subject))
        if isinstance(self.answer, Exception):
            raise self.answer
        return cast("str | None", self.answer)


class Ear:
    """Hears events; fails when it is told to."""

    def __init__(self, name: str, failure: Exception | None = None) -> None:
        self.plugin_name = name
        self.failure = failure
        self.heard: list[Sequence[Event]] = []

    @hookimpl
    def observe(self, events: Sequence[Event]) -> None:
        self.heard.append(events)
        if self.failure is not None:
            raise self.failure


def an_event(subject: str = "inv-1") -> Event:
    now = datetime(2026, 4, 1, 9, tzinfo=UTC)
    return Event(biller="b", subject=subject, version=1, action="published", at=now, on=date(2026, 4, 1))


def refused(call: Callable[[], object]) -> PluginError:
    with pytest.raises(PluginError) as failure:
        call()
    error = failure.value
    assert error.plugin in str(error)
    assert all(name in str(error) for name in error.known)
    return error


# --- registration ---------------------------------------------------------------------------------------------------


def test_only_the_plugins_given_are_there() -> None:
    module = types.ModuleType("my_module")
    module.observe = Ear("x").observe  # type: ignore[attr-defined]
    plugins = Plugins.of(Guard("guard"), Ear("ear"), module)
    assert plugins.names == ("guard", "ear", "my_module")
    assert Plugins.of().names == ()


def test_an_object_without_a_name_is_called_by_its_class() -> None:
    class Quiet:
        @hookimpl
        def observe(self) -> None:
            """Hear without listening: fewer arguments are allowed."""

    plugins = Plugins.of(Quiet())
    assert plugins.names == ("Quiet",)
    plugins.observe([an_event()])


class Misspelt:
    @hookimpl
    def store(self) -> dict[str, StoreFactory]:
        return {}


class WrongArguments:
    @hookimpl
    def authorise(self, action: str, who: str) -> str | None:
        return None


class NoHooks:
    def stores(self) -> dict[str, StoreFactory]:
        return {}


class Wrapper:
    @hookimpl(wrapper=True)
    def authorise(self, action: str) -> Iterator[None]:
        return (yield)


class Asynchronous:
    @hookimpl
    async def observe(self, events: Sequence[Event]) -> None:
        """Never awaited, were it accepted."""


@pytest.mark.parametrize(
    "plugin, name, problem",
    [
        (Misspelt(), "Misspelt", "unknown hook 'store'"),
        (WrongArguments(), "WrongArguments", "'who'"),
        (NoHooks(), "NoHooks", "implements no hook; mark its functions with @hookimpl"),
        (None, "NoneType", "implements no hook"),
        (Wrapper(), "Wrapper", "authorise is a hook wrapper"),
        (Asynchronous(), "Asynchronous", "observe is async"),
    ],
)
def test_a_plugin_that_does_not_fit_is_refused_with_the_hooks_there_are(
    plugin: object, name: str, problem: str
) -> None:
    error = refused(lambda: Plugins.of(Ear("ear"), plugin))
    assert error.plugin == name
    assert problem in error.problem
    assert "\n" not in str(error)
    assert error.known == HOOK_NAMES


def test_a_class_is_not_a_plugin() -> None:
    error = refused(lambda: Plugins.of(Ear))
    assert (error.plugin, error.problem) == ("Ear", "it is a class; give an instance of it, or a module")


def test_a_name_is_taken_once() -> None:
    error = refused(lambda: Plugins.of(Guard("one"), Ear("two"), Shelf("one")))
    assert error.plugin == "one"
    assert "taken" in error.problem
    assert error.known == ("one", "two")


def test_two_sets_of_plugins_know_nothing_of_each_other() -> None:
    first, second = Plugins.of(Shelf("a", one=opened)), Plugins.of(Shelf("b", two=opened))
    assert first.store("one://") is not None
    assert refused(lambda: second.store("one://")).known == ("two",)


# --- offers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, scheme",
    [
        ("shelf://", "shelf"),
        ("shelf:///a/b.db?x=1", "shelf"),
        ("SHELF://x", "shelf"),
        ("shelf+driver://x", "shelf"),
        ("shelf+special://x", "shelf+special"),
    ],
)
def test_a_store_is_picked_by_its_scheme(url: str, scheme: str) -> None:
    picked: list[str] = []

    def factory(name: str) -> StoreFactory:
        def make(url: str) -> Store:
            picked.append(name)
            return opened(url)

        return make

    plugins = Plugins.of(Shelf("a", shelf=factory("shelf"), **{"shelf+special": factory("shelf+special")}))
    store = plugins.store(url)
    assert picked == [scheme]
    assert cast(Opened, store).url == url


def test_an_unknown_scheme_names_the_known_ones() -> None:
    plugins = Plugins.of(Shelf("a", zinc=opened), Shelf("b", oak=opened))
    error = refused(lambda: plugins.store("birch+x://secret@host"))
    assert error.plugin == "birch"
    assert error.known == ("oak", "zinc")
    assert "secret" not in str(error)


@pytest.mark.parametrize("url", ["rent.db", "", "oak:me:secret@host", "oak:/secret"])
def test_text_without_a_scheme_is_refused_without_telling_a_password(url: str) -> None:
    with pytest.raises(InvalidValue) as failure:
        Plugins.of(Shelf("a", oak=opened)).store(url)
    assert failure.value.field == "url"
    assert "oak://" in str(failure.value)
    assert "secret" not in str(failure.value)


def test_two_plugins_cannot_offer_the_same_scheme() -> None:
    plugins = Plugins.of(Shelf("a", oak=opened), Shelf("b", oak=opened))
    error = refused(lambda: plugins.store("oak://"))
    assert {error.plugin} | set(re.findall(r"plugin '(\w)' offers too", error.problem)) == {"a", "b"}
    assert "'oak'" in error.problem
    assert error.known == ("a", "b")


class BadOffer:
    plugin_name = "bad"

    def __init__(self, answer: object) -> None:
        self.answer = answer

    @hookimpl
    def stores(self) -> Mapping[str, StoreFactory]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return cast(Mapping[str, StoreFactory], self.answer)


@pytest.mark.parametrize(
    "answer, problem",
    [
        (ValueError("no disk"), "stores failed: ValueError: no disk"),
        (None, "stores answered None, not a mapping of names"),
        ([("oak", opened)], "not a mapping"),
        ({1: opened}, "stores offers 1, which is not a name"),
        ({"": opened}, "which is not a name"),
    ],
)
def test_a_plugin_that_fails_to_answer_is_named(answer: object, problem: str) -> None:
    error = refused(lambda: Plugins.of(Ear("ear"), BadOffer(answer)).store("oak://"))
    assert error.plugin == "bad"
    assert problem in error.problem
    assert error.known == ("ear", "bad")
    if isinstance(answer, Exception):
        assert error.__cause__ is answer


def test_an_offer_that_cannot_be_called_is_no_store() -> None:
    error = refused(lambda: Plugins.of(Shelf("a", oak="not callable")).store("oak://"))
    assert (error.plugin, error.problem) == ("a", "its store 'oak' cannot be called")


def test_a_store_that_does_not_open_is_named_and_our_own_errors_pass() -> None:
    def broken(url: str) -> Store:
        raise OSError("disk full")

    def foreign(url: str) -> Store:
        raise StoreError("a foreign database")

    plugins = Plugins.of(Shelf("a", broken=broken, foreign=foreign))
    error = refused(lambda: plugins.store("broken://"))
    assert error.plugin == "a"
    assert "OSError: disk full" in error.problem
    with pytest.raises(StoreError, match="a foreign database"):
        plugins.store("foreign://")


def test_a_plugin_is_asked_only_when_its_offer_is_wanted_and_then_once() -> None:
    shelf = Shelf("a", oak=opened)
    plugins = Plugins.of(shelf)
    plugins.observe([an_event()])
    plugins.authorise("publish", None, "b")
    assert shelf.asked == 0
    plugins.store("oak://1")
    plugins.store("oak://2")
    plugins.listing()
    assert shelf.asked == 1


class Trader:
    plugin_name = "trader"

    @hookimpl
    def gateways(self) -> Mapping[str, object]:
        return {"till": lambda url: f"the till of {url}"}

    @hookimpl
    def mailers(self) -> Mapping[str, object]:
        return {"pigeon": lambda url: f"the pigeon of {url}"}

    @hookimpl
    def renderers(self) -> Mapping[str, object]:
        return {"quill": lambda: "a quill"}

    @hookimpl
    def composers(self) -> Mapping[str, object]:
        return {"scribe": lambda: "a scribe", "mute": "no scribe", "ill": broken_scribe}


def broken_scribe() -> object:
    raise RuntimeError("no ink")


@pytest.mark.parametrize("kind, name", [("gateway", "till"), ("mailer", "pigeon")])
def test_gateways_and_mailers_are_made_of_a_url(kind: str, name: str) -> None:
    find = getattr(Plugins.of(Trader()), kind)
    assert find(f"{name}://here") == f"the {name} of {name}://here"
    assert find(f"{name.upper()}+x://here") == f"the {name} of {name.upper()}+x://here"
    error = refused(lambda: find("other://secret"))
    assert (error.plugin, error.known) == ("other", (name,))
    assert "secret" not in str(error)
    with pytest.raises(InvalidValue, match="has no scheme") as caught:
        find("other:secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind, name, known", [("renderer", "quill", 1), ("composer", "scribe", 3)])
def test_renderers_and_composers_are_made_by_name(kind: str, name: str, known: int) -> None:
    find = getattr(Plugins.of(Trader()), kind)
    assert find(name) == f"a {name}"
    error = refused(lambda: find("other"))
    assert (error.plugin, len(error.known)) == ("other", known)
    assert name in error.known


def test_a_part_that_cannot_be_made_names_its_plugin() -> None:
    plugins = Plugins.of(Trader())
    assert refused(lambda: plugins.composer("mute")).problem == "its composer 'mute' cannot be called"
    error = refused(lambda: plugins.composer("ill"))
    assert (error.plugin, error.problem) == ("trader", "its composer 'ill' did not open: RuntimeError: no ink")


def test_the_listing_says_what_each_plugin_does() -> None:
    rows = Plugins.of(Shelf("shelf", zinc=opened, oak=opened), Trader(), Ear("ear")).listing()
    assert [(row.name, row.hooks, dict(row.offers), row.distribution, row.version) for row in rows] == [
        ("shelf", ("stores",), {"stores": ("oak", "zinc")}, None, None),
        (
            "trader",
            ("gateways", "mailers", "renderers", "composers"),
            {
                "gateways": ("till",),
                "mailers": ("pigeon",),
                "renderers": ("quill",),
                "composers": ("ill", "mute", "scribe"),
            },
            None,
            None,
        ),
        ("ear", ("observe",), {}, None, None),
    ]


# --- authorising ----------------------------------------------------------------------------------------------------


@pytest.mark.rule("R18")
def test_an_action_is_allowed_when_nobody_objects() -> None:
    first, second = Guard("first"), Guard("second")
    Plugins.of().authorise("publish", "ana", "b", "inv-1")
    Plugins.of(first, second).authorise("publish", "ana", "b", "inv-1")
    assert first.asked == second.asked == [("publish", "ana", "b", "inv-1")]


@pytest.mark.rule("R18")
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_reason_refuses_wherever_its_plugin_stands(position: int) -> None:
    guards = [Guard("a"), Guard("b")]
    guards.insert(position, Guard("no", "treasurers only"))
    with pytest.raises(Refused) as failure:
        Plugins.of(*guards).authorise("void", "bob", "b", "inv-1")
    assert (failure.value.action, failure.value.actor, failure.value.reason) == ("void", "bob", "treasurers only")


@pytest.mark.rule("R18")
def test_a_refusal_without_words_is_still_a_refusal() -> None:
    with pytest.raises(Refused, match="plugin 'mute' gave no reason"):
        Plugins.of(Guard("mute", "")).authorise("void", None, "b")


@pytest.mark.rule("R18")
def test_a_plugin_may_raise_the_refusal_itself() -> None:
    own = Refused("void", "bob", "not on Sundays")
    with pytest.raises(Refused) as failure:
        Plugins.of(Guard("a", own)).authorise("void", "bob", "b")
    assert failure.value is own


@pytest.mark.rule("R18")
@pytest.mark.parametrize("answer", [False, True, 0, ["no"], RuntimeError("no directory"), NotAllowed("a", "b", [])])
def test_in_doubt_nothing_is_allowed(answer: object) -> None:
    error = refused(lambda: Plugins.of(Guard("fine"), Guard("odd", answer)).authorise("refund", "bob", "b"))
    assert error.plugin == "odd"
    assert "authorise" in error.problem
    assert "refund" in error.problem
    assert error.known == ("fine", "odd")


# --- observing ------------------------------------------------------------------------------------------------------


@pytest.mark.rule("R18")
def test_every_observer_hears_one_transaction_once() -> None:
    first, second = Ear("first"), Ear("second")
    plugins = Plugins.of(first, Guard("guard"), second)
    events = [an_event("a"), an_event("b")]
    plugins.observe(events)
    assert first.heard == second.heard == [tuple(events)]
    plugins.observe([])
    assert len(first.heard) == 1


@pytest.mark.rule("R18")
def test_a_failing_observer_keeps_nobody_from_hearing_and_says_the_change_is_committed() -> None:
    failures = {"one": ValueError("deaf"), "two": KeyError("lost")}
    ears = [Ear("a"), Ear("one", failures["one"]), Ear("b"), Ear("two", failures["two"]), Ear("c")]
    error = refused(lambda: Plugins.of(*ears).observe([an_event()]))
    assert [len(ear.heard) for ear in ears] == [1] * 5
    assert set(error.plugin.split(", ")) == {"one", "two"}
    assert "ValueError: deaf" in error.problem
    assert "the change is committed" in error.problem
    assert isinstance(error.__cause__, ExceptionGroup)
    assert set(error.__cause__.exceptions) == set(failures.values())


def test_plugins_are_called_last_registered_first_unless_one_asks_otherwise() -> None:
    order: list[str] = []

    class Noting:
        def __init__(self, name: str) -> None:
            self.plugin_name = name

        @hookimpl
        def observe(self) -> None:
            order.append(self.plugin_name)

    class Eager:
        @hookimpl(tryfirst=True)
        def observe(self) -> None:
            order.append("eager")

    Plugins.of(Eager(), Noting("a"), Noting("b")).observe([an_event()])
    assert order == ["eager", "b", "a"]


# --- entry points: real distributions, in a process of their own ----------------------------------------------------

OAK = """
    from invoicecore.plugins import hookimpl

    class Oak:
        @hookimpl
        def stores(self):
            return {"oak": lambda url: ("an oak store", url)}

    oak = Oak()
"""


def install(site: Path, distribution: str, points: Mapping[str, str], **sources: str) -> None:
    """Lay out an installed distribution with its modules, as an installer would."""
    info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n", "utf-8")
    lines = [f"[{GROUP}]", *(f"{name} = {target}" for name, target in points.items())]
    info.joinpath("entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")
    for module, source in sources.items():
        site.joinpath(f"{module}.py").write_text(textwrap.dedent(source), "utf-8")


def in_a_child(site: Path, code: str) -> str:
    """What `code` prints in a fresh interpreter that sees this library's source and `site`, and no other plugin."""
    source = str(Path(invoicecore.__path__[0]).parent)
    # The child's own installation may register built-in plugins: only the distributions of `site` are left to see.
    preamble = f"""
        import importlib.metadata as metadata
        everything = metadata.entry_points
        metadata.entry_points = lambda **given: metadata.EntryPoints(
            point for point in everything(**given) if str(point.dist.locate_file("")) == {str(site)!r}
        )
        from invoicecore.errors import PluginError
        from invoicecore.plugins import Plugins
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(preamble) + textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), source])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SHOW_ERROR = """
    try:
        Plugins.discover()
    except PluginError as error:
        print(error.plugin, "|", error.problem, "|", *error.known)
    else:
        print("no error")
"""


def test_an_installed_plugin_is_found_by_its_entry_point(tmp_path: Path) -> None:
    install(tmp_path, "invoicecore-oak", {"wood": "oak_plugin:oak"}, oak_plugin=OAK)
    told = in_a_child(
        tmp_path,
        """
        plugins = Plugins.discover()
        print(plugins.names, plugins.store("oak://x"))
        for row in plugins.listing():
            print(row.name, row.hooks, dict(row.offers), row.distribution, row.version)
        print(Plugins.of().names)
        """,
    )
    assert told.splitlines() == [
        "('wood',) ('an oak store', 'oak://x')",
        "wood ('stores',) {'stores': ('oak',)} invoicecore-oak 1.2",
        "()",
    ]


def test_a_module_can_be_the_plugin_and_more_can_be_handed_over(tmp_path: Path) -> None:
    source = """
        from invoicecore.plugins import hookimpl

        @hookimpl
        def authorise(action, actor):
            return "nobody voids here" if action == "void" else None
    """
    install(tmp_path, "invoicecore-oak", {"wood": "oak_plugin:oak"}, oak_plugin=OAK)
    install(tmp_path, "house-rules", {"rules": "house_rules"}, house_rules=source)
    told = in_a_child(
        tmp_path,
        """
        from invoicecore.errors import Refused
        from invoicecore.plugins import hookimpl

        class Extra:
            @hookimpl
            def stores(self):
                return {"elm": print}

        plugins = Plugins.discover(Extra())
        print(plugins.names)
        plugins.store("elm://opened")
        plugins.authorise("publish", "ana", "b")
        try:
            plugins.authorise("void", "ana", "b")
        except Refused as error:
            print(error.reason)
        """,
    )
    assert told.splitlines() == ["('rules', 'wood', 'Extra')", "elm://opened", "nobody voids here"]


@pytest.mark.parametrize(
    "target, sources, problem",
    [
        ("absent_module:plugin", {}, "ModuleNotFoundError: No module named 'absent_module'"),
        ("broken_one:plugin", {"broken_one": "raise RuntimeError('half installed')"}, "RuntimeError: half installed"),
        ("empty_one:plugin", {"empty_one": ""}, "AttributeError"),
        ("broken_one:plugin", {"broken_one": "def ("}, "SyntaxError"),
    ],
)
def test_an_entry_point_that_cannot_be_imported_is_named(
    tmp_path: Path, target: str, sources: dict[str, str], problem: str
) -> None:
    install(tmp_path, "invoicecore-oak", {"wood": "oak_plugin:oak"}, oak_plugin=OAK)
    install(tmp_path, "half-there", {"half": target}, **sources)
    name, said, known = in_a_child(tmp_path, SHOW_ERROR).split(" | ")
    assert name == "half"
    assert problem in said
    assert target in said
    assert "half-there 1.2" in said
    assert known == "half wood"


def test_two_distributions_cannot_register_the_same_name(tmp_path: Path) -> None:
    install(tmp_path, "invoicecore-oak", {"wood": "oak_plugin:oak"}, oak_plugin=OAK)
    install(tmp_path, "other-wood", {"wood": "other_plugin:oak"}, other_plugin=OAK)
    name, said, known = in_a_child(tmp_path, SHOW_ERROR).split(" | ")
    assert (name, known) == ("wood", "wood")
    assert "invoicecore-oak 1.2" in said
    assert "other-wood 1.2" in said


def test_an_installed_plugin_with_a_misspelt_hook_is_named_as_it_was_installed(tmp_path: Path) -> None:
    install(tmp_path, "invoicecore-oak", {"wood": "p:oak"}, p=OAK.replace("def stores", "def shops"))
    name, said, known = in_a_child(tmp_path, SHOW_ERROR).split(" | ")
    assert (name, known) == ("wood", " ".join(HOOK_NAMES))
    assert "shops" in said


def test_a_plugin_is_imported_when_plugins_are_discovered_and_not_before(tmp_path: Path) -> None:
    install(
        tmp_path, "invoicecore-oak", {"wood": "oak_plugin:oak"}, oak_plugin="print('imported')\n" + textwrap.dedent(OAK)
    )
    told = in_a_child(tmp_path, "Plugins.of(); print('before'); Plugins.discover()")
    assert told.splitlines() == ["before", "imported"]


def test_an_installed_plugin_cannot_be_handed_over_once_more(tmp_path: Path) -> None:
    install(tmp_path, "invoicecore-oak", {"wood": "oak_plugin:oak"}, oak_plugin=OAK)
    code = "import oak_plugin\n" + textwrap.dedent(SHOW_ERROR).replace("discover()", "discover(oak_plugin.oak)")
    assert in_a_child(tmp_path, code).split(" | ") == ["Oak", "it is registered already, as 'wood'", "wood"]
