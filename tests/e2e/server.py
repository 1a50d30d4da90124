"""The web server as `manage.py serve` runs it (gunicorn, in processes of its own), on the database of the test.

It can be killed with -9 and started again; what it had stored is looked up from the test's own process.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from django.conf import settings
from django.db import connection

from tests.broker import wait_until
from tests.e2e.site import ROOT, free_port


@dataclass
class Server:
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return Path(settings.VAR) / f"gunicorn-{self.port}.log"

    @property
    def environment(self) -> dict[str, str]:
        """The test's own folder and database."""
        name = str(connection.settings_dict["NAME"])
        url = f"sqlite:///{name}"
        if connection.vendor == "postgresql":
            url = os.environ["READERSTUDY_DATABASE_URL"].rpartition("/")[0] + f"/{name}"
        return {**os.environ, "READERSTUDY_VAR": str(settings.VAR), "READERSTUDY_DATABASE_URL": url}

    def collect_static_files(self) -> None:
        """Under hashed names, as in use; plotly's are not on a reader's pages."""
        command = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity=0", "--ignore=plotly*"]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True)

    def start(self) -> None:
        command = [
            sys.executable, "-m", "gunicorn", "readerstudy.wsgi", "--bind", f"127.0.0.1:{self.port}", "--workers", "2",
            "--threads", "4", "--timeout", "120",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until("the server answers", self.answers, seconds=120)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            with urlopen(f"{self.url}/accounts/login/", timeout=5) as response:
                return bool(response.status == 200)
        except HTTPError as error:
            raise AssertionError(self.log.read_text()[-2000:]) from error
        except OSError:
            return False

    def kill(self) -> None:
        """-9, to all of its processes at once: none of them gets to say or write anything more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, how)
            self.process.wait(timeout=60)
