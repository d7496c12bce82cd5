-- What schema version 3 left behind: two billers, leases of which one ended, credit notes of both, a cheque that bounced.
BEGIN TRANSACTION;
CREATE TABLE alerts (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	kind TEXT NOT NULL, 
	about VARCHAR NOT NULL, 
	invoice VARCHAR, 
	text TEXT NOT NULL, 
	raised_at TEXT NOT NULL, 
	state TEXT NOT NULL, 
	resolved_at TEXT, 
	resolved_by TEXT, 
	resolution TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE allocations (
	biller VARCHAR NOT NULL, 
	payment VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	invoice VARCHAR NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	PRIMARY KEY (biller, payment, position), 
	FOREIGN KEY(biller, payment) REFERENCES payments (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID

;
INSERT INTO "allocations" VALUES('a97g8hhayd2w','a97g8hhayd2w_pay_1kpzex5808fj4pa4w00000',0,'a97g8hhayd2w_inv_1kpzex5808fj337b100000',1500);
CREATE TABLE billers (
	id VARCHAR NOT NULL, 
	name TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	timezone TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	policy TEXT NOT NULL, 
	payments BOOLEAN NOT NULL, 
	address TEXT NOT NULL, 
	email TEXT, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "billers" VALUES('a97g8hhayd2w','Les Pins','EUR','Europe/Paris','fr_FR','{"preset":"stays","labels":"stays","own_labels":null,"run_issues":true,"notify_on_publish":null,"void_drafts":true,"delete_drafts":true,"advance_days_email_pdf":7,"advance_days_direct_debit":5,"due_offset_days":-1,"terms_days":30,"apply_credit":false,"number_prefix":"INV-","number_digits":6,"yearly_numbers":false,"chronological":false,"catch_up_warning":3,"notify_on_payment":false,"reminders":[],"late_fee":null,"collect_saved":false,"collect_late":false,"collection_retries":[],"link_on_failure":true,"notify_collections":true,"credit_note_prefix":"CN-"}',1,'',NULL,1);
INSERT INTO "billers" VALUES('pfmkk1e6p8v0','Maple Court','CAD','America/Toronto','en_CA','{"preset":"residents","labels":"residents","own_labels":null,"run_issues":false,"notify_on_publish":null,"void_drafts":true,"delete_drafts":false,"advance_days_email_pdf":7,"advance_days_direct_debit":5,"due_offset_days":-1,"terms_days":30,"apply_credit":false,"number_prefix":"INV-","number_digits":6,"yearly_numbers":false,"chronological":false,"catch_up_warning":3,"notify_on_payment":false,"reminders":[],"late_fee":null,"collect_saved":false,"collect_late":false,"collection_retries":[],"link_on_failure":true,"notify_collections":true,"credit_note_prefix":"CN-"}',1,'',NULL,1);
CREATE TABLE booking_groups (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	name TEXT NOT NULL, 
	organiser VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, organiser) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE bookings (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	customer VARCHAR NOT NULL, 
	unit VARCHAR, 
	booking_group VARCHAR, 
	arrives DATE NOT NULL, 
	departs DATE NOT NULL, 
	items TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, customer) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, unit) REFERENCES units (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, booking_group) REFERENCES booking_groups (biller, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE charges (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	customer VARCHAR NOT NULL, 
	description TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	unit_price_minor BIGINT NOT NULL, 
	quantity TEXT NOT NULL, 
	charged_on DATE NOT NULL, 
	taxes TEXT, 
	state TEXT NOT NULL, 
	invoice VARCHAR, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, customer) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE collections (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	invoice VARCHAR NOT NULL, 
	customer VARCHAR, 
	method VARCHAR, 
	gateway TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	collected_minor BIGINT NOT NULL, 
	made_at TEXT NOT NULL, 
	state TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	charge_on DATE, 
	expected_on DATE, 
	reversible_until DATE, 
	reference TEXT, 
	submitted_at TEXT, 
	expires_at TEXT, 
	next_try_at TEXT, 
	tries INTEGER NOT NULL, 
	decline_code TEXT, 
	decline_advice TEXT, 
	decline_raw_code TEXT, 
	decline_provider_will_retry BOOLEAN, 
	error TEXT NOT NULL, 
	actor TEXT, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, customer) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, method) REFERENCES saved_methods (biller, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE counters (
	biller VARCHAR NOT NULL, 
	series TEXT NOT NULL, 
	next_number BIGINT NOT NULL, 
	last_on DATE, 
	PRIMARY KEY (biller, series), 
	CONSTRAINT numbers_from_one CHECK (next_number >= 1), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID

;
INSERT INTO "counters" VALUES('a97g8hhayd2w','credit_note/CN-',4,'2026-04-24');
INSERT INTO "counters" VALUES('a97g8hhayd2w','draft',2,'2026-04-24');
INSERT INTO "counters" VALUES('a97g8hhayd2w','invoice/INV-',4,'2026-04-24');
INSERT INTO "counters" VALUES('pfmkk1e6p8v0','draft',2,'2026-04-24');
CREATE TABLE credit_entries (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	customer VARCHAR NOT NULL, 
	currency TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	balance_minor BIGINT NOT NULL, 
	entered_on DATE NOT NULL, 
	invoice VARCHAR, 
	payment VARCHAR, 
	note TEXT NOT NULL, 
	actor TEXT, 
	PRIMARY KEY (biller, id), 
	CONSTRAINT credit_never_negative CHECK (balance_minor >= 0), 
	FOREIGN KEY(biller, customer) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, payment) REFERENCES payments (biller, id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "credit_entries" VALUES('a97g8hhayd2w','a97g8hhayd2w_crd_1kpzex5808fj5fzdb00000','a97g8hhayd2w_cus_1kpzex5808fhz6gp900000','EUR',1,'overpayment',500,500,'2026-04-24',NULL,'a97g8hhayd2w_pay_1kpzex5808fj4pa4w00000','',NULL);
INSERT INTO "credit_entries" VALUES('a97g8hhayd2w','a97g8hhayd2w_crd_1kpzex5808fj5vs2500000','a97g8hhayd2w_cus_1kpzex5808fhz6gp900000','EUR',2,'withdrawn',-500,0,'2026-04-24',NULL,'a97g8hhayd2w_pay_1kpzex5808fj4pa4w00000','',NULL);
CREATE TABLE credit_note_lines (
	biller VARCHAR NOT NULL, 
	credit_note VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	line INTEGER NOT NULL, 
	description TEXT NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	taxes TEXT, 
	PRIMARY KEY (biller, credit_note, position), 
	FOREIGN KEY(biller, credit_note) REFERENCES credit_notes (biller, id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID

;
INSERT INTO "credit_note_lines" VALUES('a97g8hhayd2w','a97g8hhayd2w_crn_1kpzex5808fj2jwsn00000',0,0,'Loyer - Mensuel
01/05/2026 - 31/05/2026',3100,NULL);
INSERT INTO "credit_note_lines" VALUES('a97g8hhayd2w','a97g8hhayd2w_crn_1kpzex5808fj2kjxa00000',0,0,'Loyer - Mensuel
01/05/2026 - 31/05/2026',3100,NULL);
INSERT INTO "credit_note_lines" VALUES('a97g8hhayd2w','a97g8hhayd2w_crn_1kpzex5808fj2xsf700000',0,0,'Loyer - Mensuel
01/05/2026 - 31/05/2026',18900,NULL);
CREATE TABLE credit_note_taxes (
	biller VARCHAR NOT NULL, 
	credit_note VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	percent TEXT NOT NULL, 
	category TEXT, 
	base_minor BIGINT NOT NULL, 
	tax_minor BIGINT NOT NULL, 
	PRIMARY KEY (biller, credit_note, position), 
	FOREIGN KEY(biller, credit_note) REFERENCES credit_notes (biller, id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID

;
CREATE TABLE credit_notes (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	invoice VARCHAR NOT NULL, 
	number TEXT NOT NULL, 
	customer VARCHAR, 
	currency TEXT NOT NULL, 
	total_minor BIGINT NOT NULL, 
	settled_minor BIGINT NOT NULL, 
	issued_on DATE NOT NULL, 
	prices_include_tax BOOLEAN NOT NULL, 
	bill_to_name TEXT, 
	bill_to_email TEXT, 
	bill_to_address TEXT, 
	bill_to_locale TEXT, 
	reason TEXT NOT NULL, 
	refund VARCHAR, 
	actor TEXT, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, customer) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, refund) REFERENCES refunds (biller, id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "credit_notes" VALUES('a97g8hhayd2w','a97g8hhayd2w_crn_1kpzex5808fj2jwsn00000','a97g8hhayd2w_inv_1kpzex5808fj1w52k00000','CN-000001','a97g8hhayd2w_cus_1kpzex5808fhz389600000','EUR',3100,3100,'2026-04-24',0,'Alice Martin','alice@example.com','','fr_FR','Deux jours sans eau',NULL,NULL);
INSERT INTO "credit_notes" VALUES('a97g8hhayd2w','a97g8hhayd2w_crn_1kpzex5808fj2kjxa00000','a97g8hhayd2w_inv_1kpzex5808fj1w52k00001','CN-000002','a97g8hhayd2w_cus_1kpzex5808fhz6gp900000','EUR',3100,3100,'2026-04-24',0,'Paul Roux','paul@example.com','','fr_FR','Deux jours sans eau',NULL,NULL);
INSERT INTO "credit_notes" VALUES('a97g8hhayd2w','a97g8hhayd2w_crn_1kpzex5808fj2xsf700000','a97g8hhayd2w_inv_1kpzex5808fj1w52k00000','CN-000003','a97g8hhayd2w_cus_1kpzex5808fhz389600000','EUR',18900,18900,'2026-04-24',0,'Alice Martin','alice@example.com','','fr_FR','Le bail a pris fin le 20/05/2026',NULL,NULL);
CREATE TABLE customers (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	name TEXT NOT NULL, 
	email TEXT, 
	address TEXT NOT NULL, 
	locale TEXT, 
	billing_cycle TEXT NOT NULL, 
	billing_day INTEGER NOT NULL, 
	notify BOOLEAN, 
	next_cycle_on DATE, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "customers" VALUES('a97g8hhayd2w','a97g8hhayd2w_cus_1kpzex5808fhz389600000','Alice Martin','alice@example.com','',NULL,'none',1,NULL,NULL,1);
INSERT INTO "customers" VALUES('a97g8hhayd2w','a97g8hhayd2w_cus_1kpzex5808fhz6gp900000','Paul Roux','paul@example.com','',NULL,'none',1,NULL,NULL,1);
INSERT INTO "customers" VALUES('pfmkk1e6p8v0','pfmkk1e6p8v0_cus_1kpzex5808fj6we9e00000','Noah','noah@example.com','',NULL,'none',1,NULL,NULL,1);
CREATE TABLE events (
	biller VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	action TEXT NOT NULL, 
	happened_at TEXT NOT NULL, 
	counts_on DATE NOT NULL, 
	actor TEXT, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (biller, subject, version, step), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID

;
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w',1,0,'added','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_cus_1kpzex5808fhz389600000',1,0,'added','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_cus_1kpzex5808fhz6gp900000',1,0,'added','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj1w52k00000',1,0,'published','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'INV-000001');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj1w52k00000',2,0,'credited','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'CN-000001 31.00');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj1w52k00000',3,0,'credited','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'CN-000003 189.00');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj1w52k00001',1,0,'published','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'INV-000002');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj1w52k00001',2,0,'credited','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'CN-000002 31.00');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj337b100000',1,0,'drafted','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj337b100000',2,0,'published','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'INV-000003');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj337b100000',3,0,'paid','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'15.00 cheque');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj337b100000',4,0,'payment reversed','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'15.00');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_lea_1kpzex5808fhzt5q000000',1,0,'added','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_lea_1kpzex5808fhzt5q000000',3,0,'ended','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'2026-05-20');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_lea_1kpzex5808fj01js300000',1,0,'added','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_unt_1kpzex5808fj0191k00000',1,0,'added','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('a97g8hhayd2w','a97g8hhayd2w_unt_1kpzex5808fj0egnq00000',1,0,'added','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('pfmkk1e6p8v0','pfmkk1e6p8v0',1,0,'added','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('pfmkk1e6p8v0','pfmkk1e6p8v0_cus_1kpzex5808fj6we9e00000',1,0,'added','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('pfmkk1e6p8v0','pfmkk1e6p8v0_inv_1kpzex5808fj71jm300000',1,0,'drafted','2026-04-24 10:00:00+00:00','2026-04-24',NULL,'');
CREATE TABLE inbox_events (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	gateway TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	about TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	received_at TEXT NOT NULL, 
	state TEXT NOT NULL, 
	tries INTEGER NOT NULL, 
	next_try_at TEXT, 
	error TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE invoice_taxes (
	biller VARCHAR NOT NULL, 
	invoice VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	percent TEXT NOT NULL, 
	category TEXT, 
	base_minor BIGINT NOT NULL, 
	tax_minor BIGINT NOT NULL, 
	PRIMARY KEY (biller, invoice, position), 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID

;
CREATE TABLE invoices (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	kind TEXT NOT NULL, 
	lifecycle TEXT NOT NULL, 
	phase TEXT NOT NULL, 
	number TEXT, 
	draft_reference TEXT, 
	title TEXT NOT NULL, 
	description TEXT NOT NULL, 
	customer VARCHAR, 
	unit VARCHAR, 
	lease VARCHAR, 
	booking VARCHAR, 
	booking_group VARCHAR, 
	currency TEXT NOT NULL, 
	total_minor BIGINT NOT NULL, 
	paid_minor BIGINT NOT NULL, 
	credit_minor BIGINT NOT NULL, 
	refunded_minor BIGINT NOT NULL, 
	refunded_credit_minor BIGINT NOT NULL, 
	in_flight_minor BIGINT NOT NULL, 
	prices_include_tax BOOLEAN NOT NULL, 
	notify BOOLEAN NOT NULL, 
	bill_to_name TEXT, 
	bill_to_email TEXT, 
	bill_to_address TEXT, 
	bill_to_locale TEXT, 
	drafted_on DATE NOT NULL, 
	due_on DATE NOT NULL, 
	due_by_terms BOOLEAN NOT NULL, 
	issued_on DATE, 
	voided_on DATE, 
	late BOOLEAN NOT NULL, 
	period_start DATE, 
	period_end DATE, 
	period_index INTEGER, 
	revision INTEGER NOT NULL, 
	cycle DATE, 
	version INTEGER NOT NULL, 
	noted_minor BIGINT NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, customer) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, unit) REFERENCES units (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, lease) REFERENCES leases (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, booking) REFERENCES bookings (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, booking_group) REFERENCES booking_groups (biller, id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "invoices" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj1w52k00000','lease','open','due','INV-000001',NULL,'Loyer - Mensuel','','a97g8hhayd2w_cus_1kpzex5808fhz389600000','a97g8hhayd2w_unt_1kpzex5808fj0191k00000','a97g8hhayd2w_lea_1kpzex5808fhzt5q000000',NULL,NULL,'EUR',62000,0,0,0,0,0,0,1,'Alice Martin','alice@example.com','','fr_FR','2026-04-24','2026-04-30',0,'2026-04-24',NULL,0,'2026-05-01','2026-06-01',0,1,NULL,3,22000);
INSERT INTO "invoices" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj1w52k00001','lease','open','due','INV-000002',NULL,'Loyer - Mensuel','','a97g8hhayd2w_cus_1kpzex5808fhz6gp900000','a97g8hhayd2w_unt_1kpzex5808fj0egnq00000','a97g8hhayd2w_lea_1kpzex5808fj01js300000',NULL,NULL,'EUR',62000,0,0,0,0,0,0,1,'Paul Roux','paul@example.com','','fr_FR','2026-04-24','2026-04-30',0,'2026-04-24',NULL,0,'2026-05-01','2026-06-01',0,1,NULL,2,3100);
INSERT INTO "invoices" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj337b100000','standalone','open','due','INV-000003','D-000001','Badge','','a97g8hhayd2w_cus_1kpzex5808fhz6gp900000',NULL,NULL,NULL,NULL,'EUR',1500,0,0,0,0,0,0,0,'Paul Roux','paul@example.com','','fr_FR','2026-04-24','2026-05-24',0,'2026-04-24',NULL,0,NULL,NULL,NULL,1,NULL,4,0);
INSERT INTO "invoices" VALUES('pfmkk1e6p8v0','pfmkk1e6p8v0_inv_1kpzex5808fj71jm300000','standalone','draft','draft',NULL,'D-000001','Dues','','pfmkk1e6p8v0_cus_1kpzex5808fj6we9e00000',NULL,NULL,NULL,NULL,'CAD',30000,0,0,0,0,0,0,0,NULL,NULL,NULL,NULL,'2026-04-24','2026-05-24',1,NULL,NULL,0,NULL,NULL,NULL,1,NULL,1,0);
CREATE TABLE key_uses (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	action TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	results TEXT NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID

;
CREATE TABLE leases (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	customer VARCHAR NOT NULL, 
	unit VARCHAR, 
	currency TEXT NOT NULL, 
	rent_minor BIGINT NOT NULL, 
	frequency TEXT NOT NULL, 
	starts DATE NOT NULL, 
	ends DATE, 
	anchor_day INTEGER, 
	method TEXT NOT NULL, 
	advance_days INTEGER, 
	day_count TEXT NOT NULL, 
	bill_from DATE, 
	description TEXT NOT NULL, 
	taxes TEXT, 
	rent_changes TEXT, 
	next_period INTEGER NOT NULL, 
	next_run_on DATE, 
	finished BOOLEAN NOT NULL, 
	invoiced BOOLEAN NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, customer) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, unit) REFERENCES units (biller, id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "leases" VALUES('a97g8hhayd2w','a97g8hhayd2w_lea_1kpzex5808fhzt5q000000','a97g8hhayd2w_cus_1kpzex5808fhz389600000','a97g8hhayd2w_unt_1kpzex5808fj0191k00000','EUR',62000,'monthly','2026-05-01','2026-05-20',NULL,'email_pdf',NULL,'actual',NULL,'',NULL,NULL,1,NULL,1,1,3);
INSERT INTO "leases" VALUES('a97g8hhayd2w','a97g8hhayd2w_lea_1kpzex5808fj01js300000','a97g8hhayd2w_cus_1kpzex5808fhz6gp900000','a97g8hhayd2w_unt_1kpzex5808fj0egnq00000','EUR',62000,'monthly','2026-05-01',NULL,NULL,'email_pdf',NULL,'actual',NULL,'',NULL,NULL,1,'2026-05-25',0,1,2);
CREATE TABLE lines (
	biller VARCHAR NOT NULL, 
	invoice VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	description TEXT NOT NULL, 
	quantity TEXT NOT NULL, 
	unit_price_minor BIGINT NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	taxes TEXT, 
	period_start DATE, 
	period_end DATE, 
	share_days INTEGER, 
	share_of_days INTEGER, 
	share_day_count TEXT, 
	share_exact TEXT, 
	charge VARCHAR, 
	site TEXT, 
	PRIMARY KEY (biller, invoice, position), 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, charge) REFERENCES charges (biller, id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID

;
INSERT INTO "lines" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj1w52k00000',0,'Loyer - Mensuel
01/05/2026 - 31/05/2026','1',62000,62000,NULL,'2026-05-01','2026-06-01',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj1w52k00001',0,'Loyer - Mensuel
01/05/2026 - 31/05/2026','1',62000,62000,NULL,'2026-05-01','2026-06-01',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('a97g8hhayd2w','a97g8hhayd2w_inv_1kpzex5808fj337b100000',0,'Badge','1',1500,1500,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('pfmkk1e6p8v0','pfmkk1e6p8v0_inv_1kpzex5808fj71jm300000',0,'Dues','1',30000,30000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE messages (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	kind TEXT NOT NULL, 
	invoice VARCHAR NOT NULL, 
	recipient TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	queued_at TEXT NOT NULL, 
	about TEXT, 
	state TEXT NOT NULL, 
	tries INTEGER NOT NULL, 
	next_try_at TEXT, 
	sent_at TEXT, 
	error TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "messages" VALUES('a97g8hhayd2w','a97g8hhayd2w_msg_1kpzex5808fj1xa0m00000','invoice_issued','a97g8hhayd2w_inv_1kpzex5808fj1w52k00000','alice@example.com','fr_FR','2026-04-24 10:00:00+00:00',NULL,'queued',0,'2026-04-24 10:00:00+00:00',NULL,'',1);
INSERT INTO "messages" VALUES('a97g8hhayd2w','a97g8hhayd2w_msg_1kpzex5808fj1xa0m00001','invoice_issued','a97g8hhayd2w_inv_1kpzex5808fj1w52k00001','paul@example.com','fr_FR','2026-04-24 10:00:00+00:00',NULL,'queued',0,'2026-04-24 10:00:00+00:00',NULL,'',1);
CREATE TABLE meta (
	application TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (application)
)
 WITHOUT ROWID

;
INSERT INTO "meta" VALUES('invoicecore',3);
CREATE TABLE pay_links (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	invoice VARCHAR NOT NULL, 
	made_at TEXT NOT NULL, 
	revoked_at TEXT, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE payments (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	customer VARCHAR, 
	currency TEXT NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	credited_minor BIGINT NOT NULL, 
	method TEXT NOT NULL, 
	received_on DATE NOT NULL, 
	reference TEXT NOT NULL, 
	actor TEXT, 
	collection VARCHAR, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, customer) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "payments" VALUES('a97g8hhayd2w','a97g8hhayd2w_pay_1kpzex5808fj4pa4w00000','a97g8hhayd2w_cus_1kpzex5808fhz6gp900000','EUR',2000,500,'cheque','2026-04-24','',NULL,NULL,1);
CREATE TABLE refunds (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	invoice VARCHAR NOT NULL, 
	currency TEXT NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	to_credit_minor BIGINT NOT NULL, 
	from_credit_minor BIGINT NOT NULL, 
	method TEXT NOT NULL, 
	refunded_on DATE NOT NULL, 
	reference TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	actor TEXT, 
	state TEXT NOT NULL, 
	gateway TEXT, 
	payment VARCHAR, 
	refunded_before_minor BIGINT, 
	submitted_at TEXT, 
	next_try_at TEXT, 
	tries INTEGER NOT NULL, 
	failed_on DATE, 
	error TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	of_credit_minor BIGINT, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE reversals (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	payment VARCHAR NOT NULL, 
	currency TEXT NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	reversed_on DATE NOT NULL, 
	reason TEXT NOT NULL, 
	actor TEXT, 
	kind TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	cancelled_on DATE, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller, payment) REFERENCES payments (biller, id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "reversals" VALUES('a97g8hhayd2w','a97g8hhayd2w_rev_1kpzex5808fj6h79500000','a97g8hhayd2w_pay_1kpzex5808fj4pa4w00000','EUR',2000,'2026-04-24','sans provision',NULL,'by_hand','',NULL,1);
CREATE TABLE saved_methods (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	customer VARCHAR NOT NULL, 
	gateway TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	made_at TEXT NOT NULL, 
	state TEXT NOT NULL, 
	setup TEXT, 
	reference TEXT, 
	owner TEXT, 
	scheme TEXT NOT NULL, 
	label TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	tries INTEGER NOT NULL, 
	next_try_at TEXT, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller, customer) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE units (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	number TEXT NOT NULL, 
	resident VARCHAR, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, resident) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "units" VALUES('a97g8hhayd2w','a97g8hhayd2w_unt_1kpzex5808fj0191k00000','1',NULL,1);
INSERT INTO "units" VALUES('a97g8hhayd2w','a97g8hhayd2w_unt_1kpzex5808fj0egnq00000','2',NULL,1);
CREATE INDEX inbox_events_by_next_try_at ON inbox_events (biller, next_try_at, id) WHERE next_try_at IS NOT NULL;
CREATE INDEX inbox_events_by_state ON inbox_events (biller, state, id);
CREATE INDEX customers_by_next_cycle_on ON customers (biller, next_cycle_on, id) WHERE next_cycle_on IS NOT NULL;
CREATE INDEX saved_methods_by_state ON saved_methods (biller, state, id);
CREATE INDEX saved_methods_by_next_try_at ON saved_methods (biller, next_try_at, id) WHERE next_try_at IS NOT NULL;
CREATE INDEX saved_methods_by_customer ON saved_methods (biller, customer, id);
CREATE UNIQUE INDEX units_unique_number ON units (biller, number);
CREATE INDEX units_by_resident ON units (biller, resident, id) WHERE resident IS NOT NULL;
CREATE INDEX booking_groups_by_organiser ON booking_groups (biller, organiser, id);
CREATE INDEX payments_by_collection ON payments (biller, collection, id) WHERE collection IS NOT NULL;
CREATE INDEX payments_by_customer ON payments (biller, customer, id) WHERE customer IS NOT NULL;
CREATE INDEX bookings_by_unit ON bookings (biller, unit, id) WHERE unit IS NOT NULL;
CREATE INDEX bookings_by_customer ON bookings (biller, customer, id);
CREATE INDEX bookings_by_booking_group ON bookings (biller, booking_group, id) WHERE booking_group IS NOT NULL;
CREATE INDEX leases_by_customer ON leases (biller, customer, id);
CREATE INDEX leases_by_next_run_on ON leases (biller, next_run_on, id) WHERE next_run_on IS NOT NULL;
CREATE INDEX leases_by_unit ON leases (biller, unit, id) WHERE unit IS NOT NULL;
CREATE UNIQUE INDEX reversals_unique_payment_reference ON reversals (biller, payment, reference) WHERE cancelled_on IS NULL;
CREATE INDEX reversals_by_payment ON reversals (biller, payment, id);
CREATE UNIQUE INDEX invoices_unique_lease_period_index_revision ON invoices (biller, lease, period_index, revision) WHERE lease IS NOT NULL;
CREATE INDEX invoices_by_unit ON invoices (biller, unit, id) WHERE unit IS NOT NULL;
CREATE INDEX invoices_by_phase_due_on ON invoices (biller, phase, due_on, id);
CREATE UNIQUE INDEX invoices_unique_number ON invoices (biller, number) WHERE number IS NOT NULL;
CREATE INDEX invoices_by_drafted_on ON invoices (biller, drafted_on, id);
CREATE INDEX invoices_by_booking_group ON invoices (biller, booking_group, id) WHERE booking_group IS NOT NULL;
CREATE INDEX invoices_by_phase ON invoices (biller, phase, id);
CREATE UNIQUE INDEX invoices_unique_customer_cycle ON invoices (biller, customer, cycle) WHERE cycle IS NOT NULL;
CREATE INDEX invoices_by_booking ON invoices (biller, booking, id) WHERE booking IS NOT NULL;
CREATE INDEX invoices_by_total_minor ON invoices (biller, total_minor, id);
CREATE INDEX invoices_by_customer ON invoices (biller, customer, id) WHERE customer IS NOT NULL;
CREATE INDEX collections_by_invoice ON collections (biller, invoice, id);
CREATE INDEX collections_by_state ON collections (biller, state, id);
CREATE UNIQUE INDEX collections_unique_invoice ON collections (biller, invoice) WHERE state IN ('closing', 'open', 'pending', 'reserved', 'submitting', 'unknown');
CREATE INDEX collections_by_next_try_at ON collections (biller, next_try_at, id) WHERE next_try_at IS NOT NULL;
CREATE INDEX collections_by_customer ON collections (biller, customer, id) WHERE customer IS NOT NULL;
CREATE INDEX alerts_by_about ON alerts (biller, about, id);
CREATE INDEX alerts_by_state ON alerts (biller, state, id);
CREATE UNIQUE INDEX alerts_unique_kind_about ON alerts (biller, kind, about);
CREATE INDEX alerts_by_invoice ON alerts (biller, invoice, id) WHERE invoice IS NOT NULL;
CREATE INDEX charges_by_state ON charges (biller, state, id);
CREATE INDEX charges_by_invoice ON charges (biller, invoice, id) WHERE invoice IS NOT NULL;
CREATE INDEX charges_by_customer_state ON charges (biller, customer, state, id);
CREATE INDEX allocations_by_invoice_payment ON allocations (biller, invoice, payment);
CREATE INDEX refunds_by_payment ON refunds (biller, payment, id) WHERE payment IS NOT NULL;
CREATE INDEX refunds_by_state ON refunds (biller, state, id);
CREATE INDEX refunds_by_invoice ON refunds (biller, invoice, id);
CREATE INDEX refunds_by_next_try_at ON refunds (biller, next_try_at, id) WHERE next_try_at IS NOT NULL;
CREATE UNIQUE INDEX credit_entries_unique_customer_currency_seq ON credit_entries (biller, customer, currency, seq);
CREATE INDEX credit_entries_by_invoice_customer_currency_seq ON credit_entries (biller, invoice, customer, currency, seq) WHERE invoice IS NOT NULL;
CREATE UNIQUE INDEX messages_unique_invoice_kind_about ON messages (biller, invoice, kind, about) WHERE about IS NOT NULL;
CREATE INDEX messages_by_invoice ON messages (biller, invoice, id);
CREATE INDEX messages_by_state ON messages (biller, state, id);
CREATE INDEX messages_by_next_try_at ON messages (biller, next_try_at, id) WHERE next_try_at IS NOT NULL;
CREATE INDEX pay_links_by_invoice ON pay_links (biller, invoice, id);
CREATE INDEX pay_links_by_token ON pay_links (id);
CREATE UNIQUE INDEX pay_links_unique_invoice ON pay_links (biller, invoice) WHERE revoked_at IS NULL;
CREATE INDEX credit_notes_by_customer ON credit_notes (biller, customer, id) WHERE customer IS NOT NULL;
CREATE UNIQUE INDEX credit_notes_unique_number ON credit_notes (biller, number);
CREATE INDEX credit_notes_by_invoice ON credit_notes (biller, invoice, id);
COMMIT;
