"""Runs: create, log, read, update, delete."""


def _experiment(s, name="runs"):
    return s.post("experiments/create", {"name": s.name(name)})["experiment_id"]


def _run(s, experiment, **more):
    body = {"experiment_id": experiment, "start_time": 1000} | more
    return s.post("runs/create", body)["run"]["info"]["run_id"]


def create(s):
    e = _experiment(s)
    tags = [{"key": "mlflow.user", "value": "ana"}, {"key": "k", "value": "v"}]
    s.post(
        "runs/create",
        {"experiment_id": e, "user_id": "ana", "run_name": "first", "start_time": 1234567890123, "tags": tags},
        label="all",
    )
    s.post("runs/create", {"experiment_id": e, "start_time": "1234567890123"}, label="time as text")
    s.post("runs/create", {"experiment_id": e}, label="nothing but the experiment")
    s.post("runs/create", {"experiment_id": e, "run_name": "", "start_time": 5}, label="empty name")
    s.post(
        "runs/create",
        {"experiment_id": e, "start_time": 5, "tags": [{"key": "mlflow.runName", "value": "by tag"}]},
        label="name by tag",
    )
    both = {"experiment_id": e, "run_name": "a", "start_time": 5, "tags": [{"key": "mlflow.runName", "value": "b"}]}
    s.post("runs/create", both, label="two names", says=True)
    same = {"experiment_id": e, "run_name": "a", "start_time": 5, "tags": [{"key": "mlflow.runName", "value": "a"}]}
    s.post("runs/create", same, label="the same name twice")
    s.post("runs/create", {"experiment_id": e, "run_name": "Pingüino 🐧", "start_time": 5}, label="unicode")
    s.post(
        "runs/create",
        {"experiment_id": e, "start_time": 5, "unknown": {"a": 1}, "user_id": None},
        label="unknown field and null",
    )
    s.post("runs/create", {"experiment_id": "987654", "start_time": 5}, label="missing experiment", says=True)
    s.post("runs/create", {"start_time": 5}, label="no experiment", view=lambda b: b["run"]["info"]["status"])
    s.post("runs/create", {"experiment_id": 0, "start_time": 5}, label="number as id", says=True)
    s.post("runs/create", {"experiment_id": "abc", "start_time": 5}, label="text as id", says=True)


def log_and_get(s):
    e = _experiment(s)
    run = _run(s, e, run_name="r")
    s.get("runs/get", {"run_id": run}, label="empty")
    s.post("runs/log-parameter", {"run_id": run, "run_uuid": run, "key": "maxIter", "value": "5"})
    s.post("runs/log-parameter", {"run_uuid": run, "key": "only run_uuid", "value": ""}, label="run_uuid", says=True)
    s.post("runs/log-parameter", {"run_id": run, "key": "number", "value": 5}, label="number", says=True)
    s.post("runs/log-parameter", {"run_id": run, "key": "unicode/ñ", "value": "ü"}, label="unicode key", says=True)
    s.post("runs/log-parameter", {"run_id": run, "key": "a b/c-d_e.f:g", "value": "🐧"}, label="all characters")
    s.post("runs/set-tag", {"run_id": run, "key": "t", "value": "1"})
    s.post("runs/set-tag", {"run_id": run, "key": "t", "value": "2"}, label="again")
    s.post("runs/set-tag", {"run_id": run, "key": "mlflow.note.content", "value": "# Title\nñ"})
    s.post("runs/set-tag", {"run_id": run, "key": "no value"}, label="no value", says=True)
    s.post(
        "runs/log-batch",
        {
            "run_id": run,
            "metrics": [
                {"key": "m", "value": 0.25, "timestamp": 10, "step": 1},
                {"key": "n", "value": 7, "timestamp": "11", "step": "2"},
            ],
            "params": [{"key": "p", "value": "v"}],
            "tags": [{"key": "u", "value": "w"}],
        },
    )
    s.get("runs/get", {"run_id": run, "run_uuid": run})
    s.get("runs/get", {"run_uuid": run}, label="by run_uuid", says=True)
    s.post("runs/delete-tag", {"run_id": run, "key": "t"})
    s.get("runs/get", {"run_id": run}, label="tag gone")


def metric_values(s):
    """What is stored for numbers that JSON has no word for, and for texts."""
    run = _run(s, _experiment(s))
    values = [
        0.1,
        1,
        -0.0,
        1e308,
        5e-324,
        "NaN",
        "Infinity",
        "-Infinity",
        "1.5",
        "1e3",
        "abc",
        "",
        True,
        None,
        9007199254740993,
    ]
    for i, value in enumerate(values):
        key = f"k{i:02}"
        s.post(
            "runs/log-metric",
            {"run_id": run, "key": key, "value": value, "timestamp": 5, "step": 0},
            label=f"value {value!r}",
        )
        s.get("metrics/get-history", {"run_id": run, "metric_key": key}, label=f"value {value!r}")
    for name, more in {
        "no step": {"timestamp": 5},
        "no timestamp": {"step": 1},
        "negative": {"timestamp": 5, "step": -3},
        "texts": {"timestamp": "6", "step": "7"},
        "large": {"timestamp": 9223372036854775807, "step": 9223372036854775807},
        "whole float": {"timestamp": 5.0, "step": 2.0},
        "text": {"timestamp": 5, "step": "x"},
    }.items():
        s.post("runs/log-metric", {"run_id": run, "key": name, "value": 1} | more, label=name)
        s.get("metrics/get-history", {"run_id": run, "metric_key": name}, label=name)
    s.get("runs/get", {"run_id": run})


