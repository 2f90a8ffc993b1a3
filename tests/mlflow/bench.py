"""The same requests against our server and a real `mlflow server`, in turns; prints a Markdown table.

    python bench.py --url http://127.0.0.1:7070 --token "$(cat ~/.rookery/token)" --pid "$(pgrep -x rookery)"
    python bench.py … --seconds 0.3 --rounds 2 --runs 1000 --many-runs 2000 --points 2 --artifact-mib 16   # a smoke run

By default the servers hold 101,000 runs and 10.6 million metric points in the end.

The client is `wire.py`: ready-made bytes over raw kept-alive sockets, one process a connection, so that the server is
what is measured. Client and server share the machine's cores. The real server has SQLite, local artifacts, one worker.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import bench_load
import bench_seed
import servers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--url", default=os.environ.get("ROOKERY_TEST_URL"), required="ROOKERY_TEST_URL" not in os.environ
    )
    parser.add_argument("--token", default=os.environ.get("ROOKERY_TEST_TOKEN", ""))
    parser.add_argument("--pid", type=int, default=0, help="our server's process, for its memory")
    parser.add_argument("--seconds", type=float, default=5, help="of each turn")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server, the median counts")
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--many-runs", type=int, default=100_000, help="0: leave it out")
    parser.add_argument("--points", type=int, default=100, help="of one metric's history in every run")
    parser.add_argument("--artifact-mib", type=int, default=1024, help="0: leave it out")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    return parser.parse_args()


class Side:
    """One server, with what the requests need."""

    def __init__(self, server, seed):
        self.server, self.api = server, server.api(timeout=600)
        self.experiment = self.api.post("experiments/create", {"name": f"bench {time.time_ns()}"})["experiment_id"]
        self.run = self.new_run()
        self.read_run = self.new_run()
        batch = [{"key": f"k{i}", "value": i / 7, "timestamp": i, "step": 0} for i in range(100)]
        self.api.post("runs/log-batch", {"run_id": self.read_run, "metrics": batch})
        curve = [{"key": "curve", "value": i / 7, "timestamp": i, "step": i} for i in range(100)]
        self.api.post("runs/log-batch", {"run_id": self.run, "metrics": curve})
        self.seed = seed  # (name, count) -> experiment id

    def new_run(self):
        return self.api.post("runs/create", {"experiment_id": self.experiment, "start_time": 1})["run"]["info"][
            "run_id"
        ]


def rows(options):
    """(name, connections, function that makes a side's requests)"""

    def health(_side):
        return lambda c, i: (c.head("GET", "/health"), "GET")

    def log_metric(side):
        text = (
            f'{{"run_id":"{side.run}","run_uuid":"{side.run}","key":"m","value":0.5,"timestamp":%d,"step":%d}}'.encode()
        )
        return lambda c, i: (bench_load.post(c, "runs/log-metric", text % (i, i)), "POST")

    def log_batch(side):
        def request(c, i):
            metrics = [{"key": "b", "value": 0.5, "timestamp": i * 100 + k, "step": i * 100 + k} for k in range(100)]
            return bench_load.post(
                c, "runs/log-batch", json.dumps({"run_id": side.run, "metrics": metrics}).encode()
            ), "POST"

        return request

    def get_run(side):
        target = f"/api/2.0/mlflow/runs/get?run_id={side.read_run}&run_uuid={side.read_run}"
        return lambda c, i: (c.head("GET", target), "GET")

    def history(side):
        target = f"/api/2.0/mlflow/metrics/get-history?run_id={side.run}&run_uuid={side.run}&metric_key=curve"
        return lambda c, i: (c.head("GET", target), "GET")

    def create_run(side):
        body = json.dumps(
            {"experiment_id": side.experiment, "user_id": "ana", "start_time": 1, "tags": [{"key": "a", "value": "b"}]}
        ).encode()
        return lambda c, i: (bench_load.post(c, "runs/create", body), "POST")

    def search(count, query):
        def make(side):
            body = json.dumps({"experiment_ids": [side.seed(count)]} | query).encode()
            return lambda c, i: (bench_load.post(c, "runs/search", body), "POST")

        return make

    hard = {
        "filter": "metrics.acc > 0.9 AND params.opt = 'adam' AND tags.team = 'blue'",
        "order_by": ["metrics.acc DESC"],
        "max_results": 100,
    }
    yield "GET /health", 1, health
    yield "GET /health", 8, health
    yield "log-metric", 1, log_metric
    yield "log-metric", 8, log_metric
    yield "log-batch of 100 metrics", 1, log_batch
    yield "log-batch of 100 metrics", 8, log_batch
    yield "runs/create", 1, create_run
    yield "runs/get with 100 metrics", 1, get_run
    yield "metrics/get-history of 100 points", 1, history
    yield f"runs/search, 100 of {options.runs:,}", 1, search(options.runs, {"max_results": 100})
    yield f"runs/search, all {options.runs:,}", 1, search(options.runs, {"max_results": options.runs})
    yield f"runs/search, filter and order, {options.runs:,}", 1, search(options.runs, hard)
    if options.many_runs:
        yield f"runs/search, 100 of {options.many_runs:,}", 1, search(options.many_runs, {"max_results": 100})
        yield f"runs/search, filter and order, {options.many_runs:,}", 1, search(options.many_runs, hard)


def measure(options, sides, connections, make):
    """For each side: (median requests a second, p50 and p99 in ms). Turn by turn, so that both see the same machine."""
    requests = [make(side) for side in sides]
    rates, latencies = [[], []], [[], []]
    for round in range(options.rounds + 1):
        for i, side in enumerate(sides):
            seconds = options.seconds if round else min(0.5, options.seconds)  # round 0 warms up
            first = int(time.time()) * 10_000_000 + round * 1_000  # times 100 it is still an int64
            rate, times = bench_load.run(side.server, requests[i], seconds, connections, first)
            if round:
                rates[i].append(rate)
                latencies[i] += times
    return [(statistics.median(rates[i]), *quantiles(latencies[i])) for i in range(2)]


def quantiles(latencies):
    ordered = sorted(latencies)
    return tuple(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.99))


