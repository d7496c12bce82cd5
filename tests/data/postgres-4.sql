-- What schema version 4 left behind: two billers, a lease, what was paid, bounced and credited.
CREATE TABLE alerts (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    about character varying NOT NULL COLLATE pg_catalog."C",
    invoice character varying COLLATE pg_catalog."C",
    text text NOT NULL COLLATE pg_catalog."C",
    raised_at timestamp with time zone NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    resolved_at timestamp with time zone,
    resolved_by text COLLATE pg_catalog."C",
    resolution text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL
);
CREATE TABLE allocations (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    payment character varying NOT NULL COLLATE pg_catalog."C",
    "position" integer NOT NULL,
    invoice character varying NOT NULL COLLATE pg_catalog."C",
    amount_minor bigint NOT NULL
);
CREATE TABLE billers (
    id character varying NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    currency text NOT NULL COLLATE pg_catalog."C",
    timezone text NOT NULL COLLATE pg_catalog."C",
    locale text NOT NULL COLLATE pg_catalog."C",
    policy text NOT NULL COLLATE pg_catalog."C",
    payments boolean NOT NULL,
    address text NOT NULL COLLATE pg_catalog."C",
    email text COLLATE pg_catalog."C",
    version integer NOT NULL
);
CREATE TABLE booking_groups (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    organiser character varying NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL
);
CREATE TABLE bookings (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    customer character varying NOT NULL COLLATE pg_catalog."C",
    unit character varying COLLATE pg_catalog."C",
    booking_group character varying COLLATE pg_catalog."C",
    arrives date NOT NULL,
    departs date NOT NULL,
    items text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL
);
CREATE TABLE charges (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    customer character varying NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    currency text NOT NULL COLLATE pg_catalog."C",
    unit_price_minor bigint NOT NULL,
    quantity text NOT NULL COLLATE pg_catalog."C",
    charged_on date NOT NULL,
    taxes text COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    invoice character varying COLLATE pg_catalog."C",
    version integer NOT NULL
);
CREATE TABLE collections (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    invoice character varying NOT NULL COLLATE pg_catalog."C",
    customer character varying COLLATE pg_catalog."C",
    method character varying COLLATE pg_catalog."C",
    gateway text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    currency text NOT NULL COLLATE pg_catalog."C",
    amount_minor bigint NOT NULL,
    collected_minor bigint NOT NULL,
    made_at timestamp with time zone NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    attempt integer NOT NULL,
    charge_on date,
    expected_on date,
    reversible_until date,
    reference text COLLATE pg_catalog."C",
    submitted_at timestamp with time zone,
    expires_at timestamp with time zone,
    next_try_at timestamp with time zone,
    tries integer NOT NULL,
    decline_code text COLLATE pg_catalog."C",
    decline_advice text COLLATE pg_catalog."C",
    decline_raw_code text COLLATE pg_catalog."C",
    decline_provider_will_retry boolean,
    error text NOT NULL COLLATE pg_catalog."C",
    actor text COLLATE pg_catalog."C",
    version integer NOT NULL
);
CREATE TABLE counters (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    series text NOT NULL COLLATE pg_catalog."C",
    next_number bigint NOT NULL,
    last_on date,
    CONSTRAINT numbers_from_one CHECK ((next_number >= 1))
);
CREATE TABLE credit_entries (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    customer character varying NOT NULL COLLATE pg_catalog."C",
    currency text NOT NULL COLLATE pg_catalog."C",
    seq integer NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    amount_minor bigint NOT NULL,
    balance_minor bigint NOT NULL,
    entered_on date NOT NULL,
    invoice character varying COLLATE pg_catalog."C",
    payment character varying COLLATE pg_catalog."C",
    note text NOT NULL COLLATE pg_catalog."C",
    actor text COLLATE pg_catalog."C",
    CONSTRAINT credit_never_negative CHECK ((balance_minor >= 0))
);
CREATE TABLE credit_note_lines (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    credit_note character varying NOT NULL COLLATE pg_catalog."C",
    "position" integer NOT NULL,
    line integer NOT NULL,
    description text NOT NULL COLLATE pg_catalog."C",
    amount_minor bigint NOT NULL,
    taxes text COLLATE pg_catalog."C"
);
CREATE TABLE credit_note_taxes (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    credit_note character varying NOT NULL COLLATE pg_catalog."C",
    "position" integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    percent text NOT NULL COLLATE pg_catalog."C",
    category text COLLATE pg_catalog."C",
    base_minor bigint NOT NULL,
    tax_minor bigint NOT NULL
);
CREATE TABLE credit_notes (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    invoice character varying NOT NULL COLLATE pg_catalog."C",
    number text NOT NULL COLLATE pg_catalog."C",
    customer character varying COLLATE pg_catalog."C",
    currency text NOT NULL COLLATE pg_catalog."C",
    total_minor bigint NOT NULL,
    settled_minor bigint NOT NULL,
    issued_on date NOT NULL,
    prices_include_tax boolean NOT NULL,
    bill_to_name text COLLATE pg_catalog."C",
    bill_to_email text COLLATE pg_catalog."C",
    bill_to_address text COLLATE pg_catalog."C",
    bill_to_locale text COLLATE pg_catalog."C",
    reason text NOT NULL COLLATE pg_catalog."C",
    refund character varying COLLATE pg_catalog."C",
    actor text COLLATE pg_catalog."C",
    lease_ends date
);
CREATE TABLE customers (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    email text COLLATE pg_catalog."C",
    address text NOT NULL COLLATE pg_catalog."C",
    locale text COLLATE pg_catalog."C",
    billing_cycle text NOT NULL COLLATE pg_catalog."C",
    billing_day integer NOT NULL,
    notify boolean,
    next_cycle_on date,
    version integer NOT NULL
);
CREATE TABLE events (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    subject character varying NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    step integer NOT NULL,
    action text NOT NULL COLLATE pg_catalog."C",
    happened_at timestamp with time zone NOT NULL,
    counts_on date NOT NULL,
    actor text COLLATE pg_catalog."C",
    detail text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE inbox_events (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    gateway text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    about text NOT NULL COLLATE pg_catalog."C",
    reference text NOT NULL COLLATE pg_catalog."C",
    received_at timestamp with time zone NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    tries integer NOT NULL,
    next_try_at timestamp with time zone,
    error text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL
);
CREATE TABLE invoice_taxes (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    invoice character varying NOT NULL COLLATE pg_catalog."C",
    "position" integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    percent text NOT NULL COLLATE pg_catalog."C",
    category text COLLATE pg_catalog."C",
    base_minor bigint NOT NULL,
    tax_minor bigint NOT NULL
);
CREATE TABLE invoices (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    lifecycle text NOT NULL COLLATE pg_catalog."C",
    phase text NOT NULL COLLATE pg_catalog."C",
    number text COLLATE pg_catalog."C",
    draft_reference text COLLATE pg_catalog."C",
    title text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    customer character varying COLLATE pg_catalog."C",
    unit character varying COLLATE pg_catalog."C",
    lease character varying COLLATE pg_catalog."C",
    booking character varying COLLATE pg_catalog."C",
    booking_group character varying COLLATE pg_catalog."C",
    currency text NOT NULL COLLATE pg_catalog."C",
    total_minor bigint NOT NULL,
    paid_minor bigint NOT NULL,
    credit_minor bigint NOT NULL,
    refunded_minor bigint NOT NULL,
    refunded_credit_minor bigint NOT NULL,
    in_flight_minor bigint NOT NULL,
    prices_include_tax boolean NOT NULL,
    notify boolean NOT NULL,
    bill_to_name text COLLATE pg_catalog."C",
    bill_to_email text COLLATE pg_catalog."C",
    bill_to_address text COLLATE pg_catalog."C",
    bill_to_locale text COLLATE pg_catalog."C",
    drafted_on date NOT NULL,
    due_on date NOT NULL,
    due_by_terms boolean NOT NULL,
    issued_on date,
    voided_on date,
    late boolean NOT NULL,
    period_start date,
    period_end date,
    period_index integer,
    revision integer NOT NULL,
    cycle date,
    version integer NOT NULL,
    noted_minor bigint NOT NULL
);
CREATE TABLE key_uses (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    action text NOT NULL COLLATE pg_catalog."C",
    digest text NOT NULL COLLATE pg_catalog."C",
    results text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE leases (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    customer character varying NOT NULL COLLATE pg_catalog."C",
    unit character varying COLLATE pg_catalog."C",
    currency text NOT NULL COLLATE pg_catalog."C",
    rent_minor bigint NOT NULL,
    frequency text NOT NULL COLLATE pg_catalog."C",
    starts date NOT NULL,
    ends date,
    anchor_day integer,
    method text NOT NULL COLLATE pg_catalog."C",
    advance_days integer,
    day_count text NOT NULL COLLATE pg_catalog."C",
    bill_from date,
    description text NOT NULL COLLATE pg_catalog."C",
    taxes text COLLATE pg_catalog."C",
    rent_changes text COLLATE pg_catalog."C",
    next_period integer NOT NULL,
    next_run_on date,
    finished boolean NOT NULL,
    invoiced boolean NOT NULL,
    version integer NOT NULL
);
CREATE TABLE lines (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    invoice character varying NOT NULL COLLATE pg_catalog."C",
    "position" integer NOT NULL,
    description text NOT NULL COLLATE pg_catalog."C",
    quantity text NOT NULL COLLATE pg_catalog."C",
    unit_price_minor bigint NOT NULL,
    amount_minor bigint NOT NULL,
    taxes text COLLATE pg_catalog."C",
    period_start date,
    period_end date,
    share_days integer,
    share_of_days integer,
    share_day_count text COLLATE pg_catalog."C",
    share_exact text COLLATE pg_catalog."C",
    charge character varying COLLATE pg_catalog."C",
    site text COLLATE pg_catalog."C"
);
CREATE TABLE messages (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    invoice character varying NOT NULL COLLATE pg_catalog."C",
    recipient text NOT NULL COLLATE pg_catalog."C",
    locale text NOT NULL COLLATE pg_catalog."C",
    queued_at timestamp with time zone NOT NULL,
    about text COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    tries integer NOT NULL,
    next_try_at timestamp with time zone,
    sent_at timestamp with time zone,
    error text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL
);
CREATE TABLE meta (
    application text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL
);
CREATE TABLE pay_links (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    invoice character varying NOT NULL COLLATE pg_catalog."C",
    made_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    version integer NOT NULL
);
CREATE TABLE payments (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    customer character varying COLLATE pg_catalog."C",
    currency text NOT NULL COLLATE pg_catalog."C",
    amount_minor bigint NOT NULL,
    credited_minor bigint NOT NULL,
    method text NOT NULL COLLATE pg_catalog."C",
    received_on date NOT NULL,
    reference text NOT NULL COLLATE pg_catalog."C",
    actor text COLLATE pg_catalog."C",
    collection character varying COLLATE pg_catalog."C",
    version integer NOT NULL
);
CREATE TABLE refunds (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    invoice character varying NOT NULL COLLATE pg_catalog."C",
    currency text NOT NULL COLLATE pg_catalog."C",
    amount_minor bigint NOT NULL,
    to_credit_minor bigint NOT NULL,
    from_credit_minor bigint NOT NULL,
    method text NOT NULL COLLATE pg_catalog."C",
    refunded_on date NOT NULL,
    reference text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL COLLATE pg_catalog."C",
    actor text COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    gateway text COLLATE pg_catalog."C",
    payment character varying COLLATE pg_catalog."C",
    refunded_before_minor bigint,
    submitted_at timestamp with time zone,
    next_try_at timestamp with time zone,
    tries integer NOT NULL,
    failed_on date,
    error text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    of_credit_minor bigint
);
CREATE TABLE reversals (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    payment character varying NOT NULL COLLATE pg_catalog."C",
    currency text NOT NULL COLLATE pg_catalog."C",
    amount_minor bigint NOT NULL,
    reversed_on date NOT NULL,
    reason text NOT NULL COLLATE pg_catalog."C",
    actor text COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    reference text NOT NULL COLLATE pg_catalog."C",
    cancelled_on date,
    version integer NOT NULL
);
CREATE TABLE saved_methods (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    customer character varying NOT NULL COLLATE pg_catalog."C",
    gateway text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    made_at timestamp with time zone NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    setup text COLLATE pg_catalog."C",
    reference text COLLATE pg_catalog."C",
    owner text COLLATE pg_catalog."C",
    scheme text NOT NULL COLLATE pg_catalog."C",
    label text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL COLLATE pg_catalog."C",
    tries integer NOT NULL,
    next_try_at timestamp with time zone,
    version integer NOT NULL
);
CREATE TABLE units (
    biller character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    number text NOT NULL COLLATE pg_catalog."C",
    resident character varying COLLATE pg_catalog."C",
    version integer NOT NULL
);
INSERT INTO allocations VALUES ('2kn29q78wy5k', '2kn29q78wy5k_pay_1kjq6psg0egmkb1sc00000', 0, '2kn29q78wy5k_inv_1kjq6psg0egmjdggh00000', 20000);
INSERT INTO billers VALUES ('ttdjj8yvq7mw', 'Les Pins', 'EUR', 'Europe/Paris', 'fr_FR', '{"preset":"stays","labels":"stays","own_labels":null,"run_issues":true,"notify_on_publish":null,"void_drafts":true,"delete_drafts":true,"advance_days_email_pdf":7,"advance_days_direct_debit":5,"due_offset_days":-1,"terms_days":30,"apply_credit":false,"number_prefix":"INV-","number_digits":6,"yearly_numbers":false,"chronological":false,"catch_up_warning":3,"notify_on_payment":false,"reminders":[],"late_fee":null,"collect_saved":false,"collect_late":false,"collection_retries":[],"link_on_failure":true,"notify_collections":true,"credit_note_prefix":"CN-"}', true, '', NULL, 1);
INSERT INTO billers VALUES ('2kn29q78wy5k', 'Maple Court', 'CAD', 'America/Toronto', 'en_CA', '{"preset":"residents","labels":"residents","own_labels":null,"run_issues":false,"notify_on_publish":null,"void_drafts":true,"delete_drafts":false,"advance_days_email_pdf":7,"advance_days_direct_debit":5,"due_offset_days":-1,"terms_days":30,"apply_credit":false,"number_prefix":"INV-","number_digits":6,"yearly_numbers":false,"chronological":false,"catch_up_warning":3,"notify_on_payment":false,"reminders":[],"late_fee":null,"collect_saved":false,"collect_late":false,"collection_retries":[],"link_on_failure":true,"notify_collections":true,"credit_note_prefix":"CN-"}', true, '', NULL, 1);
INSERT INTO counters VALUES ('ttdjj8yvq7mw', 'invoice/INV-', 3, '2026-03-02');
INSERT INTO counters VALUES ('2kn29q78wy5k', 'invoice/INV-', 2, '2026-03-02');
INSERT INTO counters VALUES ('2kn29q78wy5k', 'draft', 3, '2026-03-02');
INSERT INTO counters VALUES ('2kn29q78wy5k', 'credit_note/CN-', 2, '2026-03-02');
INSERT INTO credit_entries VALUES ('2kn29q78wy5k', '2kn29q78wy5k_crd_1kjq6psg0egmmtwz700000', '2kn29q78wy5k_cus_1kjq6psg0egmh6jqv00000', 'CAD', 1, 'deposit', 2500, 2500, '2026-03-02', NULL, NULL, '', NULL);
INSERT INTO credit_entries VALUES ('2kn29q78wy5k', '2kn29q78wy5k_crd_1kjq6psg0egmnjcp500000', '2kn29q78wy5k_cus_1kjq6psg0egmh6jqv00000', 'CAD', 2, 'applied', -2500, 0, '2026-03-02', '2kn29q78wy5k_inv_1kjq6psg0egmjdggh00000', NULL, '', NULL);
INSERT INTO credit_note_lines VALUES ('2kn29q78wy5k', '2kn29q78wy5k_crn_1kjq6psg0egmp5cew00000', 0, 0, 'Roof', 10000, NULL);
INSERT INTO credit_notes VALUES ('2kn29q78wy5k', '2kn29q78wy5k_crn_1kjq6psg0egmp5cew00000', '2kn29q78wy5k_inv_1kjq6psg0egmjdggh00000', 'CN-000001', '2kn29q78wy5k_cus_1kjq6psg0egmh6jqv00000', 'CAD', 10000, 10000, '2026-03-02', false, 'Noah Tremblay', 'noah@example.com', '', 'en_CA', 'too much', NULL, NULL, NULL);
INSERT INTO customers VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_cus_1kjq6psg0egme6qsr00000', 'Alice Martin', 'alice@example.com', '', NULL, 'none', 1, NULL, NULL, 1);
INSERT INTO customers VALUES ('2kn29q78wy5k', '2kn29q78wy5k_cus_1kjq6psg0egmh6jqv00000', 'Noah Tremblay', 'noah@example.com', '', NULL, 'none', 1, NULL, NULL, 1);
INSERT INTO events VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw', 1, 0, 'added', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '');
INSERT INTO events VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_cus_1kjq6psg0egme6qsr00000', 1, 0, 'added', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '');
INSERT INTO events VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_unt_1kjq6psg0egmeg9zs00000', 1, 0, 'added', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '');
INSERT INTO events VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_lea_1kjq6psg0egmeb3j100000', 1, 0, 'added', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '');
INSERT INTO events VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_inv_1kjq6psg0egmfh8bx00000', 1, 0, 'published', '2026-03-02 12:00:00+00', '2026-03-02', NULL, 'INV-000001');
INSERT INTO events VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_inv_1kjq6psg0egmfh8bx00001', 1, 0, 'published', '2026-03-02 12:00:00+00', '2026-03-02', NULL, 'INV-000002');
INSERT INTO events VALUES ('2kn29q78wy5k', '2kn29q78wy5k', 1, 0, 'added', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '');
INSERT INTO events VALUES ('2kn29q78wy5k', '2kn29q78wy5k_cus_1kjq6psg0egmh6jqv00000', 1, 0, 'added', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '');
INSERT INTO events VALUES ('2kn29q78wy5k', '2kn29q78wy5k_unt_1kjq6psg0egmhw9y300000', 1, 0, 'added', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '');
INSERT INTO events VALUES ('2kn29q78wy5k', '2kn29q78wy5k_inv_1kjq6psg0egmjdggh00000', 1, 0, 'drafted', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '');
INSERT INTO events VALUES ('2kn29q78wy5k', '2kn29q78wy5k_inv_1kjq6psg0egmjdggh00000', 2, 0, 'published', '2026-03-02 12:00:00+00', '2026-03-02', NULL, 'INV-000001');
INSERT INTO events VALUES ('2kn29q78wy5k', '2kn29q78wy5k_inv_1kjq6psg0egmjdggh00000', 3, 0, 'paid', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '200.00 transfer');
INSERT INTO events VALUES ('2kn29q78wy5k', '2kn29q78wy5k_inv_1kjq6psg0egmjdggh00000', 4, 0, 'payment reversed', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '200.00');
INSERT INTO events VALUES ('2kn29q78wy5k', '2kn29q78wy5k_crd_1kjq6psg0egmmtwz700000', 1, 0, 'deposited', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '25.00');
INSERT INTO events VALUES ('2kn29q78wy5k', '2kn29q78wy5k_inv_1kjq6psg0egmjdggh00000', 5, 0, 'credit applied', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '25.00');
INSERT INTO events VALUES ('2kn29q78wy5k', '2kn29q78wy5k_inv_1kjq6psg0egmp1sp800000', 1, 0, 'drafted', '2026-03-02 12:00:00+00', '2026-03-02', NULL, '');
INSERT INTO events VALUES ('2kn29q78wy5k', '2kn29q78wy5k_inv_1kjq6psg0egmjdggh00000', 6, 0, 'credited', '2026-03-02 12:00:00+00', '2026-03-02', NULL, 'CN-000001 100.00');
INSERT INTO invoices VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_inv_1kjq6psg0egmfh8bx00000', 'lease', 'open', 'due', 'INV-000001', NULL, 'Loyer - Mensuel (au prorata)', '', 'ttdjj8yvq7mw_cus_1kjq6psg0egme6qsr00000', 'ttdjj8yvq7mw_unt_1kjq6psg0egmeg9zs00000', 'ttdjj8yvq7mw_lea_1kjq6psg0egmeb3j100000', NULL, NULL, 'EUR', 42071, 0, 0, 0, 0, 0, false, true, 'Alice Martin', 'alice@example.com', '', 'fr_FR', '2026-03-02', '2026-02-09', false, '2026-03-02', NULL, true, '2026-02-10', '2026-03-01', 0, 1, NULL, 1, 0);
INSERT INTO invoices VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_inv_1kjq6psg0egmfh8bx00001', 'lease', 'open', 'due', 'INV-000002', NULL, 'Loyer - Mensuel', '', 'ttdjj8yvq7mw_cus_1kjq6psg0egme6qsr00000', 'ttdjj8yvq7mw_unt_1kjq6psg0egmeg9zs00000', 'ttdjj8yvq7mw_lea_1kjq6psg0egmeb3j100000', NULL, NULL, 'EUR', 62000, 0, 0, 0, 0, 0, false, true, 'Alice Martin', 'alice@example.com', '', 'fr_FR', '2026-03-02', '2026-02-28', false, '2026-03-02', NULL, true, '2026-03-01', '2026-04-01', 1, 1, NULL, 1, 0);
INSERT INTO invoices VALUES ('2kn29q78wy5k', '2kn29q78wy5k_inv_1kjq6psg0egmp1sp800000', 'standalone', 'draft', 'draft', NULL, 'D-000002', 'Snow', '', NULL, '2kn29q78wy5k_unt_1kjq6psg0egmhw9y300000', NULL, NULL, NULL, 'CAD', 8000, 0, 0, 0, 0, 0, false, false, NULL, NULL, NULL, NULL, '2026-03-02', '2026-04-01', false, NULL, NULL, false, NULL, NULL, NULL, 1, NULL, 1, 0);
INSERT INTO invoices VALUES ('2kn29q78wy5k', '2kn29q78wy5k_inv_1kjq6psg0egmjdggh00000', 'standalone', 'open', 'due', 'INV-000001', 'D-000001', 'Roof', '', '2kn29q78wy5k_cus_1kjq6psg0egmh6jqv00000', '2kn29q78wy5k_unt_1kjq6psg0egmhw9y300000', NULL, NULL, NULL, 'CAD', 50000, 0, 2500, 0, 0, 0, false, false, 'Noah Tremblay', 'noah@example.com', '', 'en_CA', '2026-03-02', '2026-04-01', false, '2026-03-02', NULL, false, NULL, NULL, NULL, 1, NULL, 6, 10000);
INSERT INTO key_uses VALUES ('2kn29q78wy5k', 'first', 'payments.record', '6a999403762274b670f8e75dc95a2a64ed55eb99d0b98963a8b28b1ef3cc8126', '["2kn29q78wy5k_pay_1kjq6psg0egmkb1sc00000"]');
INSERT INTO leases VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_lea_1kjq6psg0egmeb3j100000', 'ttdjj8yvq7mw_cus_1kjq6psg0egme6qsr00000', 'ttdjj8yvq7mw_unt_1kjq6psg0egmeg9zs00000', 'EUR', 62000, 'monthly', '2026-02-10', '2026-09-15', 1, 'email_pdf', NULL, 'actual', NULL, '', NULL, NULL, 2, '2026-03-25', false, true, 2);
INSERT INTO lines VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_inv_1kjq6psg0egmfh8bx00000', 0, 'Loyer - Mensuel (au prorata)
10/02/2026 - 28/02/2026', '1', 62000, 42071, NULL, '2026-02-10', '2026-03-01', 19, 28, 'actual', '294500/7', NULL, NULL);
INSERT INTO lines VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_inv_1kjq6psg0egmfh8bx00001', 0, 'Loyer - Mensuel
01/03/2026 - 31/03/2026', '1', 62000, 62000, NULL, '2026-03-01', '2026-04-01', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO lines VALUES ('2kn29q78wy5k', '2kn29q78wy5k_inv_1kjq6psg0egmjdggh00000', 0, 'Roof', '1', 50000, 50000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO lines VALUES ('2kn29q78wy5k', '2kn29q78wy5k_inv_1kjq6psg0egmp1sp800000', 0, 'Snow', '1', 8000, 8000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO messages VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_msg_1kjq6psg0egmgg75800000', 'invoice_issued', 'ttdjj8yvq7mw_inv_1kjq6psg0egmfh8bx00000', 'alice@example.com', 'fr_FR', '2026-03-02 12:00:00+00', NULL, 'sent', 1, NULL, '2026-03-02 12:00:00+00', '', 3);
INSERT INTO messages VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_msg_1kjq6psg0egmgg75800001', 'invoice_issued', 'ttdjj8yvq7mw_inv_1kjq6psg0egmfh8bx00001', 'alice@example.com', 'fr_FR', '2026-03-02 12:00:00+00', NULL, 'sent', 1, NULL, '2026-03-02 12:00:00+00', '', 3);
INSERT INTO meta VALUES ('invoicecore', 4);
INSERT INTO pay_links VALUES ('ttdjj8yvq7mw', 'i0x2iSdEMIFAIhZmDtl5idBinKu478kQ', 'ttdjj8yvq7mw_inv_1kjq6psg0egmfh8bx00000', '2026-03-02 12:00:00+00', NULL, 1);
INSERT INTO pay_links VALUES ('ttdjj8yvq7mw', '_ZO9uBPk7cVQFGgd9Y25A3HImaJwaedQ', 'ttdjj8yvq7mw_inv_1kjq6psg0egmfh8bx00001', '2026-03-02 12:00:00+00', NULL, 1);
INSERT INTO payments VALUES ('2kn29q78wy5k', '2kn29q78wy5k_pay_1kjq6psg0egmkb1sc00000', '2kn29q78wy5k_cus_1kjq6psg0egmh6jqv00000', 'CAD', 20000, 0, 'transfer', '2026-03-02', '', NULL, NULL, 1);
INSERT INTO reversals VALUES ('2kn29q78wy5k', '2kn29q78wy5k_rev_1kjq6psg0egmm9hej00000', '2kn29q78wy5k_pay_1kjq6psg0egmkb1sc00000', 'CAD', 20000, '2026-03-02', 'bounced', NULL, 'by_hand', '', NULL, 1);
INSERT INTO units VALUES ('ttdjj8yvq7mw', 'ttdjj8yvq7mw_unt_1kjq6psg0egmeg9zs00000', '12', NULL, 1);
INSERT INTO units VALUES ('2kn29q78wy5k', '2kn29q78wy5k_unt_1kjq6psg0egmhw9y300000', '1', '2kn29q78wy5k_cus_1kjq6psg0egmh6jqv00000', 1);
ALTER TABLE ONLY alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY allocations
    ADD CONSTRAINT allocations_pkey PRIMARY KEY (biller, payment, "position");
ALTER TABLE ONLY billers
    ADD CONSTRAINT billers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY booking_groups
    ADD CONSTRAINT booking_groups_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY bookings
    ADD CONSTRAINT bookings_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY charges
    ADD CONSTRAINT charges_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY collections
    ADD CONSTRAINT collections_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY counters
    ADD CONSTRAINT counters_pkey PRIMARY KEY (biller, series);
ALTER TABLE ONLY credit_entries
    ADD CONSTRAINT credit_entries_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY credit_note_lines
    ADD CONSTRAINT credit_note_lines_pkey PRIMARY KEY (biller, credit_note, "position");
ALTER TABLE ONLY credit_note_taxes
    ADD CONSTRAINT credit_note_taxes_pkey PRIMARY KEY (biller, credit_note, "position");
ALTER TABLE ONLY credit_notes
    ADD CONSTRAINT credit_notes_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY events
    ADD CONSTRAINT events_pkey PRIMARY KEY (biller, subject, version, step);
ALTER TABLE ONLY inbox_events
    ADD CONSTRAINT inbox_events_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY invoice_taxes
    ADD CONSTRAINT invoice_taxes_pkey PRIMARY KEY (biller, invoice, "position");
ALTER TABLE ONLY invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY key_uses
    ADD CONSTRAINT key_uses_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY lines
    ADD CONSTRAINT lines_pkey PRIMARY KEY (biller, invoice, "position");
ALTER TABLE ONLY messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (application);
ALTER TABLE ONLY pay_links
    ADD CONSTRAINT pay_links_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY payments
    ADD CONSTRAINT payments_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY refunds
    ADD CONSTRAINT refunds_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY reversals
    ADD CONSTRAINT reversals_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY saved_methods
    ADD CONSTRAINT saved_methods_pkey PRIMARY KEY (biller, id);
ALTER TABLE ONLY units
    ADD CONSTRAINT units_pkey PRIMARY KEY (biller, id);
CREATE INDEX alerts_by_about ON alerts USING btree (biller, about, id);
CREATE INDEX alerts_by_invoice ON alerts USING btree (biller, invoice, id) WHERE (invoice IS NOT NULL);
CREATE INDEX alerts_by_state ON alerts USING btree (biller, state, id);
CREATE UNIQUE INDEX alerts_unique_kind_about ON alerts USING btree (biller, kind, about);
CREATE INDEX allocations_by_invoice_payment ON allocations USING btree (biller, invoice, payment);
CREATE INDEX booking_groups_by_organiser ON booking_groups USING btree (biller, organiser, id);
CREATE INDEX bookings_by_booking_group ON bookings USING btree (biller, booking_group, id) WHERE (booking_group IS NOT NULL);
CREATE INDEX bookings_by_customer ON bookings USING btree (biller, customer, id);
CREATE INDEX bookings_by_unit ON bookings USING btree (biller, unit, id) WHERE (unit IS NOT NULL);
CREATE INDEX charges_by_customer_state ON charges USING btree (biller, customer, state, id);
CREATE INDEX charges_by_invoice ON charges USING btree (biller, invoice, id) WHERE (invoice IS NOT NULL);
CREATE INDEX charges_by_state ON charges USING btree (biller, state, id);
CREATE INDEX collections_by_customer ON collections USING btree (biller, customer, id) WHERE (customer IS NOT NULL);
CREATE INDEX collections_by_invoice ON collections USING btree (biller, invoice, id);
CREATE INDEX collections_by_next_try_at ON collections USING btree (biller, next_try_at, id) WHERE (next_try_at IS NOT NULL);
CREATE INDEX collections_by_state ON collections USING btree (biller, state, id);
CREATE UNIQUE INDEX collections_unique_invoice ON collections USING btree (biller, invoice) WHERE (state = ANY (ARRAY['closing'::text, 'open'::text, 'pending'::text, 'reserved'::text, 'submitting'::text, 'unknown'::text]));
CREATE INDEX credit_entries_by_invoice_customer_currency_seq ON credit_entries USING btree (biller, invoice, customer, currency, seq) WHERE (invoice IS NOT NULL);
CREATE UNIQUE INDEX credit_entries_unique_customer_currency_seq ON credit_entries USING btree (biller, customer, currency, seq);
CREATE INDEX credit_notes_by_customer ON credit_notes USING btree (biller, customer, id) WHERE (customer IS NOT NULL);
CREATE INDEX credit_notes_by_invoice ON credit_notes USING btree (biller, invoice, id);
CREATE UNIQUE INDEX credit_notes_unique_number ON credit_notes USING btree (biller, number);
CREATE INDEX customers_by_next_cycle_on ON customers USING btree (biller, next_cycle_on, id) WHERE (next_cycle_on IS NOT NULL);
CREATE INDEX inbox_events_by_next_try_at ON inbox_events USING btree (biller, next_try_at, id) WHERE (next_try_at IS NOT NULL);
CREATE INDEX inbox_events_by_state ON inbox_events USING btree (biller, state, id);
CREATE INDEX invoices_by_booking ON invoices USING btree (biller, booking, id) WHERE (booking IS NOT NULL);
CREATE INDEX invoices_by_booking_group ON invoices USING btree (biller, booking_group, id) WHERE (booking_group IS NOT NULL);
CREATE INDEX invoices_by_customer ON invoices USING btree (biller, customer, id) WHERE (customer IS NOT NULL);
CREATE INDEX invoices_by_drafted_on ON invoices USING btree (biller, drafted_on, id);
CREATE INDEX invoices_by_phase ON invoices USING btree (biller, phase, id);
CREATE INDEX invoices_by_phase_due_on ON invoices USING btree (biller, phase, due_on, id);
CREATE INDEX invoices_by_total_minor ON invoices USING btree (biller, total_minor, id);
CREATE INDEX invoices_by_unit ON invoices USING btree (biller, unit, id) WHERE (unit IS NOT NULL);
CREATE UNIQUE INDEX invoices_unique_customer_cycle ON invoices USING btree (biller, customer, cycle) WHERE (cycle IS NOT NULL);
CREATE UNIQUE INDEX invoices_unique_lease_period_index_revision ON invoices USING btree (biller, lease, period_index, revision) WHERE (lease IS NOT NULL);
CREATE UNIQUE INDEX invoices_unique_number ON invoices USING btree (biller, number) WHERE (number IS NOT NULL);
CREATE INDEX leases_by_customer ON leases USING btree (biller, customer, id);
CREATE INDEX leases_by_next_run_on ON leases USING btree (biller, next_run_on, id) WHERE (next_run_on IS NOT NULL);
CREATE INDEX leases_by_unit ON leases USING btree (biller, unit, id) WHERE (unit IS NOT NULL);
CREATE INDEX messages_by_invoice ON messages USING btree (biller, invoice, id);
CREATE INDEX messages_by_next_try_at ON messages USING btree (biller, next_try_at, id) WHERE (next_try_at IS NOT NULL);
CREATE INDEX messages_by_state ON messages USING btree (biller, state, id);
CREATE UNIQUE INDEX messages_unique_invoice_kind_about ON messages USING btree (biller, invoice, kind, about) WHERE (about IS NOT NULL);
CREATE INDEX pay_links_by_invoice ON pay_links USING btree (biller, invoice, id);
CREATE INDEX pay_links_by_token ON pay_links USING btree (id);
CREATE UNIQUE INDEX pay_links_unique_invoice ON pay_links USING btree (biller, invoice) WHERE (revoked_at IS NULL);
CREATE INDEX payments_by_collection ON payments USING btree (biller, collection, id) WHERE (collection IS NOT NULL);
CREATE INDEX payments_by_customer ON payments USING btree (biller, customer, id) WHERE (customer IS NOT NULL);
CREATE INDEX refunds_by_invoice ON refunds USING btree (biller, invoice, id);
CREATE INDEX refunds_by_next_try_at ON refunds USING btree (biller, next_try_at, id) WHERE (next_try_at IS NOT NULL);
CREATE INDEX refunds_by_payment ON refunds USING btree (biller, payment, id) WHERE (payment IS NOT NULL);
CREATE INDEX refunds_by_state ON refunds USING btree (biller, state, id);
CREATE INDEX reversals_by_payment ON reversals USING btree (biller, payment, id);
CREATE UNIQUE INDEX reversals_unique_payment_reference ON reversals USING btree (biller, payment, reference) WHERE (cancelled_on IS NULL);
CREATE INDEX saved_methods_by_customer ON saved_methods USING btree (biller, customer, id);
CREATE INDEX saved_methods_by_next_try_at ON saved_methods USING btree (biller, next_try_at, id) WHERE (next_try_at IS NOT NULL);
CREATE INDEX saved_methods_by_state ON saved_methods USING btree (biller, state, id);
CREATE INDEX units_by_resident ON units USING btree (biller, resident, id) WHERE (resident IS NOT NULL);
CREATE UNIQUE INDEX units_unique_number ON units USING btree (biller, number);
ALTER TABLE ONLY alerts
    ADD CONSTRAINT alerts_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY alerts
    ADD CONSTRAINT alerts_biller_invoice_fkey FOREIGN KEY (biller, invoice) REFERENCES invoices(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY allocations
    ADD CONSTRAINT allocations_biller_invoice_fkey FOREIGN KEY (biller, invoice) REFERENCES invoices(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY allocations
    ADD CONSTRAINT allocations_biller_payment_fkey FOREIGN KEY (biller, payment) REFERENCES payments(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY booking_groups
    ADD CONSTRAINT booking_groups_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY booking_groups
    ADD CONSTRAINT booking_groups_biller_organiser_fkey FOREIGN KEY (biller, organiser) REFERENCES customers(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY bookings
    ADD CONSTRAINT bookings_biller_booking_group_fkey FOREIGN KEY (biller, booking_group) REFERENCES booking_groups(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY bookings
    ADD CONSTRAINT bookings_biller_customer_fkey FOREIGN KEY (biller, customer) REFERENCES customers(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY bookings
    ADD CONSTRAINT bookings_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY bookings
    ADD CONSTRAINT bookings_biller_unit_fkey FOREIGN KEY (biller, unit) REFERENCES units(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY charges
    ADD CONSTRAINT charges_biller_customer_fkey FOREIGN KEY (biller, customer) REFERENCES customers(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY charges
    ADD CONSTRAINT charges_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY charges
    ADD CONSTRAINT charges_biller_invoice_fkey FOREIGN KEY (biller, invoice) REFERENCES invoices(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY collections
    ADD CONSTRAINT collections_biller_customer_fkey FOREIGN KEY (biller, customer) REFERENCES customers(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY collections
    ADD CONSTRAINT collections_biller_invoice_fkey FOREIGN KEY (biller, invoice) REFERENCES invoices(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY collections
    ADD CONSTRAINT collections_biller_method_fkey FOREIGN KEY (biller, method) REFERENCES saved_methods(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY counters
    ADD CONSTRAINT counters_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY credit_entries
    ADD CONSTRAINT credit_entries_biller_customer_fkey FOREIGN KEY (biller, customer) REFERENCES customers(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY credit_entries
    ADD CONSTRAINT credit_entries_biller_invoice_fkey FOREIGN KEY (biller, invoice) REFERENCES invoices(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY credit_entries
    ADD CONSTRAINT credit_entries_biller_payment_fkey FOREIGN KEY (biller, payment) REFERENCES payments(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY credit_note_lines
    ADD CONSTRAINT credit_note_lines_biller_credit_note_fkey FOREIGN KEY (biller, credit_note) REFERENCES credit_notes(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY credit_note_taxes
    ADD CONSTRAINT credit_note_taxes_biller_credit_note_fkey FOREIGN KEY (biller, credit_note) REFERENCES credit_notes(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY credit_notes
    ADD CONSTRAINT credit_notes_biller_customer_fkey FOREIGN KEY (biller, customer) REFERENCES customers(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY credit_notes
    ADD CONSTRAINT credit_notes_biller_invoice_fkey FOREIGN KEY (biller, invoice) REFERENCES invoices(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY credit_notes
    ADD CONSTRAINT credit_notes_biller_refund_fkey FOREIGN KEY (biller, refund) REFERENCES refunds(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY customers
    ADD CONSTRAINT customers_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY events
    ADD CONSTRAINT events_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY inbox_events
    ADD CONSTRAINT inbox_events_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY invoice_taxes
    ADD CONSTRAINT invoice_taxes_biller_invoice_fkey FOREIGN KEY (biller, invoice) REFERENCES invoices(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY invoices
    ADD CONSTRAINT invoices_biller_booking_fkey FOREIGN KEY (biller, booking) REFERENCES bookings(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY invoices
    ADD CONSTRAINT invoices_biller_booking_group_fkey FOREIGN KEY (biller, booking_group) REFERENCES booking_groups(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY invoices
    ADD CONSTRAINT invoices_biller_customer_fkey FOREIGN KEY (biller, customer) REFERENCES customers(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY invoices
    ADD CONSTRAINT invoices_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY invoices
    ADD CONSTRAINT invoices_biller_lease_fkey FOREIGN KEY (biller, lease) REFERENCES leases(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY invoices
    ADD CONSTRAINT invoices_biller_unit_fkey FOREIGN KEY (biller, unit) REFERENCES units(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY key_uses
    ADD CONSTRAINT key_uses_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY leases
    ADD CONSTRAINT leases_biller_customer_fkey FOREIGN KEY (biller, customer) REFERENCES customers(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY leases
    ADD CONSTRAINT leases_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY leases
    ADD CONSTRAINT leases_biller_unit_fkey FOREIGN KEY (biller, unit) REFERENCES units(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY lines
    ADD CONSTRAINT lines_biller_charge_fkey FOREIGN KEY (biller, charge) REFERENCES charges(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY lines
    ADD CONSTRAINT lines_biller_invoice_fkey FOREIGN KEY (biller, invoice) REFERENCES invoices(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY messages
    ADD CONSTRAINT messages_biller_invoice_fkey FOREIGN KEY (biller, invoice) REFERENCES invoices(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY pay_links
    ADD CONSTRAINT pay_links_biller_invoice_fkey FOREIGN KEY (biller, invoice) REFERENCES invoices(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY payments
    ADD CONSTRAINT payments_biller_customer_fkey FOREIGN KEY (biller, customer) REFERENCES customers(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY payments
    ADD CONSTRAINT payments_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY refunds
    ADD CONSTRAINT refunds_biller_invoice_fkey FOREIGN KEY (biller, invoice) REFERENCES invoices(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY reversals
    ADD CONSTRAINT reversals_biller_payment_fkey FOREIGN KEY (biller, payment) REFERENCES payments(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY saved_methods
    ADD CONSTRAINT saved_methods_biller_customer_fkey FOREIGN KEY (biller, customer) REFERENCES customers(biller, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY units
    ADD CONSTRAINT units_biller_fkey FOREIGN KEY (biller) REFERENCES billers(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY units
    ADD CONSTRAINT units_biller_resident_fkey FOREIGN KEY (biller, resident) REFERENCES customers(biller, id) DEFERRABLE INITIALLY DEFERRED;
