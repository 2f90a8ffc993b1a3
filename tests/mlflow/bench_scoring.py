"""One-row requests against `rookery serve` and `mlflow models serve`, in turns; prints a Markdown table.

    cargo build --release --workspace --examples --bins
    python bench_scoring.py --rookery ../../target/release/rookery --load ../../target/release/examples/load
    python bench_scoring.py … --seconds 0.5 --rounds 1        # a smoke run

With `--service` the HTTP service alone is measured, which takes minutes less to compile than the binary (`cargo build --release -p
rookery-serving --examples`). Both serve the lab's second model: Rookery the one that it has just trained, MLflow a scikit-learn
pipeline with the same coefficients. The client is `serving/examples/load.rs`: ready-made bytes over kept-alive connections. It counts what was answered
within the turn; a request that has no answer after `--patience` seconds is counted as timed out, and its connection is made anew.
Client and servers share the machine's cores; the server that is not asked sleeps.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

ROW = {"Island": "Biscoe", "CulmenLength": 48.7, "CulmenDepth": 14.1, "FlipperLength": 210.0, "BodyMass": 4450.0}
NUMBERS = list(ROW)[1:]
REPOSITORY = Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rookery", required=True, help="the binary that trains the model and serves it")
    parser.add_argument("--load", required=True, help="the client")
    parser.add_argument("--service", help="serving/examples/serve_model.rs, to be measured instead of the binary")
    parser.add_argument("--seconds", type=float, default=5, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server, the median counts")
    parser.add_argument("--patience", type=float, default=5, help="seconds that an answer may take")
    parser.add_argument("--mlflow-workers", type=int, help="processes of MLflow's server; its own default is 1")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 64])
    return parser.parse_args()


def trained(rookery, home):
    """The lab's second run, and its model file."""
    job = str(REPOSITORY / "data/penguins/job.toml")
    environment = {**os.environ, "ROOKERY_HOME": str(home)}
    done = subprocess.run([rookery, "run", job, "--json"], env=environment, check=True, capture_output=True, text=True)
    run = json.loads(done.stdout.splitlines()[-1])["runs"][1]["run_id"]
    return run, next(home.glob(f"**/{run}/**/model.json"))


