"""The embedded services: a broker that keeps what it acknowledged, children that stop with their parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

PROGRAM = """
import django; django.setup()
from readerstudy.demo.embedded import Services, only_one
with only_one(), Services() as services:
    services.start_broker()
    print("ready", flush=True)
    services.watch()
"""


def start(folder: Path) -> subprocess.Popen[str]:
    env = os.environ | {"READERSTUDY_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "readerstudy.settings"}
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready", child.stderr and child.stderr.read()
    return child


def gone(socket: Path) -> bool:
    for _ in range(100):
        try:
            with redis.Redis(unix_socket_path=str(socket)) as client:
                client.ping()
        except redis.RedisError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_broker_keeps_what_it_acknowledged_and_ends_with_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    socket = tmp_path / "broker" / "broker.sock"
    parent = start(tmp_path)
    with redis.Redis(unix_socket_path=str(socket)) as client:
        client.rpush("gpu", "message")
        assert client.config_get("appendfsync")["appendfsync"] == "always"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    parent.send_signal(how)
    parent.communicate(timeout=30)
    assert gone(socket)
    parent = start(tmp_path)
    with redis.Redis(unix_socket_path=str(socket)) as client:
        assert client.lrange("gpu", 0, -1) == [b"message"]
    parent.send_signal(signal.SIGINT)
    parent.communicate(timeout=30)


def test_a_second_one_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = start(tmp_path)
    env = os.environ | {"READERSTUDY_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "readerstudy.settings"}
    second = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    assert second.returncode != 0
    assert "already runs" in second.stderr