def lax(s):
    """The real server takes these silently, storing zeros or nothing; a stricter server says so."""
    e = _experiment(s)
    run = _run(s, e)
    for step in (1.5, 9223372036854775808):
        s.post(
            "runs/log-metric",
            {"run_id": run, "key": "m", "value": 1, "timestamp": 5, "step": step},
            label=f"lax: step {step}",
        )
    s.post(
        "runs/log-batch",
        {"run_id": run, "metrics": [{"key": "m", "value": "x", "timestamp": 1, "step": 0}]},
        label="lax: value x",
    )
    s.post("runs/log-batch", {"run_id": run, "params": [{"key": "p"}]}, label="lax: param without value")
    s.post("runs/create", {"experiment_id": e, "tags": {"a": "b"}}, label="lax: tags", view=lambda b: None)
    s.post(
        "runs/search", {"experiment_ids": [e], "max_results": 1.5}, label="lax: max_results 1.5", view=lambda b: None
    )
    s.post("experiments/search", {"max_results": 5, "view_type": "NOPE"}, label="lax: view", view=lambda b: None)
    s.post("runs/search", {"experiment_ids": [e], "run_view_type": "NOPE"}, label="lax: view", view=lambda b: None)
    s.post("runs/update", {"run_id": run, "status": "NOPE"}, label="lax: status", view=lambda b: None)
    for text in ("AND metrics.acc > 1", "params. = 'x'", "params.'lr' = '0.1'"):
        s.post("runs/search", {"experiment_ids": [e], "filter": text}, label=f"lax: [{text}]", view=lambda b: None)


def latest_metric(s):
    """The point with the highest step counts as the latest; then the timestamp, then the value."""
    run = _run(s, _experiment(s))
    points = [
        (3, 10, 1.0),
        (1, 20, 9.0),
        (3, 11, 0.5),
        (3, 11, 0.75),
        (3, 11, 0.25),
        (2, 99, 5.0),
        (3, 5, 7.0),
        (3, 11, "NaN"),
        (3, 11, 1.0),
    ]
    for i, (step, timestamp, value) in enumerate(points):
        s.post("runs/log-metric", {"run_id": run, "key": "m", "value": value, "timestamp": timestamp, "step": step})
        s.get("runs/get", {"run_id": run}, label=f"point {i}", view=_metrics)
    s.get("metrics/get-history", {"run_id": run, "metric_key": "m"}, label="history", view=_sorted_points)
    batch = [{"key": "b", "value": v, "timestamp": t, "step": st} for st, t, v in points]
    s.post("runs/log-batch", {"run_id": run, "metrics": batch})
    s.get("runs/get", {"run_id": run}, label="after a batch", view=_metrics)


def _metrics(body):
    return {"metrics": body["run"]["data"]["metrics"]}


def _sorted_points(body):
    return sorted((str(m) for m in body["metrics"]))


def resend(s):
    """An identical point or parameter, sent again, changes nothing."""
    run = _run(s, _experiment(s))
    point = {"run_id": run, "key": "m", "value": 1.5, "timestamp": 5, "step": 1}
    for i in range(2):
        s.post("runs/log-metric", point)
        s.get("metrics/get-history", {"run_id": run, "metric_key": "m"}, label=f"{i}")
        s.post("runs/log-parameter", {"run_id": run, "key": "p", "value": "v"})
        s.post(
            "runs/log-batch",
            {
                "run_id": run,
                "metrics": [{k: point[k] for k in ("key", "value", "timestamp", "step")}] * 3,
                "params": [{"key": "p", "value": "v"}],
            },
        )
    s.get("metrics/get-history", {"run_id": run, "metric_key": "m"}, label="at last")
    s.post("runs/log-metric", point | {"value": 2.5}, label="another value")
    s.get("metrics/get-history", {"run_id": run, "metric_key": "m"}, label="two values", view=_sorted_points)


