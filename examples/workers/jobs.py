"""The recurring work in an app of the host's own: `procrastinate --app=jobs.app worker`."""

import logging
import os
from datetime import UTC, datetime, timedelta

from procrastinate import App, PsycopgConnector

from invoicecore import Billing
from invoicecore_adapters.procrastinate import install

log = logging.getLogger(__name__)


def open_billing() -> Billing:
    return Billing.open(
        os.environ["INVOICECORE_DB"],
        mailer=os.environ.get("INVOICECORE_MAILER"),
        gateway=os.environ.get("INVOICECORE_GATEWAY", "").split(),
        base_url=os.environ.get("INVOICECORE_BASE_URL"),
    )


app = App(
    connector=PsycopgConnector(conninfo=os.environ["INVOICECORE_BROKER"]),
    worker_defaults={"delete_jobs": "successful"},
)
billing_tasks = install(app, open_billing, run="7 * * * *", remind="0 6 * * *")


@app.periodic(cron="13 4 * * 1")
@app.task(queueing_lock="receive_missed")
def receive_missed(timestamp: int | None = None) -> None:
    """Weekly, 30 days back: what one call does not get, the next one does."""
    with open_billing() as billing:
        for gateway in billing.gateways:
            billing.receive_missed(gateway.name, since=datetime.now(UTC) - timedelta(days=30))


@app.periodic(cron="43 4 * * 1")
@app.task(queueing_lock="reconcile")
def reconcile(timestamp: int | None = None) -> None:
    """Weekly: each difference from a provider's books is an error in the log."""
    with open_billing() as billing:
        for gateway in billing.gateways:
            books = billing.reconcile(gateway.name, since=datetime.now(UTC) - timedelta(days=120))
            for difference in books.differences:
                log.error("%s: %s", gateway.name, difference)


@app.task
def note_the_weather() -> None:
    """Whatever else this host does in the background."""
