"""The whole system as `manage.py serve` runs it, on a folder and a port of its own, used as people use it."""

import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from tests.broker import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Site:
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("READERSTUDY_")}
        return inherited | {
            "READERSTUDY_VAR": str(self.folder),
            "READERSTUDY_SWEEP_SECONDS": "2",
            "READERSTUDY_SCORING_CHUNK": "8",
        }

    def start(self) -> None:
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port)],
                cwd=ROOT, env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until("the site answers", self.answers, seconds=300)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "serve.log").read_text()[-2000:]
        try:
            with urlopen(f"{self.url}/accounts/login/", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)

    def manage(self, *arguments: str) -> str:
        result = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def letters(self) -> list[str]:
        """The letters sent so far, newest last; the embedded system writes them into files."""
        files = sorted((self.folder / "mail").glob("*"), key=lambda path: path.stat().st_mtime)
        return [path.read_text() for path in files]

    def person(self, email: str, *roles: str) -> str:
        """Make somebody with these roles; returns the link at which the password is set."""
        options = [option for role in roles for option in ("--role", role)]
        printed = self.manage("add_user", email, "--link", "--site", self.url, *options)
        found = re.search(r"http://\S+", printed)
        assert found, printed
        return found.group()