def short(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def main():
    options = arguments()
    ours = servers.Server(options.url, options.token, options.pid)
    os.environ.pop("ROOKERY_TEST_REAL_URL", None)  # its database is needed, so it is started here
    with tempfile.TemporaryDirectory() as folder, servers.real(folder) as real:
        bench_load.settle(real.pid)
        known = {}

        def seed(side, count):
            if (side, count) not in known:
                name = f"seeded {count} {time.time_ns()}"
                start = time.perf_counter()
                if side == "ours":
                    known[side, count] = bench_seed.through_rest(ours, name, count, options.points)
                    print(f"<!-- {count:,} runs through REST: {time.perf_counter() - start:.1f} s -->", flush=True)
                else:
                    known[side, count] = bench_seed.into_sqlite(
                        real, Path(folder) / "mlflow.db", name, count, options.points
                    )
            return known[side, count]

        sides = [Side(ours, lambda n: seed("ours", n)), Side(real, lambda n: seed("real", n))]
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.rounds} turns of {options.seconds} s, medians; client: raw sockets, Python {platform.python_version()}\n"
        )
        print(
            "| request | connections | ours, req/s | mlflow, req/s | ratio | ours p50 / p99 ms | mlflow p50 / p99 ms |\n|---|---|---|---|---|---|---|"
        )
        for name, connections, make in rows(options):
            if options.only in name:
                (a, a50, a99), (b, b50, b99) = measure(options, sides, connections, make)
                cells = [
                    name,
                    connections,
                    short(a),
                    short(b),
                    f"{a / b:.1f}",
                    f"{a50:.2f} / {a99:.2f}",
                    f"{b50:.2f} / {b99:.2f}",
                ]
                print(f"| {' | '.join(map(str, cells))} |", flush=True)
        if options.artifact_mib and options.only in "artifact":
            artifacts(options, sides)


def artifacts(options, sides):
    print("\n| artifact | up, MB/s | down, MB/s | memory before, MB | peak, MB |\n|---|---|---|---|---|")
    size = options.artifact_mib << 20
    for name, side in zip(("ours", "mlflow"), sides):
        up, down, memory = bench_load.artifact(side.server, f"{side.experiment}/{side.run}/artifacts/big.bin", size)
        seen = (f"{memory.before / 1e6:.0f}", f"{memory.peak / 1e6:.0f}") if side.server.pid else ("?", "?")
        print(
            f"| {name}, {options.artifact_mib} MiB | {size / up / 1e6:,.0f} | {size / down / 1e6:,.0f} | {' | '.join(seen)} |"
        )


if __name__ == "__main__":
    main()
