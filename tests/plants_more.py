"""More of what is planted: money that changes hands, notes and refunds, charges and fees, bookings, days and names.

As in `plants`: which record (and what a finding is about, if not that), by which statements, and the kind of finding.
"""

from __future__ import annotations

CHARGED = "SELECT charge FROM lines WHERE charge IS NOT NULL AND charge NOT LIKE '%\\_fee\\_%' ESCAPE '\\'"
FEE = "SELECT id FROM charges WHERE id LIKE '%\\_fee\\_%' ESCAPE '\\'"
OF_A_GROUP = "SELECT i.id, i.booking_group FROM invoices i WHERE i.booking_group IN (SELECT booking_group FROM invoices GROUP BY booking_group HAVING count(*) = {})"
MOVED_TO = (  # a row of credit to the end of somebody else's ledger
    "UPDATE credit_entries SET customer = (SELECT id FROM customers WHERE name = '{0}'),"
    " seq = 1 + coalesce((SELECT max(seq) FROM credit_entries WHERE customer = (SELECT id FROM customers WHERE name = '{0}')), 0),"
    " balance_minor = amount_minor + coalesce((SELECT balance_minor FROM credit_entries"
    " WHERE customer = (SELECT id FROM customers WHERE name = '{0}') ORDER BY seq DESC LIMIT 1), 0)"
)
OF_NOTE = "(SELECT invoice FROM credit_notes WHERE id = :id)"

