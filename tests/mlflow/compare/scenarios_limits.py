"""How names may look, how much fits, and what can no longer be changed."""


def _run(s, name="limits"):
    e = s.post("experiments/create", {"name": s.name(name)})["experiment_id"]
    return e, s.post("runs/create", {"experiment_id": e, "start_time": 1})["run"]["info"]["run_id"]


def keys(s):
    """Names of metrics, parameters and tags."""
    _, run = _run(s)
    for key in [
        "a$b",
        "a/b",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        "./a",
        ".",
        "..",
        "",
        " ",
        "a b",
        "ñ",
        "a:b",
        "a\nb",
        "-a",
        "_a",
        "a.b",
        "a\\b",
        "x" * 250,
        "x" * 251,
        "🐧",
    ]:
        shown = repr(key[:20]) + str(len(key))
        s.post("runs/log-metric", {"run_id": run, "key": key, "value": 1, "timestamp": 5}, label=shown, says=True)
        s.post("runs/log-parameter", {"run_id": run, "key": key, "value": "v"}, label=shown, says=True)
        s.post("runs/set-tag", {"run_id": run, "key": key, "value": "v"}, label=shown, says=True)
        s.post(
            "runs/log-batch",
            {
                "run_id": run,
                "params": [{"key": "ok" + shown, "value": "v"}],
                "metrics": [{"key": key, "value": 1, "timestamp": 9, "step": 1}],
            },
            label=shown,
            says=True,
        )
    s.get("runs/get", {"run_id": run})


def long_values(s):
    e, run = _run(s)
    for length in (6000, 6001):
        s.post(
            "runs/log-parameter",
            {"run_id": run, "key": f"p{length}", "value": "v" * length},
            label=f"{length}",
            says=True,
        )
        s.post(
            "runs/log-batch",
            {"run_id": run, "params": [{"key": f"b{length}", "value": "v" * length}]},
            label=f"{length}",
            says=True,
        )
    for length in (8000, 8001):
        s.post(
            "runs/set-tag", {"run_id": run, "key": f"t{length}", "value": "v" * length}, label=f"{length}", says=True
        )
        s.post(
            "runs/log-batch",
            {"run_id": run, "tags": [{"key": f"u{length}", "value": "v" * length}]},
            label=f"{length}",
            says=True,
        )
        s.post(
            "experiments/set-experiment-tag",
            {"experiment_id": e, "key": f"e{length}", "value": "v" * length},
            label=f"{length}",
            says=True,
        )
    for length in (5000, 5001):
        s.post(
            "experiments/set-experiment-tag",
            {"experiment_id": e, "key": f"e{length}", "value": "v" * length},
            label=f"{length}",
            says=True,
        )
    s.get("runs/get", {"run_id": run}, view=_lengths)
    s.get(
        "experiments/get",
        {"experiment_id": e},
        view=lambda b: sorted((t["key"], len(t["value"])) for t in b["experiment"]["tags"]),
    )
    s.post(
        "runs/update",
        {"run_id": run, "run_name": "n" * 251},
        label="name of 251",
        view=lambda b: len(b["run_info"]["run_name"]),
    )
    s.post(
        "runs/create",
        {"experiment_id": e, "run_name": "n" * 9000},
        label="name of 9000",
        says=True,
        view=lambda b: None,
    )


def _lengths(body):
    data = body["run"]["data"]
    return sorted(
        (kind, p["key"], len(p["value"]))
        for kind in ("params", "tags")
        for p in data.get(kind, [])
        if len(p["value"]) > 99
    )


