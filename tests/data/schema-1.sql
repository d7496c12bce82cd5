-- What schema version 1 left behind: three billers, their invoices, and e-mails nobody could send yet.
BEGIN TRANSACTION;
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
INSERT INTO "allocations" VALUES('w0784e70wywd','w0784e70wywd_pay_1kjq6psg05dx7hb8j00000',0,'w0784e70wywd_inv_1kjq6psg05dx6ghjt00000',234);
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
INSERT INTO "billers" VALUES('s6nffhccstwc','Les Pins','EUR','Europe/Paris','fr_FR','{"preset":"stays","labels":"stays","own_labels":null,"run_issues":true,"notify_on_publish":null,"void_drafts":true,"delete_drafts":true,"advance_days_email_pdf":7,"advance_days_direct_debit":5,"due_offset_days":-1,"terms_days":30,"apply_credit":false,"number_prefix":"INV-","number_digits":6,"yearly_numbers":false,"chronological":false,"catch_up_warning":3}',1,'',NULL,1);
INSERT INTO "billers" VALUES('w0784e70wywd','Maple Court','CAD','America/Toronto','en_CA','{"preset":"residents","labels":"residents","own_labels":null,"run_issues":false,"notify_on_publish":null,"void_drafts":true,"delete_drafts":false,"advance_days_email_pdf":7,"advance_days_direct_debit":5,"due_offset_days":-1,"terms_days":30,"apply_credit":false,"number_prefix":"INV-","number_digits":6,"yearly_numbers":false,"chronological":false,"catch_up_warning":3}',1,'',NULL,1);
INSERT INTO "billers" VALUES('xfgnf1f8mt71','Harley & Co','GBP','Europe/London','en_GB','{"preset":"clients","labels":"clients","own_labels":null,"run_issues":false,"notify_on_publish":null,"void_drafts":false,"delete_drafts":true,"advance_days_email_pdf":7,"advance_days_direct_debit":5,"due_offset_days":-1,"terms_days":30,"apply_credit":false,"number_prefix":"INV-","number_digits":6,"yearly_numbers":false,"chronological":false,"catch_up_warning":3}',1,'',NULL,1);
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
INSERT INTO "charges" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_chg_1kjq6psg05dx8p88700000','xfgnf1f8mt71_cus_1kjq6psg05dx8hzj000000','Hour','GBP',8000,'1','2026-03-01',NULL,'invoiced','xfgnf1f8mt71_inv_1kjq6psg05dx943nk00000',3);
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
INSERT INTO "counters" VALUES('s6nffhccstwc','invoice/INV-',2,'2026-03-02');
INSERT INTO "counters" VALUES('w0784e70wywd','draft',4,'2026-03-02');
INSERT INTO "counters" VALUES('w0784e70wywd','invoice/INV-',3,'2026-03-02');
INSERT INTO "counters" VALUES('xfgnf1f8mt71','draft',2,'2026-03-02');
INSERT INTO "counters" VALUES('xfgnf1f8mt71','invoice/INV-',2,'2026-03-02');
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
INSERT INTO "credit_entries" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_crd_1kjq6psg05dx9mdaw00000','xfgnf1f8mt71_cus_1kjq6psg05dx8hzj000000','GBP',1,'deposit',1500,1500,'2026-03-02',NULL,NULL,'',NULL);
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
INSERT INTO "customers" VALUES('s6nffhccstwc','s6nffhccstwc_cus_1kjq6psg05dwzrs2k00000','Alice Martin','alice@example.com','',NULL,'none',1,NULL,NULL,1);
INSERT INTO "customers" VALUES('w0784e70wywd','w0784e70wywd_cus_1kjq6psg05dx5sha600000','Noah Tremblay','noah@example.com','',NULL,'none',1,NULL,NULL,1);
INSERT INTO "customers" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_cus_1kjq6psg05dx8hzj000000','Oliver Jones','oliver@example.com','',NULL,'none',1,NULL,NULL,1);
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
INSERT INTO "events" VALUES('s6nffhccstwc','s6nffhccstwc',1,0,'added','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('s6nffhccstwc','s6nffhccstwc_cus_1kjq6psg05dwzrs2k00000',1,0,'added','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('s6nffhccstwc','s6nffhccstwc_inv_1kjq6psg05dx2sq8r00000',1,0,'published','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'INV-000001');
INSERT INTO "events" VALUES('s6nffhccstwc','s6nffhccstwc_lea_1kjq6psg05dx0fkp900000',1,0,'added','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('s6nffhccstwc','s6nffhccstwc_unt_1kjq6psg05dx0zq2q00000',1,0,'added','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('w0784e70wywd','w0784e70wywd',1,0,'added','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('w0784e70wywd','w0784e70wywd_cus_1kjq6psg05dx5sha600000',1,0,'added','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx6e8q600000',1,0,'drafted','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx6e8q600000',2,0,'published','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'INV-000001');
INSERT INTO "events" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx6ghjt00000',1,0,'drafted','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx6ghjt00000',2,0,'published','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'INV-000002');
INSERT INTO "events" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx6ghjt00000',3,0,'paid','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'2.34 cheque');
INSERT INTO "events" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx8f5f100000',1,0,'drafted','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('w0784e70wywd','w0784e70wywd_unt_1kjq6psg05dx5w48s00000',1,0,'added','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('xfgnf1f8mt71','xfgnf1f8mt71',1,0,'added','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_chg_1kjq6psg05dx8p88700000',1,0,'added','2026-03-02 12:00:00+00:00','2026-03-01',NULL,'');
INSERT INTO "events" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_crd_1kjq6psg05dx9mdaw00000',1,0,'deposited','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'15.00');
INSERT INTO "events" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_cus_1kjq6psg05dx8hzj000000',1,0,'added','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_inv_1kjq6psg05dx943nk00000',1,0,'drafted','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
INSERT INTO "events" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_inv_1kjq6psg05dx943nk00000',2,0,'published','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'INV-000001');
INSERT INTO "events" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_inv_1kjq6psg05dx943nk00000',3,0,'voided','2026-03-02 12:00:00+00:00','2026-03-02',NULL,'');
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
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, customer) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, unit) REFERENCES units (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, lease) REFERENCES leases (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, booking) REFERENCES bookings (biller, id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, booking_group) REFERENCES booking_groups (biller, id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "invoices" VALUES('s6nffhccstwc','s6nffhccstwc_inv_1kjq6psg05dx2sq8r00000','lease','open','due','INV-000001',NULL,'Loyer - Mensuel','','s6nffhccstwc_cus_1kjq6psg05dwzrs2k00000','s6nffhccstwc_unt_1kjq6psg05dx0zq2q00000','s6nffhccstwc_lea_1kjq6psg05dx0fkp900000',NULL,NULL,'EUR',62000,0,0,0,0,0,0,1,'Alice Martin','alice@example.com','','fr_FR','2026-03-02','2026-02-28',0,'2026-03-02',NULL,1,'2026-03-01','2026-04-01',0,1,NULL,1);
INSERT INTO "invoices" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx6e8q600000','standalone','open','due','INV-000001','D-000001','Dues','','w0784e70wywd_cus_1kjq6psg05dx5sha600000','w0784e70wywd_unt_1kjq6psg05dx5w48s00000',NULL,NULL,NULL,'CAD',10000,0,0,0,0,0,0,0,'Noah Tremblay','noah@example.com','','en_CA','2026-03-02','2026-03-20',0,'2026-03-02',NULL,0,NULL,NULL,NULL,1,NULL,2);
INSERT INTO "invoices" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx6ghjt00000','standalone','open','due','INV-000002','D-000002','Water','','w0784e70wywd_cus_1kjq6psg05dx5sha600000','w0784e70wywd_unt_1kjq6psg05dx5w48s00000',NULL,NULL,NULL,'CAD',1234,234,0,0,0,0,0,0,'Noah Tremblay','noah@example.com','','en_CA','2026-03-02','2026-03-20',0,'2026-03-02',NULL,0,NULL,NULL,NULL,1,NULL,3);
INSERT INTO "invoices" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx8f5f100000','standalone','draft','draft',NULL,'D-000003','Roof','',NULL,'w0784e70wywd_unt_1kjq6psg05dx5w48s00000',NULL,NULL,NULL,'CAD',90000,0,0,0,0,0,0,0,NULL,NULL,NULL,NULL,'2026-03-02','2026-03-20',0,NULL,NULL,0,NULL,NULL,NULL,1,NULL,1);
INSERT INTO "invoices" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_inv_1kjq6psg05dx943nk00000','charges','void','void','INV-000001','D-000001','Charges','','xfgnf1f8mt71_cus_1kjq6psg05dx8hzj000000',NULL,NULL,NULL,NULL,'GBP',8000,0,0,0,0,0,0,0,'Oliver Jones','oliver@example.com','','en_GB','2026-03-02','2026-04-01',0,'2026-03-02','2026-03-02',0,NULL,NULL,NULL,1,NULL,3);
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
INSERT INTO "leases" VALUES('s6nffhccstwc','s6nffhccstwc_lea_1kjq6psg05dx0fkp900000','s6nffhccstwc_cus_1kjq6psg05dwzrs2k00000','s6nffhccstwc_unt_1kjq6psg05dx0zq2q00000','EUR',62000,'monthly','2026-03-01',NULL,NULL,'email_pdf',NULL,'actual',NULL,'',NULL,NULL,1,'2026-03-25',0,1,2);
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
INSERT INTO "lines" VALUES('s6nffhccstwc','s6nffhccstwc_inv_1kjq6psg05dx2sq8r00000',0,'Loyer - Mensuel
01/03/2026 - 31/03/2026','1',62000,62000,NULL,'2026-03-01','2026-04-01',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx6e8q600000',0,'Dues','1',10000,10000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx6ghjt00000',0,'Water','1',1234,1234,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('w0784e70wywd','w0784e70wywd_inv_1kjq6psg05dx8f5f100000',0,'Roof','1',90000,90000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_inv_1kjq6psg05dx943nk00000',0,'Hour','1',8000,8000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'xfgnf1f8mt71_chg_1kjq6psg05dx8p88700000',NULL);
CREATE TABLE messages (
	biller VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	kind TEXT NOT NULL, 
	invoice VARCHAR NOT NULL, 
	recipient TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	queued_at TEXT NOT NULL, 
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller, invoice) REFERENCES invoices (biller, id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "messages" VALUES('s6nffhccstwc','s6nffhccstwc_msg_1kjq6psg05dx2xk1k00000','invoice_issued','s6nffhccstwc_inv_1kjq6psg05dx2sq8r00000','alice@example.com','fr_FR','2026-03-02 12:00:00+00:00');
INSERT INTO "messages" VALUES('w0784e70wywd','w0784e70wywd_msg_1kjq6psg05dx6f6qz00000','invoice_issued','w0784e70wywd_inv_1kjq6psg05dx6e8q600000','noah@example.com','en_CA','2026-03-02 12:00:00+00:00');
INSERT INTO "messages" VALUES('w0784e70wywd','w0784e70wywd_msg_1kjq6psg05dx6ska800000','invoice_issued','w0784e70wywd_inv_1kjq6psg05dx6ghjt00000','noah@example.com','en_CA','2026-03-02 12:00:00+00:00');
INSERT INTO "messages" VALUES('xfgnf1f8mt71','xfgnf1f8mt71_msg_1kjq6psg05dx96fth00000','invoice_issued','xfgnf1f8mt71_inv_1kjq6psg05dx943nk00000','oliver@example.com','en_GB','2026-03-02 12:00:00+00:00');
CREATE TABLE meta (
	application TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (application)
)
 WITHOUT ROWID

;
INSERT INTO "meta" VALUES('invoicecore',1);
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
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller) REFERENCES billers (id) DEFERRABLE INITIALLY DEFERRED, 
	FOREIGN KEY(biller, customer) REFERENCES customers (biller, id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "payments" VALUES('w0784e70wywd','w0784e70wywd_pay_1kjq6psg05dx7hb8j00000','w0784e70wywd_cus_1kjq6psg05dx5sha600000','CAD',234,0,'cheque','2026-03-02','',NULL);
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
	PRIMARY KEY (biller, id), 
	FOREIGN KEY(biller, payment) REFERENCES payments (biller, id) DEFERRABLE INITIALLY DEFERRED
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
INSERT INTO "units" VALUES('s6nffhccstwc','s6nffhccstwc_unt_1kjq6psg05dx0zq2q00000','12',NULL,1);
INSERT INTO "units" VALUES('w0784e70wywd','w0784e70wywd_unt_1kjq6psg05dx5w48s00000','1','w0784e70wywd_cus_1kjq6psg05dx5sha600000',1);
CREATE INDEX customers_by_next_cycle_on ON customers (biller, next_cycle_on, id) WHERE next_cycle_on IS NOT NULL;
CREATE UNIQUE INDEX units_unique_number ON units (biller, number);
CREATE INDEX units_by_resident ON units (biller, resident, id) WHERE resident IS NOT NULL;
CREATE INDEX booking_groups_by_organiser ON booking_groups (biller, organiser, id);
CREATE INDEX payments_by_customer ON payments (biller, customer, id) WHERE customer IS NOT NULL;
CREATE INDEX bookings_by_unit ON bookings (biller, unit, id) WHERE unit IS NOT NULL;
CREATE INDEX bookings_by_customer ON bookings (biller, customer, id);
CREATE INDEX bookings_by_booking_group ON bookings (biller, booking_group, id) WHERE booking_group IS NOT NULL;
CREATE INDEX leases_by_customer ON leases (biller, customer, id);
CREATE INDEX leases_by_next_run_on ON leases (biller, next_run_on, id) WHERE next_run_on IS NOT NULL;
CREATE INDEX leases_by_unit ON leases (biller, unit, id) WHERE unit IS NOT NULL;
CREATE UNIQUE INDEX reversals_unique_payment ON reversals (biller, payment);
CREATE INDEX invoices_by_total_minor ON invoices (biller, total_minor, id);
CREATE INDEX invoices_by_drafted_on ON invoices (biller, drafted_on, id);
CREATE INDEX invoices_by_customer ON invoices (biller, customer, id) WHERE customer IS NOT NULL;
CREATE INDEX invoices_by_booking_group ON invoices (biller, booking_group, id) WHERE booking_group IS NOT NULL;
CREATE UNIQUE INDEX invoices_unique_lease_period_index_revision ON invoices (biller, lease, period_index, revision) WHERE lease IS NOT NULL;
CREATE INDEX invoices_by_unit ON invoices (biller, unit, id) WHERE unit IS NOT NULL;
CREATE INDEX invoices_by_phase_due_on ON invoices (biller, phase, due_on, id);
CREATE UNIQUE INDEX invoices_unique_number ON invoices (biller, number) WHERE number IS NOT NULL;
CREATE INDEX invoices_by_phase ON invoices (biller, phase, id);
CREATE UNIQUE INDEX invoices_unique_customer_cycle ON invoices (biller, customer, cycle) WHERE cycle IS NOT NULL;
CREATE INDEX invoices_by_booking ON invoices (biller, booking, id) WHERE booking IS NOT NULL;
CREATE INDEX charges_by_state ON charges (biller, state, id);
CREATE INDEX charges_by_invoice ON charges (biller, invoice, id) WHERE invoice IS NOT NULL;
CREATE INDEX charges_by_customer_state ON charges (biller, customer, state, id);
CREATE INDEX allocations_by_invoice_payment ON allocations (biller, invoice, payment);
CREATE INDEX refunds_by_invoice ON refunds (biller, invoice, id);
CREATE UNIQUE INDEX credit_entries_unique_customer_currency_seq ON credit_entries (biller, customer, currency, seq);
CREATE INDEX credit_entries_by_invoice_customer_currency_seq ON credit_entries (biller, invoice, customer, currency, seq) WHERE invoice IS NOT NULL;
CREATE INDEX messages_by_invoice ON messages (biller, invoice, id);
COMMIT;