def save_as_sklearn(model, folder):
    """The same coefficients as a scikit-learn pipeline in an MLflow model with a signature."""
    import mlflow
    import numpy
    import pandas
    from mlflow.models import infer_signature
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, OrdinalEncoder

    stages = {stage["type"]: stage for stage in model["pipeline"]["stages"] if stage["type"] != "VectorAssembler"}
    labels, scaler = stages["StringIndexer"]["labels"], stages["MinMaxScaler"]
    features = ColumnTransformer(
        [("island", OrdinalEncoder(categories=[labels]), ["Island"]), ("numbers", MinMaxScaler(), NUMBERS)]
    )
    pipeline = make_pipeline(features, LogisticRegression())
    extremes = numpy.array([scaler["original_min"], scaler["original_max"], scaler["original_max"]])
    rows = pandas.DataFrame(extremes, columns=NUMBERS)
    rows.insert(0, "Island", labels[:3])
    pipeline.fit(rows, [0, 1, 2])
    classifier = pipeline[-1]
    classifier.coef_ = numpy.array(model["classifier"]["coefficient_matrix"]).reshape(3, -1)
    classifier.intercept_ = numpy.array(model["classifier"]["intercepts"])
    example = pandas.DataFrame([ROW])
    assert pipeline.predict(example).tolist() == [1], "another model"
    signature = infer_signature(example, numpy.array([1.0]))
    mlflow.sklearn.save_model(pipeline, folder, signature=signature, pip_requirements=["mlflow", "scikit-learn"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, command, environment):
        self.port = int(command[command.index("-p") + 1]) if "-p" in command else None
        began = time.monotonic()
        # MLflow's server writes a line for each request: into a pipe that nobody reads, until it is full and the server waits.
        stdout = subprocess.PIPE if self.port is None else subprocess.DEVNULL
        self.process = subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.DEVNULL, text=True)
        if self.port is None:
            self.started = json.loads(self.process.stdout.readline())
            self.port = int(self.started["url"].rsplit(":", 1)[1])
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() - began > 300:
                raise SystemExit(f"{command} does not answer")
            time.sleep(0.005)
        self.ready_seconds = time.monotonic() - began

    def answers(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5).status == 200
        except OSError:
            return False

    def load(self, options, body, connections):
        address = f"127.0.0.1:{self.port}"
        times = [str(options.seconds), str(options.patience)]
        command = [options.load, address, "/invocations", body, str(connections), *times]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=options.seconds + 120)
        result = json.loads(done.stdout)
        assert result["refused"] == 0, result
        return result

    def memory_mb(self):
        """Of the process and its children."""
        tree = subprocess.run(["ps", "-eo", "pid,ppid,rss"], capture_output=True, text=True, check=True).stdout
        rows = [tuple(map(int, line.split())) for line in tree.splitlines()[1:]]
        family = {self.process.pid}
        for _ in range(4):
            family |= {pid for pid, parent, _ in rows if parent in family}
        return sum(rss for pid, _, rss in rows if pid in family) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        home, body = Path(folder) / "home", Path(folder) / "body.json"
        body.write_text(json.dumps({"dataframe_records": [ROW]}))
        run, model = trained(options.rookery, home)
        save_as_sklearn(json.loads(model.read_text()), Path(folder) / "sklearn")
        environment = {**os.environ, "ROOKERY_HOME": str(home)}
        rookery = [options.rookery, "serve", f"runs:/{run}", "--listen", "127.0.0.1:0", "--insecure", "--json"]
        if options.service:
            rookery = [options.service, "127.0.0.1:0", str(model)]
        ours = Server(rookery, environment)
        mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(Path(folder) / "sklearn")]
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        if options.mlflow_workers:
            mlflow += ["--workers", str(options.mlflow_workers)]
        theirs = Server([*mlflow, "--env-manager", "local", "-p", str(free_port())], environment)
        try:
            report(options, str(body), ours, theirs)
        finally:
            ours.stop()
            theirs.stop()


def median(turns, key):
    return statistics.median(turn[key] for turn in turns)


def report(options, body, ours, theirs):
    print(f"{platform.platform()}, Python {platform.python_version()}, MLflow {version('mlflow')}, ", end="")
    print(f"scikit-learn {version('scikit-learn')}; load average {os.getloadavg()[0]:.1f}\n")
    print("| connections | Rookery, req/s | MLflow, req/s | ratio | Rookery p50 / p99 ms | MLflow p50 / p99 ms ", end="")
    print("| timed out: Rookery, MLflow |")
    print("|---|---|---|---|---|---|---|")
    for connections in options.connections:
        turns = [[], []]
        for _ in range(options.rounds):
            for side, server in zip(turns, (ours, theirs)):
                side.append(server.load(options, body, connections))
        rates = [median(side, "per_second") for side in turns]
        latencies = [f"{median(s, 'p50_us') / 1e3:.3f} / {median(s, 'p99_us') / 1e3:.3f}" for s in turns]
        print(f"| {connections} | {rates[0]:,.0f} | {rates[1]:,.0f} | {rates[0] / rates[1]:,.0f} ", end="")
        lost = [sum(turn["timed_out"] for turn in side) for side in turns]
        print(f"| {latencies[0]} | {latencies[1]} | {lost[0]}, {lost[1]} |", flush=True)
        broken = [sum(turn["broken"] for turn in side) for side in turns]
        assert broken == [0, 0], f"connections broke: {broken}"
    print("\n| | ready after, s | memory, MB |\n|---|---|---|")
    for name, server in (("Rookery", ours), ("MLflow", theirs)):
        print(f"| {name} | {server.ready_seconds:.3f} | {server.memory_mb():.0f} |")
    print(f"\nRookery loaded the model in {ours.started['loaded_ms']:.1f} ms; load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
