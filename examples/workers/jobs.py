"""The recurring work in an app of the host's own: `procrastinate --app=jobs.app worker`."""

import os

from procrastinate import App, PsycopgConnector

from invoicecore import Billing
from invoicecore_adapters.procrastinate import install


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


@app.task
def note_the_weather() -> None:
    """Whatever else this host does in the background."""
