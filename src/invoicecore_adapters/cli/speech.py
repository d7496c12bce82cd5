"""What the command itself says to people, in English and French; invoices and statuses speak through the library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from invoicecore.wording import language_of

_EN: Final[Mapping[str, str]] = {
    "dry_run": "Dry run: nothing was written.",
    "nothing_due": "Nothing was due.",
    "more": "More: --after {mark}",
    "of": "{shown} of {count}",
    "and_more": "… and {count} more",
    "published": "{number} published: {total}, due {due}.",
    "published_all": "{published} published, {failed} failed.",
    "no_drafts": "There are no drafts.",
    "fact": "{name}: {value}",
    "credit_of": "Credit of {name}",
    "to_credit": "To credit",
    "go_on": "Publish them? [y/N] ",
    "stopped": "Nothing was published.",
    "paid": "{amount} recorded on {number}; {balance} left to pay.",
    "credited": "{amount} became credit.",
    "voided": "{number} is void.",
    "refunded": "{amount} refunded on {number}.",
    "loaded": "{source}: {created} created, {existing} there already, {unwritten} not written.",
    "checked": "{source}: no faults in {rows} rows.",
    "created": "created",
    "existing": "there already",
    "changed": "changed, left as it was",
    "blocked": "blocked",
    "failed": "failed",
    "section": "Section",
    "rows": "Rows",
    "bill_to": "Bill to",
    "nobody": "nobody",
    "count": "Count",
    "plugin": "Plugin",
    "version": "Version",
    "offers": "Offers",
    "hooks": "Hooks",
    "loading": "Loading",
    "running": "Running",
    "on_day": "on {day}",
    "counts": "Invoices",
}
_FR: Final[Mapping[str, str]] = {
    "dry_run": "Essai à blanc\N{NO-BREAK SPACE}: rien n'a été écrit.",
    "nothing_due": "Rien n'était à facturer.",
    "more": "Suite\N{NO-BREAK SPACE}: --after {mark}",
    "of": "{shown} sur {count}",
    "and_more": "… et {count} de plus",
    "published": "{number} publiée\N{NO-BREAK SPACE}: {total}, échéance le {due}.",
    "published_all": "{published} publiées, {failed} en échec.",
    "no_drafts": "Il n'y a aucun brouillon.",
    "fact": "{name}\N{NO-BREAK SPACE}: {value}",
    "credit_of": "Crédit de {name}",
    "to_credit": "Porté au crédit",
    "go_on": "Les publier\N{NO-BREAK SPACE}? [o/N] ",
    "stopped": "Rien n'a été publié.",
    "paid": "{amount} inscrits sur {number}\N{NO-BREAK SPACE}; {balance} restent à payer.",
    "credited": "{amount} portés au crédit.",
    "voided": "{number} est annulée.",
    "refunded": "{amount} remboursés sur {number}.",
    "loaded": "{source}\N{NO-BREAK SPACE}: {created} créées, {existing} déjà présentes, {unwritten} non écrites.",
    "checked": "{source}\N{NO-BREAK SPACE}: aucune erreur dans {rows} lignes.",
    "created": "créées",
    "existing": "déjà présentes",
    "changed": "modifiées, laissées telles quelles",
    "blocked": "bloquées",
    "failed": "en échec",
    "section": "Section",
    "rows": "Lignes",
    "bill_to": "Facturée à",
    "nobody": "personne",
    "count": "Nombre",
    "plugin": "Extension",
    "version": "Version",
    "offers": "Offre",
    "hooks": "Crochets",
    "loading": "Chargement",
    "running": "Facturation",
    "on_day": "au {day}",
    "counts": "Factures",
}

MESSAGES: Final[Mapping[str, Mapping[str, str]]] = {"en": _EN, "fr": _FR}
"""Language → key → sentence; every language has the same keys (a test holds it)."""


def tell(key: str, locale: str, **data: object) -> str:
    """One sentence of the command, in the locale's language."""
    return MESSAGES[language_of(locale)][key].format_map(data)


def fact(name: str, value: str, locale: str) -> str:
    """A name and its value, with the colon as the language sets it."""
    return tell("fact", locale, name=name, value=value)
