-- What schema version 2 left behind: three billers, what they were paid, what bounced and was given back, and links.
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
INSERT INTO "allocations" VALUES('hapd13tt0x5y','hapd13tt0x5y_pay_1kpznrwg0ey9rbtd500000',0,'hapd13tt0x5y_inv_1kn7112g0bsy22tp300000',234);
INSERT INTO "allocations" VALUES('hapd13tt0x5y','hapd13tt0x5y_pay_1kpznrwg0ey9rdvn200000',0,'hapd13tt0x5y_inv_1kn7112g0bsy10q0b00000',10000);
INSERT INTO "allocations" VALUES('hapd13tt0x5y','hapd13tt0x5y_pay_1kpznrwg0ey9rdvn200000',1,'hapd13tt0x5y_inv_1kn7112g0bsy347ak00000',30000);
INSERT INTO "allocations" VALUES('hapd13tt0x5y','hapd13tt0x5y_pay_1kpznrwg0ey9serw200000',0,'hapd13tt0x5y_inv_1kn7112g0bsy423n500000',5000);
INSERT INTO "allocations" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_pay_1kpznrwg0ey9z4gk200000',0,'nc0xgpbfa1g9_inv_1kpznrwg0ey9xz30k00000',8000);
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
INSERT INTO "billers" VALUES('x6zzsaha5mtj','Les Pins','EUR','Europe/Paris','fr_FR','{"preset":"stays","labels":"stays","own_labels":null,"run_issues":true,"notify_on_publish":null,"void_drafts":true,"delete_drafts":true,"advance_days_email_pdf":7,"advance_days_direct_debit":5,"due_offset_days":-1,"terms_days":30,"apply_credit":false,"number_prefix":"INV-","number_digits":6,"yearly_numbers":false,"chronological":false,"catch_up_warning":3,"notify_on_payment":true,"reminders":[0,7],"late_fee":null}',1,'',NULL,1);
INSERT INTO "billers" VALUES('hapd13tt0x5y','Maple Court','CAD','America/Toronto','en_CA','{"preset":"residents","labels":"residents","own_labels":null,"run_issues":false,"notify_on_publish":null,"void_drafts":true,"delete_drafts":false,"advance_days_email_pdf":7,"advance_days_direct_debit":5,"due_offset_days":-1,"terms_days":30,"apply_credit":false,"number_prefix":"CN-","number_digits":6,"yearly_numbers":false,"chronological":false,"catch_up_warning":3,"notify_on_payment":false,"reminders":[],"late_fee":null}',1,'',NULL,1);
INSERT INTO "billers" VALUES('nc0xgpbfa1g9','Harley & Co','GBP','Europe/London','en_GB','{"preset":"clients","labels":"clients","own_labels":null,"run_issues":false,"notify_on_publish":null,"void_drafts":false,"delete_drafts":true,"advance_days_email_pdf":7,"advance_days_direct_debit":5,"due_offset_days":-1,"terms_days":30,"apply_credit":false,"number_prefix":"INV-","number_digits":6,"yearly_numbers":false,"chronological":false,"catch_up_warning":3,"notify_on_payment":false,"reminders":[],"late_fee":null}',1,'',NULL,1);
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
INSERT INTO "charges" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_chg_1kpznrwg0ey9xx0r800000','nc0xgpbfa1g9_cus_1kpznrwg0ey9xed6w00000','Hour','GBP',8000,'1','2026-04-24',NULL,'invoiced','nc0xgpbfa1g9_inv_1kpznrwg0ey9xz30k00000',3);
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
INSERT INTO "counters" VALUES('hapd13tt0x5y','draft',6,'2026-04-02');
INSERT INTO "counters" VALUES('hapd13tt0x5y','invoice/CN-',5,'2026-04-02');
INSERT INTO "counters" VALUES('nc0xgpbfa1g9','draft',2,'2026-04-24');
INSERT INTO "counters" VALUES('nc0xgpbfa1g9','invoice/INV-',2,'2026-04-24');
INSERT INTO "counters" VALUES('x6zzsaha5mtj','invoice/INV-',2,'2026-04-01');
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
INSERT INTO "credit_entries" VALUES('hapd13tt0x5y','hapd13tt0x5y_crd_1kpznrwg0ey9tect800000','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000','CAD',1,'deposit',1500,1500,'2026-04-24',NULL,NULL,'',NULL);
INSERT INTO "credit_entries" VALUES('hapd13tt0x5y','hapd13tt0x5y_crd_1kpznrwg0ey9ty9pd00000','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000','CAD',2,'applied',-1000,500,'2026-04-24','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000',NULL,'',NULL);
INSERT INTO "credit_entries" VALUES('hapd13tt0x5y','hapd13tt0x5y_crd_1kpznrwg0ey9wte7200000','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000','CAD',3,'returned',10000,10500,'2026-04-24','hapd13tt0x5y_inv_1kn7112g0bsy10q0b00000',NULL,'',NULL);
INSERT INTO "credit_entries" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_crd_1kpznrwg0ey9zhfst00000','nc0xgpbfa1g9_cus_1kpznrwg0ey9xed6w00000','GBP',1,'overpayment',2000,2000,'2026-04-24',NULL,'nc0xgpbfa1g9_pay_1kpznrwg0ey9z4gk200000','',NULL);
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
INSERT INTO "customers" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_cus_1kn7112g0bsxyh49t00000','Alice Martin','alice@example.com','',NULL,'none',1,NULL,NULL,1);
INSERT INTO "customers" VALUES('hapd13tt0x5y','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000','Noah Tremblay','noah@example.com','',NULL,'none',1,NULL,NULL,1);
INSERT INTO "customers" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_cus_1kpznrwg0ey9xed6w00000','Oliver Jones','oliver@example.com','',NULL,'none',1,NULL,NULL,1);
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
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y',1,0,'added','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_crd_1kpznrwg0ey9tect800000',1,0,'deposited','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'15.00');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000',1,0,'added','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy10q0b00000',1,0,'drafted','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy10q0b00000',2,0,'published','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'CN-000001');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy10q0b00000',3,0,'paid','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'100.00 transfer');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy10q0b00000',4,0,'refunded','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'100.00 to credit');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy22tp300000',1,0,'drafted','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy22tp300000',2,0,'published','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'CN-000002');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy22tp300000',3,0,'paid','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'2.34 cheque');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy22tp300000',4,0,'payment reversed','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'2.34');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000',1,0,'drafted','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000',2,0,'published','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'CN-000003');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000',3,0,'paid','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'300.00 transfer');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000',4,0,'credit applied','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'10.00');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000',4,100001,'link made','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000',4,200001,'link revoked','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy423n500000',1,0,'drafted','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy423n500000',2,0,'published','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'CN-000004');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy423n500000',3,0,'paid','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'50.00 card');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy423n500000',4,0,'refunded','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'20.00 to source');
INSERT INTO "events" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy5njzx00000',1,0,'drafted','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'');
INSERT INTO "events" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9',1,0,'added','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_chg_1kpznrwg0ey9xx0r800000',1,0,'added','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_cus_1kpznrwg0ey9xed6w00000',1,0,'added','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_inv_1kpznrwg0ey9xz30k00000',1,0,'drafted','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'');
INSERT INTO "events" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_inv_1kpznrwg0ey9xz30k00000',2,0,'published','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'INV-000001');
INSERT INTO "events" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_inv_1kpznrwg0ey9xz30k00000',3,0,'paid','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'80.00 transfer');
INSERT INTO "events" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_inv_1kpznrwg0ey9xz30k00000',4,0,'refunded','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'80.00 to source');
INSERT INTO "events" VALUES('x6zzsaha5mtj','x6zzsaha5mtj',1,0,'added','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'');
INSERT INTO "events" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_cus_1kn7112g0bsxyh49t00000',1,0,'added','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'');
INSERT INTO "events" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_inv_1kn7112g0bsy0gbvj00000',1,0,'published','2026-04-02 12:00:00+00:00','2026-04-01',NULL,'INV-000001');
INSERT INTO "events" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_inv_1kn7112g0bsy0gbvj00000',1,1007,'reminded','2026-04-24 12:00:00+00:00','2026-04-24',NULL,'+7');
INSERT INTO "events" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_lea_1kn7112g0bsxz4yhq00000',1,0,'added','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'');
INSERT INTO "events" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_unt_1kn7112g0bsxz7ycw00000',1,0,'added','2026-04-02 12:00:00+00:00','2026-04-02',NULL,'');
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
INSERT INTO "invoices" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_inv_1kn7112g0bsy0gbvj00000','lease','open','due','INV-000001',NULL,'Loyer - Mensuel','','x6zzsaha5mtj_cus_1kn7112g0bsxyh49t00000','x6zzsaha5mtj_unt_1kn7112g0bsxz7ycw00000','x6zzsaha5mtj_lea_1kn7112g0bsxz4yhq00000',NULL,NULL,'EUR',62000,0,0,0,0,0,0,1,'Alice Martin','alice@example.com','','fr_FR','2026-04-01','2026-03-31',0,'2026-04-01',NULL,1,'2026-04-01','2026-05-01',0,1,NULL,1);
INSERT INTO "invoices" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy10q0b00000','standalone','open','refunded','CN-000001','D-000001','Dues','','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000',NULL,NULL,NULL,NULL,'CAD',10000,10000,0,10000,0,0,0,1,'Noah Tremblay','noah@example.com','','en_CA','2026-04-02','2026-04-10',0,'2026-04-02',NULL,0,NULL,NULL,NULL,1,NULL,4);
INSERT INTO "invoices" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy22tp300000','standalone','open','due','CN-000002','D-000002','Water','','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000',NULL,NULL,NULL,NULL,'CAD',1234,0,0,0,0,0,0,1,'Noah Tremblay','noah@example.com','','en_CA','2026-04-02','2026-04-10',0,'2026-04-02',NULL,0,NULL,NULL,NULL,1,NULL,4);
INSERT INTO "invoices" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000','standalone','open','due','CN-000003','D-000003','Roof','','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000',NULL,NULL,NULL,NULL,'CAD',90000,30000,1000,0,0,0,0,1,'Noah Tremblay','noah@example.com','','en_CA','2026-04-02','2026-04-10',0,'2026-04-02',NULL,0,NULL,NULL,NULL,1,NULL,4);
INSERT INTO "invoices" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy423n500000','standalone','open','paid','CN-000004','D-000004','Pool','','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000',NULL,NULL,NULL,NULL,'CAD',5000,5000,0,2000,0,0,0,1,'Noah Tremblay','noah@example.com','','en_CA','2026-04-02','2026-05-10',0,'2026-04-02',NULL,0,NULL,NULL,NULL,1,NULL,4);
INSERT INTO "invoices" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy5njzx00000','standalone','draft','draft',NULL,'D-000005','Snow','','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000',NULL,NULL,NULL,NULL,'CAD',3000,0,0,0,0,0,0,0,NULL,NULL,NULL,NULL,'2026-04-02','2026-05-02',1,NULL,NULL,0,NULL,NULL,NULL,1,NULL,1);
INSERT INTO "invoices" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_inv_1kpznrwg0ey9xz30k00000','charges','open','refunded','INV-000001','D-000001','Charges','','nc0xgpbfa1g9_cus_1kpznrwg0ey9xed6w00000',NULL,NULL,NULL,NULL,'GBP',8000,8000,0,8000,0,0,0,0,'Oliver Jones','oliver@example.com','','en_GB','2026-04-24','2026-05-24',0,'2026-04-24',NULL,0,NULL,NULL,NULL,1,NULL,4);
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
INSERT INTO "leases" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_lea_1kn7112g0bsxz4yhq00000','x6zzsaha5mtj_cus_1kn7112g0bsxyh49t00000','x6zzsaha5mtj_unt_1kn7112g0bsxz7ycw00000','EUR',62000,'monthly','2026-04-01',NULL,NULL,'email_pdf',NULL,'actual',NULL,'',NULL,NULL,1,'2026-04-24',0,1,2);
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
INSERT INTO "lines" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy10q0b00000',0,'Dues','1',10000,10000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy22tp300000',0,'Water','1',1234,1234,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000',0,'Roof','1',90000,90000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy423n500000',0,'Pool','1',5000,5000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('hapd13tt0x5y','hapd13tt0x5y_inv_1kn7112g0bsy5njzx00000',0,'Snow','1',3000,3000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "lines" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_inv_1kpznrwg0ey9xz30k00000',0,'Hour','1',8000,8000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'nc0xgpbfa1g9_chg_1kpznrwg0ey9xx0r800000',NULL);
INSERT INTO "lines" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_inv_1kn7112g0bsy0gbvj00000',0,'Loyer - Mensuel
01/04/2026 - 30/04/2026','1',62000,62000,NULL,'2026-04-01','2026-05-01',NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "messages" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_msg_1kn7112g0bsy0tcad00000','invoice_issued','x6zzsaha5mtj_inv_1kn7112g0bsy0gbvj00000','alice@example.com','fr_FR','2026-04-02 12:00:00+00:00',NULL,'sent',1,NULL,'2026-04-02 12:00:00+00:00','',3);
INSERT INTO "messages" VALUES('hapd13tt0x5y','hapd13tt0x5y_msg_1kn7112g0bsy16tzh00000','invoice_issued','hapd13tt0x5y_inv_1kn7112g0bsy10q0b00000','noah@example.com','en_CA','2026-04-02 12:00:00+00:00',NULL,'sent',1,NULL,'2026-04-02 12:00:00+00:00','',3);
INSERT INTO "messages" VALUES('hapd13tt0x5y','hapd13tt0x5y_msg_1kn7112g0bsy2m9y600000','invoice_issued','hapd13tt0x5y_inv_1kn7112g0bsy22tp300000','noah@example.com','en_CA','2026-04-02 12:00:00+00:00',NULL,'sent',1,NULL,'2026-04-02 12:00:00+00:00','',3);
INSERT INTO "messages" VALUES('hapd13tt0x5y','hapd13tt0x5y_msg_1kn7112g0bsy3bzn700000','invoice_issued','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000','noah@example.com','en_CA','2026-04-02 12:00:00+00:00',NULL,'sent',1,NULL,'2026-04-02 12:00:00+00:00','',3);
INSERT INTO "messages" VALUES('hapd13tt0x5y','hapd13tt0x5y_msg_1kn7112g0bsy50ha900000','invoice_issued','hapd13tt0x5y_inv_1kn7112g0bsy423n500000','noah@example.com','en_CA','2026-04-02 12:00:00+00:00',NULL,'sent',1,NULL,'2026-04-02 12:00:00+00:00','',3);
INSERT INTO "messages" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_msg_1kpznrwg0ey9x03ms00000','reminder','x6zzsaha5mtj_inv_1kn7112g0bsy0gbvj00000','alice@example.com','fr_FR','2026-04-24 12:00:00+00:00','+7','queued',0,'2026-04-24 12:00:00+00:00',NULL,'',1);
CREATE TABLE meta (
	application TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (application)
)
 WITHOUT ROWID