def params_never_change(s):
    _, run = _run(s)
    s.post("runs/log-parameter", {"run_id": run, "key": "p", "value": "1"})
    s.post("runs/log-parameter", {"run_id": run, "key": "p", "value": "2"}, label="other", says=True)
    s.post(
        "runs/log-batch",
        {
            "run_id": run,
            "params": [{"key": "p", "value": "2"}, {"key": "q", "value": "1"}],
            "metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 0}],
        },
        label="other",
        says=True,
    )
    s.post(
        "runs/log-batch",
        {"run_id": run, "params": [{"key": "r", "value": "1"}, {"key": "r", "value": "2"}]},
        label="twice in one batch",
        says=True,
    )
    s.post(
        "runs/log-batch",
        {"run_id": run, "params": [{"key": "r", "value": "1"}, {"key": "r", "value": "1"}]},
        label="twice the same",
        says=True,
    )
    s.post(
        "runs/log-batch",
        {"run_id": run, "tags": [{"key": "t", "value": "1"}, {"key": "t", "value": "2"}]},
        label="tag twice",
        says=True,
    )
    s.get("runs/get", {"run_id": run}, label="what is stored")


def batch_limits(s):
    _, run = _run(s)

    def batch(metrics=0, params=0, tags=0):
        return {
            "run_id": run,
            "metrics": [{"key": f"m{i}", "value": i, "timestamp": 1, "step": 0} for i in range(metrics)],
            "params": [{"key": f"p{i}", "value": "v"} for i in range(params)],
            "tags": [{"key": f"t{i}", "value": "v"} for i in range(tags)],
        }

    for sizes in ((1001, 0, 0), (0, 101, 0), (0, 0, 101), (900, 101, 0), (850, 100, 100)):
        s.post("runs/log-batch", batch(*sizes), label=f"{sizes}", says=True)
    s.get("runs/get", {"run_id": run}, label="nothing stored", view=_counts)
    for sizes in ((1000, 0, 0), (0, 100, 0), (0, 0, 100), (0, 0, 0)):
        s.post("runs/log-batch", batch(*sizes), label=f"{sizes}", says=True)
    s.get("runs/get", {"run_id": run}, label="all stored", view=_counts)


def _counts(body):
    return {kind: len(body["run"]["data"].get(kind, [])) for kind in ("metrics", "params", "tags")}


def deleted_things(s):
    e, run = _run(s)
    s.post("runs/delete", {"run_id": run})
    point = {"run_id": run, "key": "m", "value": 1, "timestamp": 1}
    _log_all(s, run, point, "to a deleted run")
    s.post("experiments/delete", {"experiment_id": e})
    s.post("runs/create", {"experiment_id": e}, label="in a deleted experiment", says=True)
    s.post(
        "experiments/set-experiment-tag",
        {"experiment_id": e, "key": "a", "value": "b"},
        label="of a deleted experiment",
        says=True,
    )
    s.post(
        "logged-models",
        {"experiment_id": e, "name": "a"},
        label="in a deleted experiment",
        says=True,
        view=lambda b: None,
    )


def _log_all(s, run, point, label):
    s.post("runs/log-metric", point, label=label, says=True)
    s.post("runs/log-parameter", {"run_id": run, "key": "p", "value": "v"}, label=label, says=True)
    s.post("runs/set-tag", {"run_id": run, "key": "t", "value": "v"}, label=label, says=True)
    s.post("runs/delete-tag", {"run_id": run, "key": "mlflow.runName"}, label=label, says=True)
    s.post(
        "runs/log-batch",
        {"run_id": run, "metrics": [{k: v for k, v in point.items() if k != "run_id"} | {"step": 0}]},
        label=label,
        says=True,
    )
    s.post("runs/log-batch", {"run_id": run}, label=label + ", empty", says=True)
    s.post("runs/log-inputs", {"run_id": run, "datasets": []}, label=label, says=True)


def tags_that_are_missing(s):
    _, run = _run(s)
    s.post("runs/delete-tag", {"run_id": run, "key": "none"}, says=True)
    s.post("runs/delete-tag", {"run_id": run, "key": "mlflow.runName"}, says=True)
    s.get("runs/get", {"run_id": run}, label="without a name tag")
