"""What is refused: where a person reads the message, it is compared too."""

import json

MISSING = "0" * 32


def _run(s, name="errors"):
    e = s.post("experiments/create", {"name": s.name(name)})["experiment_id"]
    return e, s.post("runs/create", {"experiment_id": e, "start_time": 1})["run"]["info"]["run_id"]


def already_there(s):
    e, _ = _run(s, "a")
    s.post("experiments/create", {"name": s.name("a")}, label="duplicate", says=True)
    other = s.post("experiments/create", {"name": s.name("b")})["experiment_id"]
    s.post(
        "experiments/update",
        {"experiment_id": other, "new_name": s.name("a")},
        label="rename to an existing name",
        says=True,
    )
    s.post("experiments/delete", {"experiment_id": e})
    s.post("experiments/create", {"name": s.name("a")}, label="name of a deleted one", says=True)
    s.post("experiments/update", {"experiment_id": e, "new_name": s.name("c")}, label="rename a deleted one", says=True)
    s.post("registered-models/create", {"name": s.name("m")})
    s.post("registered-models/create", {"name": s.name("n")})
    s.post(
        "registered-models/rename",
        {"name": s.name("n"), "new_name": s.name("m")},
        label="rename model to an existing name",
        says=True,
    )


def not_there(s):
    for path, query in [
        ("experiments/get", {"experiment_id": "987654"}),
        ("experiments/get", {"experiment_id": "abc"}),
        ("experiments/get-by-name", {"experiment_name": "no such"}),
        ("runs/get", {"run_id": MISSING}),
        ("runs/get", {"run_id": "x"}),
        ("metrics/get-history", {"run_id": MISSING, "metric_key": "m"}),
        ("artifacts/list", {"run_id": MISSING}),
        ("registered-models/get", {"name": "no such"}),
        ("model-versions/get", {"name": "no such", "version": "1"}),
        ("model-versions/get-download-uri", {"name": "no such", "version": "1"}),
        ("logged-models/m-" + MISSING, {}),
    ]:
        s.get(path, query, label=str(query), says=True)
    point = {"key": "m", "value": 1, "timestamp": 1, "step": 0}
    for path, body in [
        ("experiments/update", {"experiment_id": "987654", "new_name": "x"}),
        ("experiments/delete", {"experiment_id": "987654"}),
        ("experiments/restore", {"experiment_id": "987654"}),
        ("experiments/set-experiment-tag", {"experiment_id": "987654", "key": "a", "value": "b"}),
        ("runs/update", {"run_id": MISSING, "status": "FINISHED"}),
        ("runs/delete", {"run_id": MISSING}),
        ("runs/log-metric", {"run_id": MISSING} | point),
        ("runs/log-parameter", {"run_id": MISSING, "key": "a", "value": "b"}),
        ("runs/set-tag", {"run_id": MISSING, "key": "a", "value": "b"}),
        ("runs/delete-tag", {"run_id": MISSING, "key": "a"}),
        ("runs/log-batch", {"run_id": MISSING, "metrics": [point]}),
        ("runs/log-batch", {"run_id": MISSING}),
    ]:
        s.post(path, body, label="missing", says=True)


