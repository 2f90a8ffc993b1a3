"""The same runs for both servers: through REST for ours, straight into SQLite for the real one (which takes hours)."""

import multiprocessing
import random
import sqlite3
import uuid

PROCESSES = 6
CURVE = "loss"  # the metric that has more than one point


def rows(count, points):
    """(name, start time, points of every metric as (step, value), params) of run after run; the same every time."""
    numbers = random.Random(7)
    for i in range(count):
        metrics = {
            "acc": numbers.random(),
            "loss": numbers.random() * 10,
            "f1": numbers.random(),
            "auc": numbers.random(),
            "time": i / 3,
        }
        params = {
            "opt": numbers.choice(["adam", "sgd", "lbfgs"]),
            "lr": f"{numbers.random():.4f}",
            "depth": str(i % 12),
            "seed": str(i),
            "data": "penguins",
        }
        logged = {k: [(0, v)] for k, v in metrics.items()}
        logged[CURVE] = [(step, metrics[CURVE] + (points - 1 - step) / 100) for step in range(points)]
        yield f"run-{i}", 1_700_000_000_000 + i, logged, params


TAGS = {"team": "blue", "mlflow.user": "ana", "mlflow.source.name": "train.py"}


def through_rest(server, name, count, points):
    """The experiment's id."""
    experiment = server.api().post("experiments/create", {"name": name})["experiment_id"]
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        parts = [(server, experiment, count, points, part) for part in range(PROCESSES)]
        pool.starmap(_log_part, parts, chunksize=1)
    return experiment


def _log_part(server, experiment, count, points, part):
    api = server.api()
    tags = [{"key": k, "value": v} for k, v in TAGS.items()]
    for i, (run_name, start, logged, params) in enumerate(rows(count, points)):
        if i % PROCESSES != part:
            continue
        body = {
            "experiment_id": experiment,
            "run_name": run_name,
            "start_time": start,
            "user_id": "ana",
            "tags": tags,
        }
        run = api.post("runs/create", body)["run"]["info"]["run_id"]
        metrics = [
            {"key": k, "value": v, "timestamp": start + step, "step": step}
            for k, curve in logged.items()
            for step, v in curve
        ]
        params = [{"key": k, "value": v} for k, v in params.items()]
        api.post("runs/log-batch", {"run_id": run, "metrics": metrics, "params": params})


def into_sqlite(server, database, name, count, points):
    """The experiment's id. The rows are those that the real server writes for the same calls."""
    experiment = server.api().post("experiments/create", {"name": name})["experiment_id"]
    db = sqlite3.connect(database, timeout=60)
    with db:
        part = []
        for row in rows(count, points):
            part.append(row)
            if len(part) == 1000:
                _insert(db, experiment, part)
                part = []
        _insert(db, experiment, part)
    db.close()
    return experiment


def _insert(db, experiment, part):
    runs, latest, metrics, params_, tags = [], [], [], [], []
    for run_name, start, logged, params in part:
        id = uuid.uuid4().hex
        uri = f"mlflow-artifacts:/{experiment}/{id}/artifacts"
        runs.append(
            (id, run_name, "UNKNOWN", "", "", "ana", "RUNNING", start, None, "", "active", uri, int(experiment), None)
        )
        for k, curve in logged.items():
            metrics += [(k, v, start + step, id, step, 0) for step, v in curve]
            step, v = curve[-1]
            latest.append((k, v, start + step, step, 0, id))
        params_ += [(k, v, id) for k, v in params.items()]
        tags += [(k, v, id) for k, v in (TAGS | {"mlflow.runName": run_name}).items()]
    columns = "run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id, deleted_time"
    db.executemany(f"INSERT INTO runs ({columns}) VALUES (?{', ?' * 13})", runs)
    db.executemany(
        'INSERT INTO latest_metrics ("key", value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)',
        latest,
    )
    db.executemany(
        'INSERT INTO metrics ("key", value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)', metrics
    )
    db.executemany('INSERT INTO params ("key", value, run_uuid) VALUES (?, ?, ?)', params_)
    db.executemany('INSERT INTO tags ("key", value, run_uuid) VALUES (?, ?, ?)', tags)
