"""A real Redis (or Valkey) on a private Unix socket, and real Celery workers, for the tests that need them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import kombu.pools
import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection

from readerstudy.celery import app
from readerstudy.demo.embedded import broker_binary

ROOT = Path(__file__).resolve().parent.parent


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
                broker_binary(), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700",
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

    def waiting(self, queue: str = "gpu") -> int:
        """How many messages wait in a queue."""
        with self.client() as client:
            return int(client.llen(queue))

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def kill(self) -> None:
        """SIGKILL: no last write, no goodbye."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=10)
            self.process = None

    def lose_everything(self) -> None:
        """Killed, its disk wiped, started anew: the worst that can happen to a broker."""
        self.kill()
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.start()


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
def broker(broker_server: Broker) -> Iterator[Broker]:
    """An empty broker, to which this process's Celery sends."""
    if not broker_server.answers():
        broker_server.start()
    broker_server.flush()
    before = app.conf.broker_url
    _send_to(broker_server.url)
    yield broker_server
    _send_to(before)


def _send_to(url: str) -> None:
    app.conf.broker_url = url
    # Connections to the former broker are kept in these.
    kombu.pools.reset()
    app._pool = None
    app.amqp._producer_pool = None


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

    def alive(self) -> bool:
        return self.process.poll() is None

    def pause(self) -> None:
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to the worker and its beat: what a pulled plug does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)


@pytest.fixture
def start_worker(transactional_db: None, broker: Broker, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Start workers on this test's database, files and broker; they are killed when the test ends.

    The log of each is printed where the test fails.
    """
    workers: list[Worker] = []

    def start(**environment: str) -> Worker:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("READERSTUDY_")}
        worker = Worker(
            inherited
            | {
                "READERSTUDY_VAR": str(django_settings.VAR),
                "READERSTUDY_DATABASE_URL": database_url(),
                "READERSTUDY_BROKER_URL": broker.url,
                "DJANGO_SETTINGS_MODULE": "readerstudy.settings",
            }
            | environment,
            tmp_path / f"worker-{len(workers)}.log",
        )
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.kill()
        sys.stdout.write(f"--- {worker.log.name}\n{worker.log.read_text()[-8000:]}\n")


def database_url() -> str:
    """The address of the database that the tests run on, for another process."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    return f"postgres://{found['USER']}@/{found['HOST']}/{found['NAME']}"  # HOST is the folder of a socket
