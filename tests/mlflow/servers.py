"""The two servers of a comparison: the one under test, and a real `mlflow server`."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from wire import Api

START_SECONDS = 180  # a cold start with all migrations took 25 s on a busy machine with two cores


@dataclass(frozen=True)
class Server:
    url: str
    token: str = ""
    pid: int = 0

    def api(self, **options):
        return Api(self.url, self.token, **options)


def under_test():
    """The server of `ROOKERY_TEST_URL` and `ROOKERY_TEST_TOKEN`; None when there is none."""
    url = os.environ.get("ROOKERY_TEST_URL", "").rstrip("/")
    return Server(url, os.environ.get("ROOKERY_TEST_TOKEN", "")) if url else None


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_healthy(url, process=None, seconds=START_SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError, ValueError, IndexError):
            if Api(url, timeout=5).call("GET", "/health").status == 200:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{url} isn't healthy after {seconds} s")


def mlflow_environment(**more):
    """This process' environment without settings of MLflow's, and without its telemetry."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", "")])
    return clean | {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"} | more


@contextlib.contextmanager
def stopped_after(command, log, **options):
    """A process in a session of its own, ended with all its children."""
    with open(log, "wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **options
        )
    try:
        yield process
    finally:
        for signal in (15, 9):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)


def mlflow_command(folder, port):
    """A real server: SQLite, artifacts through the server, one worker."""
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]


@contextlib.contextmanager
def real(folder):
    """A real `mlflow server` with its files in `folder`, or the one of `ROOKERY_TEST_REAL_URL`."""
    if url := os.environ.get("ROOKERY_TEST_REAL_URL", "").rstrip("/"):
        yield Server(url)
        return
    folder = Path(folder)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = folder / "server.log"
    with stopped_after(mlflow_command(folder, port), log, cwd=folder, env=mlflow_environment()) as process:
        try:
            wait_healthy(url, process)
        except Exception as e:
            raise RuntimeError(f"{e}\n{log.read_text()[-4000:]}") from e
        yield Server(url, pid=process.pid)
