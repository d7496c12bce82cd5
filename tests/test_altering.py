"""Altering does what attrs.evolve does, for records that are altered by the hundred thousand."""

from __future__ import annotations

import attrs
import pytest

from invoicecore.altering import altered
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.leases import Lease
from invoicecore.testing import samples

HERE = samples.world()


def test_a_record_is_altered_as_attrs_would() -> None:
    draft, lease = samples.invoice(HERE, "i1"), HERE.leases[0]
    assert altered(draft, lifecycle=Lifecycle.OPEN, number="1") == attrs.evolve(
        draft, lifecycle=Lifecycle.OPEN, number="1"
    )
    assert altered(lease, next_period=7) == attrs.evolve(lease, next_period=7)
    assert draft == samples.invoice(HERE, "i1"), "the one it was made of stays as it is"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        altered(lease, next_period=7).next_period = 8  # type: ignore[misc]  # that it is refused is what is shown


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError, match="Lease has no next_perod"):
        altered(HERE.leases[0], next_perod=7)


@pytest.mark.parametrize("kind", [Invoice, Lease])
def test_what_is_altered_checks_nothing_when_it_is_made(kind: type) -> None:
    assert not hasattr(kind, "__slots__")
    assert not hasattr(kind, "__attrs_post_init__")
    assert [each.name for each in attrs.fields(kind) if each.validator or each.converter] == []
