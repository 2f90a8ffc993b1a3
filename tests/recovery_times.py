"""How long it takes to notice that a worker hangs or was killed in a round, and to go on; and how long a driver that was
killed and started again at once takes to go on. Prints a Markdown table.

    python3 tests/recovery_times.py target/release/rookery [--turns 3]

A driver with its default bounds, three workers that answer each round 40 ms later than they could, sixteen partitions.
Needs no package.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

JOB = """
[job]
name = "recovery"
[data]
partition_bytes = "150 kB"
[data.sources.points]
path = "points.csv"
columns = { a = "double", b = "double", label = "int" }
[split]
weights = [0.8, 0.2]
seed = 1
[[stages]]
type = "VectorAssembler"
inputs = ["a", "b"]
output = "features"
[training]
label = "label"
features = "features"
[[runs]]
max_iter = 100
tol = 0
reg_param = 0.001
"""
WORKERS = 3


class Cluster:
    def __init__(self, binary, folder):
        self.binary = binary
        self.environment = os.environ | {"ROOKERY_HOME": str(folder)}
        self.workers = []
        self.url = folder / "driver.url"
        self.start_driver("127.0.0.1:0")

    def start_driver(self, address):
        self.driver = self.start("driver", "--listen", address)
        while not self.url.exists():
            time.sleep(0.02)

    def start(self, *arguments, stdout=subprocess.DEVNULL):
        return subprocess.Popen(
            [self.binary, *arguments], env=self.environment, stdout=stdout, stderr=subprocess.DEVNULL, text=True
        )

    def complete(self):
        while len(self.workers) < WORKERS:
            self.workers.append(self.start("worker", "--threads", "1", "--answer-delay-ms", "40"))
        while self.active() < WORKERS:
            time.sleep(0.05)

    def active(self):
        command = [self.binary, "workers", "list", "--json"]
        listed = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout
        return sum(json.loads(line)["state"] == "active" for line in listed.splitlines())

    def strike(self, job, how):
        """(seconds until it was noticed, seconds until the next iteration)"""
        self.complete()
        client = self.start("submit", str(job), "--wait", "--json", stdout=subprocess.PIPE)
        struck = noticed = resumed = None
        for line in client.stdout:
            event = json.loads(line)
            if struck is None and event.get("iteration") == 5:
                worker = self.workers.pop(0)
                struck = time.time() * 1000
                worker.send_signal(how)
            elif noticed is None and "made again" in event.get("message", ""):
                noticed = event["timestamp_ms"]
            elif noticed and resumed is None and "iteration" in event:
                resumed = event["timestamp_ms"]
        worker.kill()
        worker.wait()
        if client.wait() != 0:
            raise SystemExit("the job failed")
        return (noticed - struck) / 1000, (resumed - noticed) / 1000

    def strike_driver(self, job):
        """(seconds until the job was taken up, seconds until the next iteration)"""
        self.complete()
        client = self.start("submit", str(job), "--wait", "--json", stdout=subprocess.PIPE)
        struck = taken_up = resumed = None
        for line in client.stdout:
            event = json.loads(line)
            if struck is None and event.get("iteration") == 5:
                address = self.url.read_text().strip().removeprefix("http://")
                struck = time.time() * 1000
                self.driver.kill()
                self.driver.wait()
                self.url.unlink()
                self.start_driver(address)
            elif event.get("event") == "resumed":
                taken_up = event["timestamp_ms"]
            elif taken_up and resumed is None and "iteration" in event:
                resumed = event["timestamp_ms"]
        if client.wait() != 0:
            raise SystemExit("the job failed")
        return (taken_up - struck) / 1000, (resumed - taken_up) / 1000

    def stop(self):
        for process in (*self.workers, self.driver):
            process.terminate()
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, numbers = Path(name), random.Random(1)
        with open(folder / "points.csv", "w") as file:
            file.write("a,b,label\n")
            for _ in range(60_000):
                a, b = numbers.random(), numbers.random()
                file.write(f"{a},{b},{int(a + b + numbers.random() > 1.5)}\n")
        (folder / "job.toml").write_text(JOB)
        cluster = Cluster(options.binary, folder)
        try:
            print("| in a round | noticed after, s | next iteration, s later |\n|---|---|---|")
            job = folder / "job.toml"
            strikes = [
                (f"{how.name} of a worker", lambda how=how: cluster.strike(job, how))
                for how in (signal.SIGSTOP, signal.SIGKILL)
            ]
            for name, strike in (*strikes, ("SIGKILL of the driver", lambda: cluster.strike_driver(job))):
                noticed, resumed = (
                    statistics.median(column) for column in zip(*(strike() for _ in range(options.turns)))
                )
                print(f"| {name} | {noticed:.2f} | {resumed:.2f} |", flush=True)
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
