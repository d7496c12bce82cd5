"""The browser that these tests drive, or a plain word on what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # what the other tests share

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP pages.test 127.0.0.1",
)
INSTALL = "install Debian's or your own (`apt-get install chromium`), or set INVOICECORE_CHROMIUM to its path"


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """A Chromium that runs without a window; without one the session ends and says what to install."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.exit("these tests need playwright: `pip install playwright`, or run `nox -s browser`", returncode=4)
    path = os.environ.get("INVOICECORE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.exit(f"these tests need chromium: {INSTALL}", returncode=4)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for screenshots: INVOICECORE_SCREENSHOTS, or a temporary one."""
    folder = Path(os.environ.get("INVOICECORE_SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
