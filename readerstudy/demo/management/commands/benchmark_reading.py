"""`manage.py benchmark_reading`: from a key to the next picture painted, on this machine, in Chromium."""

import argparse
import importlib.util
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from tqdm import tqdm

from readerstudy.demo import benchmark_study
from readerstudy.demo.embedded import EmbeddedError, Services, stop_on_signals
from readerstudy.demo.key_to_paint import Measured, Spread, Visit, measure
from readerstudy.images.models import Image
from readerstudy.readings.models import Reading

AIM = 100  # milliseconds, of the 95th percentile
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
KEPT = ("PATH", "HOME", "LANG", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV")  # the rest could point at a deployment


class Command(BaseCommand):
    help = (
        "Measures how long a reader waits between two cases: a web server of its own (in a temporary folder; no study "
        "of yours is touched), drawn pictures, Chromium; one reader on the reading page and one, case about, on the "
        "same page as a plain form. Prints milliseconds from the key to the next picture painted, the layout shift, "
        "and the ratio. Ends with status 1 if the 95th percentile is 100 ms or more, or if anything moved. "
        "Needs the extra `test` (playwright) and Chromium."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--cases", type=int, default=60, help="default: 60")
        parser.add_argument("--width", type=int, default=2000, help="of the pictures in pixels, 4:3; default: 2000")
        parser.add_argument(
            "--pause", type=float, default=0.5, help="seconds a reader looks at a case before the key; default: 0.5"
        )
        parser.add_argument("--browser", help="the program; default: the first of " + ", ".join(BROWSERS))
        parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # READERSTUDY_VAR is temporary

    def handle(
        self, *, cases: int, width: int, pause: float, browser: str | None, inside: bool, **_options: Any
    ) -> None:
        if cases < 3 or not 100 <= width <= 10_000 or not 0 <= pause <= 60:
            raise CommandError("--cases from 3, --width from 100 to 10000, --pause from 0 to 60.")
        if importlib.util.find_spec("playwright") is None:
            raise CommandError("The benchmark needs playwright: pip install -e '.[test]'")
        program = browser or next(filter(None, map(shutil.which, BROWSERS)), None)
        if program is None or not Path(program).is_file():
            raise CommandError(
                f"There is no {browser or 'Chromium'} (Debian: apt-get install chromium). See --browser."
            )
        stop_on_signals()
        try:
            if not inside:
                self._elsewhere()
                return
            first, measured = self._measure(cases, width, pause, program)
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. Nothing is kept.") from None
        self._report(first, measured, pause)
        if measured.painted.p95 >= AIM or measured.layout_shift > 0:
            raise CommandError("The aim is not met.")

    def _elsewhere(self) -> None:
        """Run this command again, in a folder of its own and away from any database, broker or bucket in use."""
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        with tempfile.TemporaryDirectory(prefix="readerstudy-benchmark-") as folder:
            environment |= {"READERSTUDY_VAR": folder, "DJANGO_SETTINGS_MODULE": "readerstudy.settings"}
            environment |= {"READERSTUDY_LOG_LEVEL": "WARNING", "DJANGO_ALLOW_ASYNC_UNSAFE": "true"}
            command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *sys.argv[1:], "--inside"]
            ended = subprocess.run(command, env=environment, check=False)  # noqa: S603
        if ended.returncode:
            sys.exit(ended.returncode)

    def _measure(self, cases: int, width: int, pause: float, browser: str) -> tuple[Reading, Measured]:
        from playwright.sync_api import Error

        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        first, second = benchmark_study.build(
            settings.VAR, n_cases=cases, width=width, progress=_bar("Drawing the pictures")
        )
        port = _any_port()
        with Services() as services:
            services.start_web(port)
            host = f"http://127.0.0.1:{port}"
            visits = [
                Visit(benchmark_study.cookie_of(reading), host + reverse("read", args=[reading.uuid]), cases)
                for reading in (first, second)
            ]
            try:
                measured = measure(*visits, executable=browser, pause=pause, progress=_bar("Reading"))
            except Error as error:
                raise CommandError(f"The browser failed: {error}") from error
        return first, measured

    def _report(self, reading: Reading, measured: Measured, pause: float) -> None:
        images = list(Image.objects.all())
        megabytes = statistics.median(image.file.size for image in images) / 1e6
        self.stdout.write(
            f"\n{reading.items.count()} cases, pictures of {images[0].width} x {images[0].height} pixels (median "
            f"{megabytes:.1f} MB), {measured.browser}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
            f"{measured.n_keys} keys, each {pause:g} s after its case can be answered\n\n"
            f"{'milliseconds':44}{'p50':>8}{'p95':>8}{'max':>8}\n"
            + _line("key to the next picture painted", measured.painted)
            + _line("the same keys by Event Timing", measured.event)
            + _line("baseline: the same page as a plain form", measured.plain)
            + f"{'ratio to the baseline':44}{measured.painted.p50 / measured.plain.p50:8.2f}"
            f"{measured.painted.p95 / measured.plain.p95:8.2f}"
            f"{measured.painted.largest / measured.plain.largest:8.2f}\n"
            f"{'layout shift, all told':44}{measured.layout_shift:8.4f}\n"
            f"{'frames of the screen without a picture':44}{measured.n_bare:8d}\n"
        )


def _line(name: str, spread: Spread) -> str:
    return f"{name:44}{spread.p50:8.0f}{spread.p95:8.0f}{spread.largest:8.0f}\n"


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _bar(description: str) -> Callable[[int, int], None]:
    shown = tqdm(desc=description, unit="", dynamic_ncols=True)

    def progress(done: int, of: int) -> None:
        shown.total = of
        shown.update(done - shown.n)
        if done == of:
            shown.close()

    return progress