def history(s):
    run = _run(s, _experiment(s))
    metrics = [{"key": "m", "value": float(i), "timestamp": 1000 + i, "step": i} for i in range(7)]
    s.post("runs/log-batch", {"run_id": run, "metrics": metrics[::-1]})
    s.get("metrics/get-history", {"run_id": run, "metric_key": "m"}, ordered=True)
    s.get("metrics/get-history", {"run_uuid": run, "metric_key": "m"}, label="run_uuid", says=True)
    s.get("metrics/get-history", {"run_id": run, "metric_key": "none"}, label="no such metric")
    s.get("metrics/get-history", {"run_id": run}, label="no key", says=True)
    s.get("metrics/get-history", {"run_id": "0" * 32, "metric_key": "m"}, label="no such run", says=True)
    token = ""
    for page in range(5):
        query = {"run_id": run, "metric_key": "m", "max_results": 3} | ({"page_token": token} if token else {})
        token = s.get("metrics/get-history", query, ordered=True, label=f"page {page}").get("next_page_token")
        if not token:
            break
    s.get(
        "metrics/get-history",
        {"run_id": run, "metric_key": "m", "max_results": 3, "page_token": "%%%"},
        label="bad token",
        says=True,
    )
    for text in ("-1", "0", "25001"):
        s.get(
            "metrics/get-history",
            {"run_id": run, "metric_key": "m", "max_results": text},
            label=f"max_results {text}",
            says=True,
        )
    s.get("metrics/get-history", {"run_id": run, "metric_key": "m", "max_results": "x"}, label="lax: max_results x")


def update(s):
    run = _run(s, _experiment(s), run_name="before")
    s.post("runs/update", {"run_id": run, "status": "FINISHED", "end_time": 2000})
    s.post("runs/update", {"run_id": run, "run_uuid": run, "run_name": "after"}, label="name")
    s.get("runs/get", {"run_id": run})
    s.post("runs/set-tag", {"run_id": run, "key": "mlflow.runName", "value": "by tag"})
    s.get("runs/get", {"run_id": run}, label="renamed by tag")
    for status in ("RUNNING", "SCHEDULED", "FAILED", "KILLED", "FINISHED", 3):
        s.post("runs/update", {"run_id": run, "status": status}, label=f"status {status!r}")
    s.post("runs/update", {"run_id": run, "end_time": "3000"}, label="time as text")
    s.post("runs/update", {"run_id": run, "end_time": "x"}, label="bad time", says=True)
    s.post("runs/update", {"run_id": run}, label="nothing")
    s.post("runs/update", {"run_id": run, "run_name": ""}, label="empty name")
    s.post("runs/update", {"run_id": "0" * 32, "status": "FINISHED"}, label="missing", says=True)
    s.get("runs/get", {"run_id": run}, label="at last")


def delete_and_restore(s):
    run = _run(s, _experiment(s))
    s.post("runs/delete", {"run_id": run})
    s.get("runs/get", {"run_id": run}, label="deleted")
    s.post("runs/delete", {"run_id": run}, label="twice", says=True)
    s.post("runs/update", {"run_id": run, "status": "FINISHED", "end_time": 1}, label="of a deleted run", says=True)
    s.post("runs/restore", {"run_id": run})
    s.get("runs/get", {"run_id": run}, label="restored")
    s.post("runs/restore", {"run_id": run}, label="twice", says=True)
    s.post("runs/restore", {"run_id": "0" * 32}, label="missing", says=True)


def log_model_and_inputs(s):
    e = _experiment(s)
    run = _run(s, e)
    info = {
        "run_id": run,
        "artifact_path": "classifier-1795404847.62",
        "utc_time_created": "2026-11-23 03:34:08.275157",
        "model_uuid": "u",
        "flavors": {"spark": {"model_data": "sparkml"}},
    }
    import json

    s.post("runs/log-model", {"run_id": run, "model_json": json.dumps(info)})
    s.post(
        "runs/log-model", {"run_id": run, "model_json": json.dumps(info | {"artifact_path": "second"})}, label="second"
    )
    s.get("runs/get", {"run_id": run}, label="history tag")
    s.post("runs/log-model", {"run_id": run, "model_json": "{"}, label="bad JSON", says=True)
    s.post(
        "runs/log-model",
        {"run_id": run, "model_json": json.dumps({k: v for k, v in info.items() if k != "flavors"})},
        label="no flavors",
        says=True,
    )
    dataset = {
        "name": "penguins",
        "digest": "abc123",
        "source_type": "http",
        "source": '{"url": "http://x/y.csv"}',
        "schema": '{"mlflow_colspec": []}',
        "profile": '{"num_rows": 342}',
    }
    tags = [{"key": "mlflow.data.context", "value": "training"}]
    s.post("runs/log-inputs", {"run_id": run, "datasets": [{"tags": tags, "dataset": dataset}]})
    s.post("runs/log-inputs", {"run_id": run, "datasets": [{"tags": tags, "dataset": dataset}]}, label="again")
    s.post(
        "runs/log-inputs", {"run_id": run, "datasets": [{"dataset": dataset | {"name": "no tags"}}]}, label="no tags"
    )
    s.post(
        "runs/log-inputs",
        {"run_id": run, "datasets": [{"dataset": {"name": "incomplete"}}]},
        label="incomplete",
        says=True,
    )
    s.post("runs/log-inputs", {"run_id": "0" * 32, "datasets": []}, label="missing run", says=True)
    s.get("runs/get", {"run_id": run}, label="with inputs")
    s.post("runs/search", {"experiment_ids": [e], "filter": "dataset.name = 'penguins'"}, label="by dataset")