def fields_missing(s):
    """Every required field, left out in turn."""
    _, run = _run(s)
    whole = [
        ("experiments/create", {"name": "x"}),
        ("experiments/update", {"experiment_id": "987", "new_name": "x"}),
        ("experiments/delete", {"experiment_id": "987"}),
        ("experiments/set-experiment-tag", {"experiment_id": "987", "key": "a", "value": "b"}),
        ("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 5}),
        ("runs/log-parameter", {"run_id": run, "key": "p", "value": "v"}),
        ("runs/set-tag", {"run_id": run, "key": "t", "value": "v"}),
        ("runs/delete-tag", {"run_id": run, "key": "none"}),
        ("runs/update", {"run_id": MISSING}),
        ("runs/delete", {"run_id": MISSING}),
        ("runs/restore", {"run_id": MISSING}),
        ("runs/log-batch", {"run_id": MISSING}),
        ("runs/log-model", {"run_id": run, "model_json": "{"}),
        ("registered-models/rename", {"name": "none", "new_name": "x"}),
        ("model-versions/transition-stage", {"name": "none", "version": "1", "stage": "Staging"}),
        ("registered-models/alias", {"name": "none", "alias": "a", "version": "1"}),
        ("model-versions/set-tag", {"name": "none", "version": "1", "key": "a", "value": "b"}),
    ]
    for path, body in whole:
        for field in body:
            s.post(path, {k: v for k, v in body.items() if k != field}, label=f"without {field}", says=True)
    for path in (
        "experiments/get",
        "experiments/get-by-name",
        "runs/get",
        "registered-models/get",
        "model-versions/get",
        "registered-models/alias",
        "model-versions/get-download-uri",
    ):
        s.get(path, label="without anything", says=True)


def wrong_types(s):
    e, run = _run(s)
    for path, body in [
        ("experiments/create", {"name": 5}),
        ("experiments/create", {"name": {"a": 1}}),
        ("experiments/create", {"name": s.name("t"), "tags": "x"}),
        ("experiments/create", {"name": s.name("u"), "tags": [5]}),
        ("experiments/search", {"max_results": "x"}),
        ("experiments/search", {"max_results": 0}),
        ("experiments/search", {"max_results": 50001}),
        ("experiments/search", {"max_results": 5, "page_token": "x"}),
        ("experiments/search", {"max_results": 5, "order_by": "name"}),
        ("experiments/search", {}),
        ("experiments/search", {"filter": 5, "max_results": 5}),
        ("runs/create", {"experiment_id": e, "start_time": "x"}),
        ("runs/create", {"experiment_id": ["0"]}),
        ("runs/create", {"experiment_id": e, "run_name": 5}),
        ("runs/log-metric", {"run_id": run, "key": 5, "value": 1, "timestamp": 5}),
        ("runs/log-metric", {"run_id": run, "key": "m", "value": [1], "timestamp": 5}),
        ("runs/log-metric", {"run_id": run, "key": "m", "value": {"a": 1}, "timestamp": 5}),
        ("runs/log-metric", {"run_id": 5, "key": "m", "value": 1, "timestamp": 5}),
        ("runs/log-parameter", {"run_id": run, "key": "p", "value": ["x"]}),
        ("runs/log-batch", {"run_id": run, "metrics": {}}),
        ("runs/log-batch", {"run_id": run, "metrics": [5]}),
        ("runs/log-batch", {"run_id": run, "metrics": [{"key": "m"}]}),
        ("runs/log-batch", {"run_id": run, "params": [{"value": "p"}]}),
        ("runs/log-batch", {"run_id": run, "tags": "x"}),
        ("runs/search", {"experiment_ids": 5}),
        ("runs/search", {"experiment_ids": [e], "filter": 5}),
        ("runs/search", {"experiment_ids": [e], "order_by": [5]}),
        ("runs/search", {"experiment_ids": [e], "order_by": "x"}),
    ]:
        shown = json.dumps(
            {k: v for k, v in body.items() if k not in ("run_id", "experiment_id", "experiment_ids")}
        ).replace(s.prefix, "")
        s.post(path, body, label=shown, says=True, view=lambda b: None)


def bodies(s):
    """Bodies that aren't a JSON object."""
    for text in (
        b"",
        b"{",
        b"[]",
        b"[1]",
        b"null",
        b"5",
        b'"text"',
        b'"{}"',
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b'{"name": "a"} trailing',
        b"{}",
    ):
        label = f"body {text!r}"
        s.call("POST", "experiments/create", raw=text, label=label)
        s.call("POST", "runs/search", raw=text, label=label, view=lambda b: None)
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-8",
        "application/jsonx",
        "APPLICATION/JSON",
        "",
    ):
        s.call(
            "POST",
            "experiments/search",
            raw=b'{"max_results": 5}',
            headers=[("Content-Type", kind)],
            label=f"type {kind!r}",
            says=True,
            view=lambda b: None,
        )


def routes(s):
    s.get("nope/nope", view=lambda b: None)
    s.get("/api/2.0/nope", view=lambda b: None)
    s.get("experiments/create", view=lambda b: None)
    s.call("DELETE", "runs/search", {}, view=lambda b: None)
