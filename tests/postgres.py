"""A private PostgreSQL server for one test session: its own folder, a Unix socket, no port."""

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path


def binaries() -> Path | None:
    """The folder with `initdb` and `postgres` (Debian keeps them off the path), or None."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def start() -> str:
    """Start the server, stop it when the process ends. Returns the database URL."""
    found = binaries()
    if found is None:
        raise SystemExit("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="rs-pg-"))
    # The server refuses to run as root: there it runs as the package's own user.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    shutil.chown(folder, user)
    folder.chmod(0o755)

    def run_as(*command: str) -> list[str]:
        return ["runuser", "-u", user, "--", *command] if os.geteuid() == 0 else list(command)

    data = folder / "data"
    subprocess.run(
        run_as(str(found / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"),
        check=True, stdout=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    server = subprocess.Popen(
        run_as(str(found / "postgres"), "-D", str(data), "-k", str(folder), "-c", "listen_addresses=",
               "-c", "fsync=off", "-c", "max_connections=60"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip

    def stop() -> None:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    for _ in range(300):
        if (folder / ".s.PGSQL.5432").exists():
            break
        if server.poll() is not None:
            raise SystemExit(f"PostgreSQL ended at once, with {server.returncode}")
        time.sleep(0.1)
    return f"postgres://postgres@/{folder}/postgres"  # two slashes: django-environ's way to write a socket's folder
