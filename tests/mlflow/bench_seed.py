"""The same runs for both servers: through REST for ours, straight into SQLite for the real one (which takes hours)."""

import random
import sqlite3
import threading
import uuid

THREADS = 4


def rows(count):
    """(name, start time, metrics, params) of run after run; the same every time."""
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
        yield f"run-{i}", 1_700_000_000_000 + i, metrics, params


TAGS = {"team": "blue", "mlflow.user": "ana", "mlflow.source.name": "train.py"}


def through_rest(server, name, count):
    """The experiment's id."""
    experiment = server.api().post("experiments/create", {"name": name})["experiment_id"]
    source, lock, errors = rows(count), threading.Lock(), []
    tags = [{"key": k, "value": v} for k, v in TAGS.items()]

    def work():
        api = server.api()
        try:
            while True:
                with lock:
                    row = next(source, None)
                if row is None:
                    return
                run_name, start, metrics, params = row
                body = {
                    "experiment_id": experiment,
                    "run_name": run_name,
                    "start_time": start,
                    "user_id": "ana",
                    "tags": tags,
                }
                run = api.post("runs/create", body)["run"]["info"]["run_id"]
                api.post(
                    "runs/log-batch",
                    {
                        "run_id": run,
                        "metrics": [{"key": k, "value": v, "timestamp": start, "step": 0} for k, v in metrics.items()],
                        "params": [{"key": k, "value": v} for k, v in params.items()],
                    },
                )
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return experiment


def into_sqlite(server, database, name, count):
    """The experiment's id. The rows are those that the real server writes for the same calls."""
    experiment = server.api().post("experiments/create", {"name": name})["experiment_id"]
    db = sqlite3.connect(database, timeout=60)
    runs, latest, metrics_, params_, tags_ = [], [], [], [], []
    for run_name, start, metrics, params in rows(count):
        id = uuid.uuid4().hex
        uri = f"mlflow-artifacts:/{experiment}/{id}/artifacts"
        runs.append(
            (id, run_name, "UNKNOWN", "", "", "ana", "RUNNING", start, None, "", "active", uri, int(experiment), None)
        )
        latest += [(k, v, start, 0, 0, id) for k, v in metrics.items()]
        metrics_ += [(k, v, start, id, 0, 0) for k, v in metrics.items()]
        params_ += [(k, v, id) for k, v in params.items()]
        tags_ += [(k, v, id) for k, v in (TAGS | {"mlflow.runName": run_name}).items()]
    columns = "run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id, deleted_time"
    with db:
        db.executemany(f"INSERT INTO runs ({columns}) VALUES (?{', ?' * 13})", runs)
        db.executemany(
            'INSERT INTO latest_metrics ("key", value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)',
            latest,
        )
        db.executemany(
            'INSERT INTO metrics ("key", value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)', metrics_
        )
        db.executemany('INSERT INTO params ("key", value, run_uuid) VALUES (?, ?, ?)', params_)
        db.executemany('INSERT INTO tags ("key", value, run_uuid) VALUES (?, ?, ?)', tags_)
    db.close()
    return experiment
