"""What is planted in honest books, one thing at a time, and in which words the auditor has to name it.

What is done: which record (and what a finding is about, if not that), by which statements, and the kind of finding.
"""

from __future__ import annotations

PAID = "SELECT id FROM invoices WHERE phase = 'paid' AND kind = 'lease'"
BY_HAND = "SELECT p.id, a.invoice FROM payments p JOIN allocations a ON a.payment = p.id WHERE p.collection IS NULL AND p.id NOT IN (SELECT payment FROM reversals)"
DEBITED = "SELECT p.id, p.collection FROM payments p WHERE p.collection IS NOT NULL AND p.id NOT IN (SELECT payment FROM reversals)"
OF_TWO_LINES = (
    "SELECT invoice FROM lines WHERE invoice IN (SELECT id FROM invoices WHERE kind = 'lease')"
    " GROUP BY invoice HAVING count(*) > 1 AND count(period_start) = count(*)"
)
WITH_TAX = "SELECT t.invoice FROM invoice_taxes t JOIN invoices i ON i.id = t.invoice WHERE i.kind = 'lease'"

PLANTS: dict[str, tuple[str, tuple[str, ...], str]] = {
    # leases and their periods
    "an invoice is deleted": (
        "SELECT id, lease FROM invoices WHERE phase = 'due' AND kind = 'lease' AND in_flight_minor = 0",
        ("DELETE FROM lines WHERE invoice = :id", "DELETE FROM invoice_taxes WHERE invoice = :id",
         "DELETE FROM events WHERE subject = :id", "DELETE FROM messages WHERE invoice = :id",
         "DELETE FROM invoices WHERE id = :id"),
        "period missing",
    ),
    "a period is invoiced twice": (
        PAID.replace("id", "id, lease", 1) + " AND revision = 1",
        ("UPDATE invoices SET lease = (SELECT lease FROM invoices WHERE id = :id), revision = 2,"
         " period_index = (SELECT period_index FROM invoices WHERE id = :id)"
         " WHERE id = (SELECT i.id FROM invoices i WHERE i.id <> :id AND i.kind = 'lease' AND i.lifecycle = 'open' LIMIT 1)",),
        "period twice",
    ),
    "a period is a day longer": (PAID, ("UPDATE invoices SET period_end = date(period_end, '+1 day') WHERE id = :id",), "period"),
    "a late flag is taken off": ("SELECT id FROM invoices WHERE late", ("UPDATE invoices SET late = 0 WHERE id = :id",), "late"),
    "a late flag is put on": (
        "SELECT id FROM invoices WHERE NOT late AND kind = 'lease'", ("UPDATE invoices SET late = 1 WHERE id = :id",), "late",
    ),
    "a due date is moved": (PAID, ("UPDATE invoices SET due_on = date(due_on, '+1 day') WHERE id = :id",), "due"),
    "it is made to look as if it had been drafted in time": (
        "SELECT id FROM invoices WHERE late",
        ("UPDATE invoices SET late = 0, drafted_on = date(period_start, '-3 days') WHERE id = :id",),
        "timeline",
    ),
    "it was made long before its time": (
        "SELECT id FROM invoices WHERE kind = 'lease' AND NOT late",
        ("UPDATE invoices SET drafted_on = date(drafted_on, '-9 days') WHERE id = :id",
         "UPDATE events SET counts_on = date(counts_on, '-9 days') WHERE subject = :id"),
        "early",
    ),
    "a revision is skipped": ("SELECT id, lease FROM invoices WHERE revision = 2", ("UPDATE invoices SET revision = 3 WHERE id = :id",), "period twice"),
    "a lease forgets its next run": (
        "SELECT id FROM leases WHERE next_run_on IS NOT NULL", ("UPDATE leases SET next_run_on = NULL WHERE id = :id",), "schedule",
    ),
    "a lease is put off": (
        "SELECT id FROM leases WHERE next_run_on IS NOT NULL",
        ("UPDATE leases SET next_run_on = date(next_run_on, '+1 year') WHERE id = :id",),
        "schedule",
    ),
    "a lease skips a period": (
        "SELECT id FROM leases WHERE next_run_on IS NOT NULL", ("UPDATE leases SET next_period = next_period + 1 WHERE id = :id",), "schedule",
    ),
    "a lease is closed": ("SELECT id FROM leases WHERE NOT finished", ("UPDATE leases SET finished = 1 WHERE id = :id",), "schedule"),
    "an invoice has another payer than its lease": (
        PAID, ("UPDATE invoices SET customer = (SELECT id FROM customers c WHERE c.id <> customer LIMIT 1) WHERE id = :id",), "customer",
    ),
    # amounts
    "a cent is taken off a line": (PAID, ("UPDATE lines SET amount_minor = amount_minor - 1 WHERE invoice = :id",), "rent"),
    "a cent is moved from one line to another": (
        OF_TWO_LINES,
        ("UPDATE lines SET amount_minor = amount_minor + CASE position WHEN 0 THEN 1 ELSE -1 END WHERE invoice = :id AND position < 2",),
        "rent",
    ),
    "a line, its total and its payment are a cent less": (
        BY_HAND.replace("p.id, a.invoice", "a.invoice") + " AND a.invoice IN (SELECT id FROM invoices WHERE kind = 'lease')",
        ("UPDATE lines SET amount_minor = amount_minor - 1 WHERE invoice = :id AND position = 0",
         "UPDATE invoices SET total_minor = total_minor - 1 WHERE id = :id"),
        "rent",
    ),
    "a price by the hour is changed": (
        "SELECT invoice FROM lines WHERE charge IS NOT NULL", ("UPDATE lines SET unit_price_minor = unit_price_minor - 1 WHERE invoice = :id",), "line",
    ),
    "a total is a cent more": (PAID, ("UPDATE invoices SET total_minor = total_minor + 1 WHERE id = :id",), "total"),
    "a tax is a cent less": (WITH_TAX, ("UPDATE invoice_taxes SET tax_minor = tax_minor - 1 WHERE invoice = :id",), "tax"),
    "a tax is left off": (
        WITH_TAX,
        ("UPDATE invoices SET total_minor = total_minor - (SELECT tax_minor FROM invoice_taxes WHERE invoice = :id) WHERE id = :id",
         "DELETE FROM invoice_taxes WHERE invoice = :id", "UPDATE lines SET taxes = NULL WHERE invoice = :id"),
        "tax",
    ),
    "what a line came to is forgotten": (
        "SELECT invoice FROM lines WHERE share_exact IS NOT NULL", ("UPDATE lines SET share_exact = '1/3' WHERE invoice = :id",), "rent",
    ),
    "a line is said to be for other days": (
        PAID, ("UPDATE lines SET description = replace(description, '/20', '/19') WHERE invoice = :id",), "wording",
    ),
    # numbers
    "a number is shifted": (
        "SELECT id, biller || ' invoice/INV-' FROM invoices WHERE number IS NOT NULL ORDER BY number",
        ("UPDATE invoices SET number = 'INV-000999' WHERE id = :id", "UPDATE events SET detail = 'INV-000999' WHERE subject = :id AND action = 'published'"),
        "number gap",
    ),
    "a number is given twice": (
        "SELECT id, biller || ' invoice/INV-' FROM invoices WHERE number IS NOT NULL ORDER BY number DESC",
        ("DROP INDEX invoices_unique_number",
         "UPDATE invoices SET number = 'INV-000001' WHERE id = :id"),
        "number twice",
    ),
    "a counter has moved on": (
        "SELECT biller, biller || ' invoice/INV-' FROM counters WHERE series = 'invoice/INV-'",
        ("UPDATE counters SET next_number = next_number + 1 WHERE biller = :id AND series = 'invoice/INV-'",),
        "number gap",
    ),
    "an invoice was dated back": (
        "SELECT id FROM invoices WHERE number = (SELECT max(number) FROM invoices)",
        ("UPDATE invoices SET issued_on = date(issued_on, '-20 days') WHERE id = :id",
         "UPDATE events SET counts_on = date(counts_on, '-20 days') WHERE subject = :id AND action = 'published'"),
        "number order",
    ),
    "a credit note is deleted": (
        "SELECT id, biller || ' credit_note/CN-' FROM credit_notes", ("DELETE FROM credit_note_lines WHERE credit_note = :id",
        "DELETE FROM credit_note_taxes WHERE credit_note = :id", "DELETE FROM credit_notes WHERE id = :id"), "number gap",
    ),
    "a credit note says more than its lines": ("SELECT id FROM credit_notes", ("UPDATE credit_notes SET total_minor = total_minor + 1 WHERE id = :id",), "note"),
    # money
    "a payment by hand is deleted": (BY_HAND, ("DELETE FROM allocations WHERE payment = :id", "DELETE FROM payments WHERE id = :id"), "facts"),
    "a payment by hand is deleted and its invoice owes again": (
        "SELECT p.id, u.id FROM payments p JOIN key_uses u ON u.results LIKE '%' || p.id || '%' WHERE p.credited_minor = 0",
        ("UPDATE invoices SET paid_minor = paid_minor - (SELECT amount_minor FROM allocations a WHERE a.payment = :id AND a.invoice = invoices.id)"
         " WHERE id IN (SELECT invoice FROM allocations WHERE payment = :id)",
         "UPDATE invoices SET phase = 'due' WHERE id IN (SELECT invoice FROM allocations WHERE payment = :id)",
         "DELETE FROM events WHERE action = 'paid' AND subject IN (SELECT invoice FROM allocations WHERE payment = :id)",
         "DELETE FROM reversals WHERE payment = :id",
         "DELETE FROM allocations WHERE payment = :id", "DELETE FROM payments WHERE id = :id"),
        "lost",
    ),
    "a payment of the provider's is deleted": (
        DEBITED, ("DELETE FROM allocations WHERE payment = :id", "DELETE FROM payments WHERE id = :id"), "payment missing",
    ),
    "a payment is a cent less": (BY_HAND.replace(", a.invoice", ""), ("UPDATE payments SET amount_minor = amount_minor - 1 WHERE id = :id",), "payment"),
    "a payment that was taken back is on another invoice": (
        "SELECT payment, (SELECT invoice FROM allocations a WHERE a.payment = r.payment) FROM reversals r WHERE kind = 'by_hand'",
        ("UPDATE allocations SET invoice = (SELECT id FROM invoices WHERE phase = 'due' LIMIT 1) WHERE payment = :id",),
        "told",
    ),
    "a payment is on another invoice": (
        BY_HAND, ("UPDATE allocations SET invoice = (SELECT id FROM invoices WHERE phase = 'due' LIMIT 1) WHERE payment = :id",), "facts",
    ),
    "a payment is there twice": (
        DEBITED,
        ("INSERT INTO payments SELECT biller, id || 'x', customer, currency, amount_minor, credited_minor, method, received_on, reference, actor, collection, version FROM payments WHERE id = :id",
         "INSERT INTO allocations SELECT biller, payment || 'x', position, invoice, amount_minor FROM allocations WHERE payment = :id"),
        "payment too much",
    ),
    "money appears from nowhere": (
        BY_HAND.replace("p.id, a.invoice", "p.id, p.id || 'x'"),
        ("INSERT INTO payments SELECT biller, id || 'x', customer, currency, amount_minor, credited_minor, method, received_on, reference, actor, collection, version FROM payments WHERE id = :id",),
        "nobody asked",
    ),
    "a fact is a cent more": (PAID, ("UPDATE invoices SET paid_minor = paid_minor + 1 WHERE id = :id",), "facts"),
    "a fact in flight is forgotten": (
        "SELECT id FROM invoices WHERE in_flight_minor > 0", ("UPDATE invoices SET in_flight_minor = 0 WHERE id = :id",), "facts",
    ),
    "a reversal is deleted": ("SELECT r.id, a.invoice FROM reversals r JOIN allocations a ON a.payment = r.payment", ("DELETE FROM reversals WHERE id = :id",), "facts"),
    "a charge-back is made undone": (
        "SELECT r.id, p.collection FROM reversals r JOIN payments p ON p.id = r.payment WHERE r.kind = 'chargeback'",
        ("UPDATE reversals SET cancelled_on = reversed_on WHERE id = :id",),
        "taken back",
    ),
    "a refund is deleted": ("SELECT id, invoice FROM refunds WHERE gateway IS NULL AND to_credit_minor = 0", ("DELETE FROM refunds WHERE id = :id",), "facts"),
    "a refund by the provider is said to have failed": (
        "SELECT id FROM refunds WHERE gateway IS NOT NULL", ("UPDATE refunds SET state = 'failed' WHERE id = :id",), "refund",
    ),
    "a refund is a cent more": (
        "SELECT r.id, u.id FROM refunds r JOIN key_uses u ON u.results LIKE '%' || r.id || '%'",
        ("UPDATE refunds SET amount_minor = amount_minor + 1 WHERE id = :id",),
        "amount",
    ),
    "an invoice is said to be paid": ("SELECT id FROM invoices WHERE phase = 'due'", ("UPDATE invoices SET phase = 'paid' WHERE id = :id",), "status"),
    "an invoice is made void": (
        "SELECT id FROM invoices WHERE phase = 'due'", ("UPDATE invoices SET phase = 'void', lifecycle = 'void' WHERE id = :id",), "lifecycle",
    ),
    "a paid one is void": (
        PAID + " AND refunded_minor = 0",
        ("UPDATE invoices SET phase = 'void', lifecycle = 'void', voided_on = issued_on WHERE id = :id",),
        "void with money",
    ),
    "a step of a timeline is deleted": (PAID, ("DELETE FROM events WHERE subject = :id AND action = 'paid'",), "told"),
    # credit
    "a credit entry is deleted": ("SELECT id, customer FROM credit_entries WHERE kind = 'deposit'", ("DELETE FROM credit_entries WHERE id = :id",), "credit"),
    "a balance is a cent more": (
        "SELECT id FROM credit_entries", ("UPDATE credit_entries SET balance_minor = balance_minor + 1 WHERE id = :id",), "credit",
    ),
    "a deposit is a cent less, and all that follows": (
        "SELECT c.id, u.id FROM credit_entries c JOIN key_uses u ON u.results LIKE '%' || c.id || '%'"
        " WHERE c.kind = 'deposit' AND c.customer = (SELECT id FROM customers WHERE name = 'bob')",
        ("UPDATE credit_entries SET balance_minor = balance_minor - 1 WHERE customer = (SELECT customer FROM credit_entries WHERE id = :id)"
         " AND seq >= (SELECT seq FROM credit_entries WHERE id = :id)",
         "UPDATE credit_entries SET amount_minor = amount_minor - 1 WHERE id = :id"),
        "amount",
    ),
    "an overpayment is forgotten": (
        "SELECT id FROM payments WHERE credited_minor > 0", ("UPDATE payments SET credited_minor = 0 WHERE id = :id",), "payment",
    ),
    # collections
    "a collection is deleted": (
        "SELECT id FROM collections WHERE state = 'succeeded'", ("DELETE FROM collections WHERE id = :id",), "unknown here",
    ),
    "a debit on its way is said to have failed": (
        "SELECT id FROM collections WHERE state = 'pending'", ("UPDATE collections SET state = 'failed' WHERE id = :id",), "state",
    ),
    "a debit nobody looks at": (
        "SELECT id FROM collections WHERE state = 'pending'", ("UPDATE collections SET next_try_at = NULL WHERE id = :id",), "stuck",
    ),
    "a debit in doubt nobody is told of": (
        "SELECT id FROM collections WHERE state = 'succeeded'", ("UPDATE collections SET state = 'unknown' WHERE id = :id",), "stuck",
    ),
    "an event that nobody applies": ("SELECT id FROM inbox_events", ("UPDATE inbox_events SET state = 'waiting' WHERE id = :id",), "stuck"),
    # charges
    "a charge is open though it is invoiced": (
        "SELECT id FROM charges WHERE state = 'invoiced'", ("UPDATE charges SET state = 'open' WHERE id = :id",), "charge",
    ),
    "a charge is left behind": (
        "SELECT id FROM charges WHERE state = 'invoiced'",
        ("UPDATE charges SET state = 'open', invoice = NULL, version = 1 WHERE id = :id", "DELETE FROM lines WHERE charge = :id"),
        "charge left",
    ),
    "a charge is on two invoices": (
        "SELECT charge FROM lines WHERE charge IS NOT NULL",
        ("INSERT INTO lines SELECT biller, (SELECT id FROM invoices WHERE lifecycle = 'open' AND kind = 'lease' LIMIT 1), 9, description, quantity, unit_price_minor,"
         " amount_minor, taxes, period_start, period_end, share_days, share_of_days, share_day_count, share_exact, charge, site FROM lines WHERE charge = :id",),
        "charge twice",
    ),
    # messages
    "a message is deleted": (
        "SELECT m.id, m.invoice FROM messages m JOIN invoices i ON i.id = m.invoice JOIN leases l ON l.id = i.lease"
        " WHERE m.kind = 'invoice_issued' AND l.method = 'email_pdf'",
        ("DELETE FROM messages WHERE id = :id",), "not told",
    ),
    "a message is queued twice": (
        "SELECT id, invoice FROM messages WHERE about IS NULL",
        ("INSERT INTO messages SELECT biller, id || 'x', kind, invoice, recipient, locale, queued_at, about, state, tries, next_try_at, sent_at, error, version FROM messages WHERE id = :id",),
        "told twice",
    ),
    "a message is never sent": ("SELECT id FROM messages WHERE state = 'sent'", ("UPDATE messages SET state = 'queued' WHERE id = :id",), "stuck"),
    # tenants
    "a record is of another tenant": (
        "SELECT id FROM payments", ("UPDATE payments SET biller = (SELECT id FROM billers WHERE billers.id <> payments.biller LIMIT 1) WHERE id = :id",), "biller",
    ),
}  # fmt: skip