;
INSERT INTO "meta" VALUES('invoicecore',2);
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
INSERT INTO "pay_links" VALUES('hapd13tt0x5y','xjf9XTJl6p3DOYLxVmY0Yy-LnEXn-i6e','hapd13tt0x5y_inv_1kn7112g0bsy10q0b00000','2026-04-02 12:00:00+00:00',NULL,1);
INSERT INTO "pay_links" VALUES('hapd13tt0x5y','l_txA-LFkJyN2i4KJ256DJ-Gj5Kssn58','hapd13tt0x5y_inv_1kn7112g0bsy22tp300000','2026-04-02 12:00:00+00:00',NULL,1);
INSERT INTO "pay_links" VALUES('hapd13tt0x5y','NV-6_vyd5yKlhGCTNkNLpSz1LyAN1sFK','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000','2026-04-02 12:00:00+00:00','2026-04-24 12:00:00+00:00',2);
INSERT INTO "pay_links" VALUES('hapd13tt0x5y','gKv8zTJWy1BiCb6fVEHtPFIUwpwcrXOe','hapd13tt0x5y_inv_1kn7112g0bsy423n500000','2026-04-02 12:00:00+00:00',NULL,1);
INSERT INTO "pay_links" VALUES('x6zzsaha5mtj','l7uMC2nHdBg42GCKFr1nPjxtH6juVEkD','x6zzsaha5mtj_inv_1kn7112g0bsy0gbvj00000','2026-04-02 12:00:00+00:00',NULL,1);
INSERT INTO "pay_links" VALUES('hapd13tt0x5y','4e8u-WksKTH_IEEr03_QuCTkRxXGRsKh','hapd13tt0x5y_inv_1kn7112g0bsy347ak00000','2026-04-24 12:00:00+00:00',NULL,1);
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
INSERT INTO "payments" VALUES('hapd13tt0x5y','hapd13tt0x5y_pay_1kpznrwg0ey9rbtd500000','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000','CAD',234,0,'cheque','2026-04-24','',NULL);
INSERT INTO "payments" VALUES('hapd13tt0x5y','hapd13tt0x5y_pay_1kpznrwg0ey9rdvn200000','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000','CAD',40000,0,'transfer','2026-04-05','TR-1',NULL);
INSERT INTO "payments" VALUES('hapd13tt0x5y','hapd13tt0x5y_pay_1kpznrwg0ey9serw200000','hapd13tt0x5y_cus_1kn7112g0bsy0z00z00000','CAD',5000,0,'card','2026-04-24','',NULL);
INSERT INTO "payments" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_pay_1kpznrwg0ey9z4gk200000','nc0xgpbfa1g9_cus_1kpznrwg0ey9xed6w00000','GBP',10000,2000,'transfer','2026-04-24','',NULL);
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
INSERT INTO "refunds" VALUES('hapd13tt0x5y','hapd13tt0x5y_ref_1kpznrwg0ey9spta800000','hapd13tt0x5y_inv_1kn7112g0bsy423n500000','CAD',2000,0,0,'transfer','2026-04-24','','closed for two weeks',NULL);
INSERT INTO "refunds" VALUES('hapd13tt0x5y','hapd13tt0x5y_ref_1kpznrwg0ey9vwvqa00000','hapd13tt0x5y_inv_1kn7112g0bsy10q0b00000','CAD',10000,10000,0,'transfer','2026-04-24','','by agreement',NULL);
INSERT INTO "refunds" VALUES('nc0xgpbfa1g9','nc0xgpbfa1g9_ref_1kpznrwg0eya03n7b00000','nc0xgpbfa1g9_inv_1kpznrwg0ey9xz30k00000','GBP',8000,0,0,'transfer','2026-04-24','','',NULL);
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
INSERT INTO "reversals" VALUES('hapd13tt0x5y','hapd13tt0x5y_rev_1kpznrwg0ey9s09bw00000','hapd13tt0x5y_pay_1kpznrwg0ey9rbtd500000','CAD',234,'2026-04-24','the cheque bounced',NULL);
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
INSERT INTO "units" VALUES('x6zzsaha5mtj','x6zzsaha5mtj_unt_1kn7112g0bsxz7ycw00000','12',NULL,1);
CREATE INDEX customers_by_next_cycle_on ON customers (biller, next_cycle_on, id) WHERE next_cycle_on IS NOT NULL;
CREATE INDEX units_by_resident ON units (biller, resident, id) WHERE resident IS NOT NULL;
CREATE UNIQUE INDEX units_unique_number ON units (biller, number);
CREATE INDEX booking_groups_by_organiser ON booking_groups (biller, organiser, id);
CREATE INDEX payments_by_customer ON payments (biller, customer, id) WHERE customer IS NOT NULL;
CREATE INDEX bookings_by_customer ON bookings (biller, customer, id);
CREATE INDEX bookings_by_booking_group ON bookings (biller, booking_group, id) WHERE booking_group IS NOT NULL;
CREATE INDEX bookings_by_unit ON bookings (biller, unit, id) WHERE unit IS NOT NULL;
CREATE INDEX leases_by_unit ON leases (biller, unit, id) WHERE unit IS NOT NULL;
CREATE INDEX leases_by_next_run_on ON leases (biller, next_run_on, id) WHERE next_run_on IS NOT NULL;
CREATE INDEX leases_by_customer ON leases (biller, customer, id);
CREATE UNIQUE INDEX reversals_unique_payment ON reversals (biller, payment);
CREATE INDEX invoices_by_customer ON invoices (biller, customer, id) WHERE customer IS NOT NULL;
CREATE INDEX invoices_by_booking_group ON invoices (biller, booking_group, id) WHERE booking_group IS NOT NULL;
CREATE INDEX invoices_by_drafted_on ON invoices (biller, drafted_on, id);
CREATE UNIQUE INDEX invoices_unique_lease_period_index_revision ON invoices (biller, lease, period_index, revision) WHERE lease IS NOT NULL;
CREATE INDEX invoices_by_unit ON invoices (biller, unit, id) WHERE unit IS NOT NULL;
CREATE INDEX invoices_by_phase_due_on ON invoices (biller, phase, due_on, id);
CREATE INDEX invoices_by_phase ON invoices (biller, phase, id);
CREATE UNIQUE INDEX invoices_unique_number ON invoices (biller, number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX invoices_unique_customer_cycle ON invoices (biller, customer, cycle) WHERE cycle IS NOT NULL;
CREATE INDEX invoices_by_booking ON invoices (biller, booking, id) WHERE booking IS NOT NULL;
CREATE INDEX invoices_by_total_minor ON invoices (biller, total_minor, id);
CREATE INDEX charges_by_state ON charges (biller, state, id);
CREATE INDEX charges_by_customer_state ON charges (biller, customer, state, id);
CREATE INDEX charges_by_invoice ON charges (biller, invoice, id) WHERE invoice IS NOT NULL;
CREATE INDEX allocations_by_invoice_payment ON allocations (biller, invoice, payment);
CREATE INDEX refunds_by_invoice ON refunds (biller, invoice, id);
CREATE INDEX credit_entries_by_invoice_customer_currency_seq ON credit_entries (biller, invoice, customer, currency, seq) WHERE invoice IS NOT NULL;
CREATE UNIQUE INDEX credit_entries_unique_customer_currency_seq ON credit_entries (biller, customer, currency, seq);
CREATE UNIQUE INDEX messages_unique_invoice_kind_about ON messages (biller, invoice, kind, about) WHERE about IS NOT NULL;
CREATE INDEX messages_by_state ON messages (biller, state, id);
CREATE INDEX messages_by_invoice ON messages (biller, invoice, id);
CREATE INDEX messages_by_next_try_at ON messages (biller, next_try_at, id) WHERE next_try_at IS NOT NULL;
CREATE UNIQUE INDEX pay_links_unique_invoice ON pay_links (biller, invoice) WHERE revoked_at IS NULL;
CREATE INDEX pay_links_by_token ON pay_links (id);
CREATE INDEX pay_links_by_invoice ON pay_links (biller, invoice, id);
COMMIT;
