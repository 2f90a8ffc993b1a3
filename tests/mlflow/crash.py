"""Eight writers, `kill -9` in the middle, a restart: every acknowledged write must still be there.

    python crash.py --seconds 60 --state DIR --port 7999 -- rookery driver --listen 127.0.0.1:7999

The command after `--` starts the server on that port and that state; the token is read from `DIR/token` if it is there.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from servers import wait_healthy
from wire import Api

WRITERS = 8
START_SECONDS = 60
BATCH = 20


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


class Server:
    """The process under test, and its token."""

    def __init__(self, options):
        self.command, self.state = options.command, options.state
        self.url = f"http://127.0.0.1:{options.port}"
        self.log = open(options.state / "crash.log", "ab")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True
        )
        wait_healthy(self.url, self.process, START_SECONDS)

    def kill(self):
        """All its processes at once, without a chance to tidy up."""
        os.killpg(self.process.pid, 9)
        self.process.wait()

    def token(self):
        with contextlib.suppress(OSError):
            return (self.state / "token").read_text().strip()
        return ""

    def api(self):
        return Api(self.url, self.token(), timeout=30)


class Writer(threading.Thread):
    """Writes until it is told to stop, and remembers what was acknowledged. What fails is tried again as new."""

    def __init__(self, number, server, experiment, stop):
        super().__init__(daemon=True)
        self.number, self.server, self.experiment, self.stop = number, server, experiment, stop
        self.points, self.params, self.tags, self.runs = {}, {}, {}, []
        self.artifacts, self.complaints, self.unanswered = {}, [], 0

    def run(self):
        api, i = self.server.api(), 0
        while not self.stop.is_set():
            i += 1
            try:
                self.write(api, i)
            except (OSError, ValueError, IndexError):
                self.unanswered += 1
                api.connection.close()
                time.sleep(0.02)
            except AssertionError as e:
                self.complaints.append(str(e))
                if len(self.complaints) > 20:
                    return

    def write(self, api, i):
        if not self.runs or i % 50 == 0:
            run = api.post("runs/create", {"experiment_id": self.experiment, "start_time": i})["run"]["info"]["run_id"]
            self.runs.append(run)
        run = self.runs[-1]
        match i % 5:
            case 0:
                metrics = [{"key": f"b{k}", "value": i + k / 100, "timestamp": i, "step": i} for k in range(BATCH)]
                api.post("runs/log-batch", {"run_id": run, "metrics": metrics})
                for m in metrics:
                    self.points.setdefault((run, m["key"]), set()).add((i, i + int(m["key"][1:]) / 100))
            case 1:
                api.post("runs/log-parameter", {"run_id": run, "key": f"p{i}", "value": str(i)})
                self.params.setdefault(run, {})[f"p{i}"] = str(i)
            case 2:
                api.post("runs/set-tag", {"run_id": run, "key": f"t{i}", "value": str(i)})
                self.tags.setdefault(run, {})[f"t{i}"] = str(i)
            case 3 if i % 10 == 3:
                path = f"{self.experiment}/{run}/artifacts/f{i}.bin"
                data = os.urandom(2000 + i % 50_000)
                if api.put_artifact(path, data).status == 200:
                    self.artifacts[path] = data
            case _:
                api.post("runs/log-metric", {"run_id": run, "key": "m", "value": i / 7, "timestamp": i, "step": i})
                self.points.setdefault((run, "m"), set()).add((i, i / 7))

    def acknowledged(self):
        return (
            sum(map(len, self.points.values()))
            + sum(map(len, self.params.values()))
            + sum(map(len, self.tags.values()))
            + len(self.runs)
            + len(self.artifacts)
        )

    def lost(self, api):
        for run in self.runs:
            data = api.get("runs/get", run_id=run)["run"]["data"]
            for kind, wanted in (("params", self.params.get(run, {})), ("tags", self.tags.get(run, {}))):
                stored = {p["key"]: p["value"] for p in data.get(kind, [])}
                yield from (f"{kind} {run} {k}" for k, v in wanted.items() if stored.get(k) != v)
        for (run, key), wanted in self.points.items():
            history = api.get("metrics/get-history", run_id=run, metric_key=key, max_results=25000)
            stored = {(m["step"], m["value"]) for m in history.get("metrics", [])}
            yield from (f"metric {run} {key} {point}" for point in wanted - stored)
        for path, data in self.artifacts.items():
            if api.get_artifact(path).body != data:
                yield f"artifact {path}"


def main():
    options = arguments()
    server = Server(options)
    try:
        server.start()
        sys.exit(trial(options, server))
    except (RuntimeError, TimeoutError) as e:
        sys.exit(f"FAIL: {e}\n{(options.state / 'crash.log').read_text(errors='replace')[-3000:]}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.kill()


def trial(options, server):
    api = server.api()
    experiment = api.post("experiments/create", {"name": f"crash {time.time_ns()}"})["experiment_id"]
    stop = threading.Event()
    writers = [Writer(i, server, experiment, stop) for i in range(WRITERS)]
    for writer in writers:
        writer.start()
    slice_seconds = options.seconds / (options.kills + 1)
    down = []
    for _ in range(options.kills):
        time.sleep(slice_seconds)
        server.kill()
        start = time.monotonic()
        server.start()
        down.append(time.monotonic() - start)
    time.sleep(slice_seconds)
    stop.set()
    for writer in writers:
        writer.join(timeout=60)
    api = server.api()
    lost = [loss for writer in writers for loss in writer.lost(api)]
    complaints = [c for writer in writers for c in writer.complaints]
    silent = [w.number for w in writers if w.is_alive() or not w.runs]
    acknowledged = sum(w.acknowledged() for w in writers)
    unanswered = sum(w.unanswered for w in writers)
    for line in [*lost[:20], *complaints[:20], *(f"writer {n} wrote nothing" for n in silent)]:
        print(line)
    failed = bool(lost or complaints or silent or not unanswered)
    print(
        f"{'FAIL' if failed else 'PASS'}: {acknowledged} writes acknowledged, {len(lost)} lost, {len(complaints)} refused, "
        f"{sum('locked' in c for c in complaints)} 'database is locked', {unanswered} unanswered around the kill, "
        f"back after {', '.join(f'{d:.2f} s' for d in down)}"
    )
    return failed


if __name__ == "__main__":
    main()