MORE: dict[str, tuple[str, tuple[str, ...], str]] = {
    # credit notes
    "a note settles nothing, and its invoice owes again": (
        "SELECT id FROM credit_notes WHERE settled_minor > 0",
        (f"UPDATE invoices SET noted_minor = 0 WHERE id = {OF_NOTE}", "UPDATE credit_notes SET settled_minor = 0 WHERE id = :id"),
        "note",
    ),
    "a note's refund is forgotten, with its credit and its step": (
        "SELECT id FROM credit_notes WHERE refund IS NOT NULL",
        (f"UPDATE invoices SET refunded_minor = refunded_minor - 2500 WHERE id = {OF_NOTE}",
         f"DELETE FROM events WHERE action = 'refunded' AND subject = {OF_NOTE}",
         f"DELETE FROM credit_entries WHERE kind = 'returned' AND amount_minor = 2500 AND invoice = {OF_NOTE}",
         "DELETE FROM refunds WHERE id = (SELECT refund FROM credit_notes WHERE id = :id)",
         "UPDATE credit_notes SET refund = NULL WHERE id = :id"),
        "note",
    ),
    "a note gives back a part of what it should": (
        "SELECT id FROM credit_notes WHERE refund IS NOT NULL",
        (f"UPDATE invoices SET refunded_minor = refunded_minor - 2000 WHERE id = {OF_NOTE}",
         f"UPDATE events SET detail = '5.00 to credit' WHERE action = 'refunded' AND subject = {OF_NOTE}",
         f"UPDATE credit_entries SET amount_minor = 500, balance_minor = balance_minor - 2000"
         f" WHERE kind = 'returned' AND amount_minor = 2500 AND invoice = {OF_NOTE}",
         "UPDATE refunds SET amount_minor = 500, to_credit_minor = 500 WHERE id = (SELECT refund FROM credit_notes WHERE id = :id)"),
        "note",
    ),
    "a note credits another line": (
        "SELECT credit_note FROM credit_note_lines WHERE line = 1", ("UPDATE credit_note_lines SET line = 0 WHERE credit_note = :id",), "note",
    ),
    "a note credits a line that is not there": (
        "SELECT credit_note FROM credit_note_lines", ("UPDATE credit_note_lines SET line = 7 WHERE credit_note = :id",), "note",
    ),
    "a note's line is more, and its tax as much less": (
        "SELECT n.id, n.invoice FROM credit_notes n JOIN credit_note_taxes t ON t.credit_note = n.id",
        ("UPDATE credit_note_lines SET amount_minor = amount_minor + 1000 WHERE credit_note = :id",
         "UPDATE credit_note_taxes SET tax_minor = tax_minor - 1000 WHERE credit_note = :id"),
        "note",
    ),
    "a note's tax is of another rate": (
        "SELECT n.id, n.invoice FROM credit_notes n JOIN credit_note_taxes t ON t.credit_note = n.id",
        ("UPDATE credit_note_taxes SET percent = '10' WHERE credit_note = :id",),
        "note",
    ),
    "a note is made out to somebody else": (
        "SELECT id FROM credit_notes", ("UPDATE credit_notes SET bill_to_name = 'mallory' WHERE id = :id",), "payer",
    ),
    "a note is of another day": (
        "SELECT id FROM credit_notes ORDER BY number DESC", ("UPDATE credit_notes SET issued_on = date(issued_on, '-1 day') WHERE id = :id",), "note",
    ),
    "a note is on no timeline": (
        "SELECT id FROM credit_notes WHERE settled_minor > 0", (f"DELETE FROM events WHERE action = 'credited' AND subject = {OF_NOTE}",), "note",
    ),
    # refunds
    "what credit had paid is refunded to the bank": (
        "SELECT id FROM refunds WHERE from_credit_minor > 0",
        ("DELETE FROM credit_entries WHERE kind = 'returned' AND invoice = (SELECT invoice FROM refunds WHERE id = :id)",
         "UPDATE invoices SET refunded_credit_minor = 0 WHERE id = (SELECT invoice FROM refunds WHERE id = :id)",
         "UPDATE refunds SET to_credit_minor = 0, from_credit_minor = 0 WHERE id = :id"),
        "shares",
    ),
    "a refund is of another year": ("SELECT id FROM refunds", ("UPDATE refunds SET refunded_on = date(refunded_on, '-400 day') WHERE id = :id",), "refund"),
    # whose credit it is
    "somebody's credit settles another's invoice": (
        "SELECT c.id FROM credit_entries c JOIN customers p ON p.id = c.customer WHERE c.kind = 'applied' AND p.name = 'alice'",
        ("UPDATE credit_entries SET invoice = (SELECT i.id FROM invoices i JOIN customers p ON p.id = i.customer WHERE p.name = 'bob') WHERE id = :id",),
        "credit",
    ),
    "an overpayment is another's credit": (
        "SELECT c.id FROM credit_entries c JOIN customers p ON p.id = c.customer WHERE c.kind = 'overpayment' AND p.name = 'emil'",
        (MOVED_TO.format("dora") + " WHERE id = :id",),
        "credit",
    ),
    "credit that is returned is another's": (
        "SELECT c.id FROM credit_entries c JOIN customers p ON p.id = c.customer WHERE c.kind = 'returned' AND p.name = 'dora'",
        (MOVED_TO.format("emil") + " WHERE id = :id",),
        "credit",
    ),
    "a deposit is on another's ledger, and all that follows": (
        "SELECT c.id, u.id FROM credit_entries c JOIN customers p ON p.id = c.customer JOIN key_uses u ON u.results LIKE '%' || c.id || '%'"
        " WHERE c.kind = 'deposit' AND p.name = 'bob'",
        (MOVED_TO.format("alice") + " WHERE id = :id",
         MOVED_TO.format("alice") + " WHERE kind = 'withdrawn' AND customer = (SELECT id FROM customers WHERE name = 'bob')"),
        "misplaced",
    ),
    "somebody has credit that nobody paid": (
        "SELECT c.id, c.customer FROM credit_entries c JOIN customers p ON p.id = c.customer WHERE c.kind = 'overpayment' AND p.name = 'emil'",
        ("INSERT INTO credit_entries SELECT biller, id || 'x', customer, currency, seq + 1, kind, amount_minor, balance_minor + amount_minor,"
         " entered_on, invoice, payment, note, actor FROM credit_entries WHERE id = :id",),
        "every cent",
    ),
    "credit is applied on another day": (
        "SELECT id, invoice FROM credit_entries WHERE kind = 'applied'",
        ("UPDATE credit_entries SET entered_on = date(entered_on, '-1 year') WHERE id = :id",),
        "told",
    ),
    # what is taken back, and what came
    "a payment by hand is only half taken back": (
        "SELECT id FROM reversals WHERE kind = 'by_hand' AND amount_minor = 48400",
        ("UPDATE invoices SET paid_minor = paid_minor + 24200"
         " WHERE id = (SELECT a.invoice FROM allocations a JOIN reversals r ON r.payment = a.payment WHERE r.id = :id)",
         "UPDATE events SET detail = '242.00' WHERE action = 'payment reversed'"
         " AND subject = (SELECT a.invoice FROM allocations a JOIN reversals r ON r.payment = a.payment WHERE r.id = :id)",
         "UPDATE reversals SET amount_minor = 24200 WHERE id = :id"),
        "reversal",
    ),
    "a payment is taken back on another day": (
        "SELECT id FROM reversals", ("UPDATE reversals SET reversed_on = date(reversed_on, '-1 year') WHERE id = :id",), "dated",
    ),
    "a receipt by hand is of another year": (
        "SELECT p.id, u.id FROM payments p JOIN key_uses u ON u.results LIKE '%' || p.id || '%'",
        ("UPDATE payments SET received_on = date(received_on, '-1 year') WHERE id = :id",),
        "dated",
    ),
    "a debit came on another day": (
        "SELECT id FROM payments WHERE collection IS NOT NULL", ("UPDATE payments SET received_on = date(received_on, '-1 day') WHERE id = :id",), "dated",
    ),
    "a debit came in cash": ("SELECT id FROM payments WHERE collection IS NOT NULL", ("UPDATE payments SET method = 'cash' WHERE id = :id",), "payment"),
    "a collection is another invoice's": (
        "SELECT c.id, p.id FROM collections c JOIN payments p ON p.collection = c.id WHERE p.id NOT IN (SELECT payment FROM reversals)",
        ("UPDATE collections SET invoice = (SELECT i.id FROM invoices i WHERE i.phase = 'due' AND i.customer = collections.customer LIMIT 1) WHERE id = :id",),
        "misplaced",
    ),
    "an invoice lacks what was refunded, and nobody is told": (
        "SELECT id, invoice FROM alerts WHERE kind = 'reversed_after_refund'", ("DELETE FROM alerts WHERE id = :id",), "less than nothing",
    ),
    "a charge-back that is won becomes credit, though its invoice lacks the money": (
        "SELECT r.payment, a.invoice FROM reversals r JOIN allocations a ON a.payment = r.payment WHERE r.kind = 'chargeback'",
        ("UPDATE refunds SET invoice = (SELECT invoice FROM allocations WHERE payment = :id), amount_minor = 9000,"
         " refunded_on = (SELECT reversed_on FROM reversals WHERE payment = :id) WHERE gateway IS NOT NULL",
         *(
             f"INSERT INTO events SELECT biller, subject, {version}, 0, '{action}', happened_at, counts_on, actor, '{detail}' FROM events"
             " WHERE action = 'payment reversed' AND subject = (SELECT invoice FROM allocations WHERE payment = :id)"
             for version, action, detail in ((98, "refunded", "90.00 to gateway"), (99, "reversal cancelled", "0.00"))
         ),
         "UPDATE reversals SET cancelled_on = reversed_on WHERE payment = :id",
         "INSERT INTO credit_entries SELECT p.biller, p.id || 'c', p.customer, p.currency, 99, 'overpayment', 9000, 9000, r.reversed_on, NULL, p.id, '', NULL"
         " FROM payments p JOIN reversals r ON r.payment = p.id WHERE p.id = :id"),
        "less than nothing",
    ),
    # alerts
    "all alerts are deleted": ("SELECT id, about FROM alerts WHERE kind = 'chargeback'", ("DELETE FROM alerts",), "nobody told"),
    "an alert is resolved by nobody": ("SELECT id FROM alerts", ("UPDATE alerts SET state = 'resolved' WHERE id = :id",), "alert"),
    # what is to be collected
    "a debit is forgotten, and its invoice is due": (
        "SELECT i.id FROM invoices i WHERE i.in_flight_minor > 0 AND NOT i.late",
        ("DELETE FROM collections WHERE invoice = :id", "DELETE FROM events WHERE subject = :id AND action LIKE 'collection %'",
         "UPDATE invoices SET in_flight_minor = 0, phase = 'due' WHERE id = :id"),
        "not collected",
    ),
    "an attempt that failed is forgotten": (
        "SELECT id, invoice FROM collections WHERE state = 'succeeded'", ("DELETE FROM collections WHERE id = :id",), "collections",
    ),
    # currencies
    **{
        f"{what} in another currency": (f"SELECT id FROM {table}", (f"UPDATE {table} SET currency = 'USD' WHERE id = :id",), "currency")
        for what, table in (("an invoice is", "invoices"), ("a payment is", "payments"), ("a collection is", "collections"),
                            ("a refund is", "refunds"), ("a lease is", "leases"))
    },
    # charges
    "a charge is invoiced for less": (
        CHARGED,
        ("UPDATE invoices SET total_minor = total_minor - 1000 WHERE id = (SELECT invoice FROM lines WHERE charge = :id)",
         "UPDATE lines SET unit_price_minor = unit_price_minor - 1000, amount_minor = amount_minor - 1000 WHERE charge = :id"),
        "charge",
    ),
    "a charge's tax is not on its line": (
        CHARGED, ("UPDATE charges SET taxes = '[{\"name\":\"VAT\",\"percent\":\"20\",\"category\":\"S\"}]' WHERE id = :id",), "charge",
    ),
    "charges are invoiced to another client": (
        CHARGED,
        ("UPDATE invoices SET customer = (SELECT id FROM customers WHERE name = 'dan'), bill_to_name = 'dan', bill_to_email = 'dan@example.com'"
         " WHERE id = (SELECT invoice FROM lines WHERE charge = :id)",),
        "charge",
    ),
    "charges are open again, their invoice and its number gone": (
        "SELECT id, biller || ' invoice/INV-' FROM invoices WHERE kind = 'charges'",
        ("UPDATE counters SET next_number = next_number - 1 WHERE series = 'invoice/INV-' AND biller = (SELECT biller FROM invoices WHERE id = :id)",
         "UPDATE charges SET state = 'open', invoice = NULL, version = 3 WHERE invoice = :id", "DELETE FROM lines WHERE invoice = :id",
         "DELETE FROM events WHERE subject = :id", "DELETE FROM messages WHERE invoice = :id", "DELETE FROM invoices WHERE id = :id"),
        "number",
    ),
    "a charges' invoice is due a year later": (
        "SELECT id FROM invoices WHERE kind = 'charges'", ("UPDATE invoices SET due_on = date(due_on, '+1 year') WHERE id = :id",), "due",
    ),
    # late fees
    "a late fee is deleted": (FEE, ("DELETE FROM charges WHERE id = :id", "DELETE FROM events WHERE subject = :id"), "fee"),
    "a late fee was never charged": (
        "SELECT e.subject FROM events e JOIN invoices i ON i.id = e.subject WHERE e.action = 'late fee' AND i.phase = 'due'",
        ("DELETE FROM charges WHERE EXISTS (SELECT 1 FROM key_uses u WHERE u.id LIKE 'late fee/' || :id || '/%' AND u.results LIKE '%' || charges.id || '%')",
         "DELETE FROM key_uses WHERE id LIKE 'late fee/' || :id || '/%'", "DELETE FROM events WHERE subject = :id AND action = 'late fee'"),
        "fee missing",
    ),
    "a late fee is charged twice": (
        FEE.replace("id", "id, id || 'x'", 1),
        ("INSERT INTO charges SELECT biller, id || 'x', customer, description, currency, unit_price_minor, quantity, charged_on, taxes, state, invoice, version"
         " FROM charges WHERE id = :id",),
        "fee",
    ),
    "a late fee is ten times as much": (FEE, ("UPDATE charges SET unit_price_minor = 10 * unit_price_minor WHERE id = :id",), "fee"),
    "a late fee is ten times as much wherever it is told": (
        "SELECT subject FROM events WHERE action = 'late fee'",
        ("UPDATE charges SET unit_price_minor = 5000 WHERE EXISTS (SELECT 1 FROM key_uses u WHERE u.id LIKE 'late fee/' || :id || '/%' AND u.results LIKE '%' || charges.id || '%')",
         "UPDATE key_uses SET results = replace(results, '5.00', '50.00') WHERE id LIKE 'late fee/' || :id || '/%'",
         "UPDATE events SET detail = '50.00' WHERE subject = :id AND action = 'late fee'"),
        "fee",
    ),
    "a late fee is somebody else's": (
        FEE, ("UPDATE charges SET customer = (SELECT c.id FROM customers c WHERE c.biller = charges.biller AND c.id <> charges.customer) WHERE id = :id",), "fee",
    ),
    # bookings
    "a group's invoice loses a site": (
        OF_A_GROUP.format(1),
        ("DELETE FROM lines WHERE invoice = :id AND site = 'B'",
         "UPDATE invoices SET total_minor = total_minor / 2 WHERE id = :id"),
        "group",
    ),
    "one payer of a group pays less": (
        OF_A_GROUP.format(2),
        ("UPDATE lines SET amount_minor = amount_minor - 100, unit_price_minor = unit_price_minor - 100 WHERE invoice = :id AND position = 0",),
        "group",
    ),
    "a booking is invoiced for less": (
        "SELECT id FROM invoices WHERE booking IS NOT NULL",
        ("UPDATE lines SET unit_price_minor = unit_price_minor - 100, amount_minor = amount_minor - 300 WHERE invoice = :id AND position = 0",),
        "booking",
    ),
    "a booking is invoiced to another guest": (
        "SELECT id FROM invoices WHERE booking IS NOT NULL",
        ("UPDATE invoices SET customer = (SELECT id FROM customers WHERE name = 'dora'), bill_to_name = 'dora' WHERE id = :id",),
        "booking",
    ),
    "a booking is invoiced twice": (
        "SELECT id, booking FROM invoices WHERE booking IS NOT NULL",
        ("UPDATE invoices SET booking = (SELECT booking FROM invoices WHERE id = :id) WHERE id = (SELECT id FROM invoices WHERE title = 'Extras' LIMIT 1)",),
        "booking twice",
    ),
    # who is who
    "an invoice is made out to somebody else": (
        "SELECT id FROM invoices WHERE kind = 'lease' AND lifecycle = 'open'",
        ("UPDATE invoices SET bill_to_name = 'mallory', bill_to_email = 'm@x.example' WHERE id = :id",),
        "payer",
    ),
    "a customer is deleted": ("SELECT customer, id FROM leases", ("DELETE FROM customers WHERE id = :id",), "nobody there"),
    "a biller is deleted": ("SELECT biller, id FROM customers", ("DELETE FROM billers WHERE id = :id",), "biller"),
    "a mandate is deleted": ("SELECT method, id FROM collections", ("DELETE FROM saved_methods WHERE id = :id",), "nobody there"),
    "a booking is deleted": ("SELECT booking, id FROM invoices WHERE booking IS NOT NULL", ("DELETE FROM bookings WHERE id = :id",), "nobody there"),
    "what was made under a key is gone": (
        "SELECT c.id, u.id FROM charges c JOIN key_uses u ON u.results LIKE '%' || c.id || '%' WHERE u.action = 'charges.add'",
        ("DELETE FROM lines WHERE charge = :id", "DELETE FROM charges WHERE id = :id"),
        "lost",
    ),
}  # fmt: skip
