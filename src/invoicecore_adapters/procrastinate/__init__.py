"""The recurring work as tasks of Procrastinate, whose broker is a PostgreSQL database (extra `procrastinate`).

`install` adds them to an app of yours; `invoicecore_adapters.procrastinate.app` is one made from the environment, for
`procrastinate --app=invoicecore_adapters.procrastinate.app worker`.
"""

from __future__ import annotations

from importlib.util import find_spec

from invoicecore.errors import MissingExtra

if not find_spec("procrastinate"):
    raise MissingExtra("Work by Procrastinate", "procrastinate")

from invoicecore_adapters.procrastinate.environment import app_from_environment
from invoicecore_adapters.procrastinate.progress import Progress
from invoicecore_adapters.procrastinate.tasks import Tasks, install

__all__ = ["Progress", "Tasks", "app_from_environment", "install"]


def __getattr__(name: str) -> object:
    # Made when it is asked for: whoever imports `install` has an app already, and perhaps no such environment.
    if name == "app":
        made = globals()["app"] = app_from_environment()
        return made
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
