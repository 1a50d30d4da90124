"""How long a reader waits: from the key that answers a case to the paint of the next picture, in a real browser.

Two readers read the same cases in the same minutes, case about: one on the reading page, one on the same page as a
plain form, its script withheld. The clock is the browser's: from a key's `timeStamp` to the picture's `renderTime`
(Element Timing); beside it the key's `duration` as the Event Timing API has it (W3C, to the next paint, in steps of
8 ms; a key below 16 ms is not reported and counts as 16).
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PROBE = Path(__file__).with_suffix(".js")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SHORTEST = 16.0  # milliseconds, of an event that is reported
PATIENCE = 20_000  # milliseconds for a case that can be answered
FIRST = f"window.moreThan(0, {PATIENCE})"
SINCE_KEY = f"async (count) => (await window.moreThan(count, {PATIENCE})) - Number(sessionStorage.getItem('key'))"


@dataclass(frozen=True, slots=True)
class Visit:
    """One reader's way in: the session's cookie (name, value), and the address of the reading."""

    cookie: tuple[str, str]
    address: str  # of the reading's page, with the host
    n_cases: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds."""

    p50: float
    p95: float
    largest: float

    @classmethod
    def of(cls, times: Sequence[float]) -> "Spread":
        return cls(statistics.median(times), float(np.percentile(times, 95)), max(times))


@dataclass(frozen=True, slots=True)
class Measured:
    browser: str
    n_keys: int
    painted: Spread  # key to the next picture painted
    event: Spread  # the same keys, by Event Timing
    plain: Spread  # the plain form
    layout_shift: float  # the sum of every shift's score
    n_bare: int  # frames of the screen without a picture


def measure(
    scripted: Visit, plain: Visit, *, executable: str | None, pause: float, progress: Callable[[int, int], None]
) -> Measured:
    """Read both to the last case, one key each `pause` seconds after a case can be answered.

    Raises ImportError without playwright, playwright.sync_api.Error where the browser or a page fails.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(QUIET))
        try:
            with_script = _open(browser, scripted)
            without = _open(browser, plain, withheld="**/js/reading*.js")
            fast: list[float] = []
            slow: list[float] = []
            for number in range(1, scripted.n_cases):
                with_script.wait_for_selector("[data-reading][data-ready]", timeout=PATIENCE)
                fast.append(_press(with_script, "1", pause))
                slow.append(_press_plainly(without, pause))
                progress(number, scripted.n_cases - 1)
            with_script.wait_for_timeout(300)  # the last entries are on their way
            seen: dict[str, Any] = with_script.evaluate("window.keyToPaint")
            return Measured(
                browser=f"Chromium {browser.version}",
                n_keys=len(fast),
                painted=Spread.of(fast),
                event=Spread.of(_events(seen["events"], len(fast))),
                plain=Spread.of(slow),
                layout_shift=float(seen["shift"]),
                n_bare=int(seen["bare"]),
            )
        finally:
            browser.close()


def _events(told: dict[str, float], n_keys: int) -> list[float]:
    """The durations of the keys; those that were too quick to be reported filled in."""
    reported = list(told.values())
    return reported + [SHORTEST] * max(0, n_keys - len(reported))


def _open(browser: Any, visit: Visit, *, withheld: str | None = None) -> Any:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    name, value = visit.cookie
    host = visit.address.split("/read/")[0]
    context.add_cookies([{"name": name, "value": value, "url": host}])
    context.add_init_script(path=str(PROBE))
    if withheld:
        context.route(withheld, lambda route: route.abort())
    page = context.new_page()
    page.goto(visit.address)
    page.evaluate(FIRST)
    return page


def _press(page: Any, key: str, pause: float) -> float:
    """Milliseconds from this key to the next picture painted; the page stays."""
    page.wait_for_timeout(1000 * pause)
    before = page.evaluate("window.keyToPaint.painted.length")
    page.keyboard.press(key)
    return float(page.evaluate(SINCE_KEY, before))


def _press_plainly(page: Any, pause: float) -> float:
    """The same where each answer is a page of its own: Enter on the first answer."""
    page.locator("button.choice").first.focus()
    page.wait_for_timeout(1000 * pause)
    with page.expect_navigation(timeout=PATIENCE):
        page.keyboard.press("Enter")
    return float(page.evaluate(SINCE_KEY, 0))
