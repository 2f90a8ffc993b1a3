"""MLflow 3's logged models: create, finish, tag, search, link to runs."""


def _run(s, name="models"):
    e = s.post("experiments/create", {"name": s.name(name)})["experiment_id"]
    return e, s.post("runs/create", {"experiment_id": e, "start_time": 1})["run"]["info"]["run_id"]


def _model(s, e, name, **more):
    return s.post("logged-models", {"experiment_id": e, "name": name} | more)["model"]["info"]["model_id"]


def life(s):
    e, run = _run(s)
    params = [{"key": "alpha", "value": "0.1"}, {"key": "ñ", "value": "ü"}]
    tags = [{"key": "t", "value": "1"}]
    id = _model(s, e, "clf", source_run_id=run, params=params, tags=tags, model_type="classifier")
    s.get(f"logged-models/{id}")
    s.call("PATCH", f"logged-models/{id}", {"model_id": id, "status": "LOGGED_MODEL_READY"})
    s.call(
        "PATCH",
        f"logged-models/{id}/tags",
        {"tags": [{"key": "t", "value": "2"}, {"key": "mlflow.modelVersions", "value": "[]"}]},
    )
    s.get(f"logged-models/{id}", label="tagged")
    s.post(f"logged-models/{id}/params", {"model_id": id, "params": [{"key": "late", "value": "3"}]})
    s.post(
        f"logged-models/{id}/params",
        {"model_id": id, "params": [{"key": "late", "value": "4"}]},
        label="again",
        says=True,
    )
    s.call("DELETE", f"logged-models/{id}/tags/t")
    s.call("DELETE", f"logged-models/{id}/tags/t", label="twice", says=True)
    s.get(f"logged-models/{id}", label="with params")
    s.call("DELETE", f"logged-models/{id}")
    s.get(f"logged-models/{id}", label="deleted", says=True)
    s.call("DELETE", f"logged-models/{id}", label="twice", says=True)
    s.post("logged-models/search", {"experiment_ids": [e]}, label="after")


def without_run_or_name(s):
    e, _ = _run(s)
    s.post("logged-models", {"experiment_id": e}, view=lambda b: sorted(b["model"]["info"]), label="no name")
    id = _model(s, e, "alone")
    s.get(f"logged-models/{id}")
    for status in ("LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", 2):
        s.call("PATCH", f"logged-models/{id}", {"model_id": id, "status": status}, label=f"status {status}")
    for status in ("READY", "NOPE", "LOGGED_MODEL_STATUS_UNSPECIFIED"):
        s.call("PATCH", f"logged-models/{id}", {"model_id": id, "status": status}, label=f"lax: status {status}")
    s.call("PATCH", f"logged-models/{id}", {"model_id": id}, label="no status", says=True)
    s.call("PATCH", f"logged-models/{id}", {"status": "LOGGED_MODEL_READY"}, label="id only in the path")


def refused(s):
    e, run = _run(s)
    for name in ["a/b", "a:b", "a.b", "a%b", 'a"b', "a'b", "", " ", "ñ 🐧", "a b", "x" * 250, "x" * 500]:
        s.post(
            "logged-models",
            {"experiment_id": e, "name": name},
            label=f"name {name[:20]!r}",
            says=True,
            view=lambda b: list(b),
        )
    s.post("logged-models", {"experiment_id": "98765", "name": "a"}, label="no experiment", says=True)
    s.post("logged-models", {"name": "a"}, label="experiment not given", says=True)
    s.post(
        "logged-models",
        {"experiment_id": e, "name": "a", "source_run_id": "0" * 32},
        label="no run",
        says=True,
        view=lambda b: list(b),
    )
    for method, path, body in [
        ("GET", "", None),
        ("PATCH", "", {"status": "LOGGED_MODEL_READY"}),
        ("PATCH", "/tags", {"tags": [{"key": "a", "value": "b"}]}),
        ("DELETE", "", None),
        ("DELETE", "/tags/a", None),
        ("POST", "/params", {"params": [{"key": "a", "value": "b"}]}),
        ("GET", "/artifacts/directories", None),
    ]:
        body = body and body | {"model_id": "m-" + "0" * 32}
        s.call(method, "logged-models/m-" + "0" * 32 + path, body, label="missing", says=True)
    s.get("logged-models/nonsense", says=True)


def links_and_metrics(s):
    """Inputs and outputs of runs, and metrics that belong to a model."""
    e, run = _run(s)
    id = _model(s, e, "clf", source_run_id=run)
    s.post("runs/outputs", {"run_id": run, "models": [{"model_id": id, "step": 3}]})
    s.post("runs/log-inputs", {"run_id": run, "models": [{"model_id": id}]})
    s.post(
        "runs/log-batch",
        {
            "run_id": run,
            "metrics": [
                {
                    "key": "acc",
                    "value": 0.5,
                    "timestamp": 10,
                    "step": 1,
                    "model_id": id,
                    "dataset_name": "d",
                    "dataset_digest": "x",
                },
                {"key": "acc", "value": 0.75, "timestamp": 11, "step": 2, "model_id": id},
            ],
        },
    )
    s.post("runs/log-metric", {"run_id": run, "key": "loss", "value": 0.25, "timestamp": 12, "step": 0, "model_id": id})
    s.get("runs/get", {"run_id": run})
    s.get(f"logged-models/{id}")
    s.get("metrics/get-history", {"run_id": run, "metric_key": "acc"}, label="acc")
    s.post("runs/outputs", {"run_id": run, "models": [{"model_id": "m-" + "0" * 32, "step": 0}]}, label="missing model")
    s.post(
        "runs/outputs", {"run_id": "0" * 32, "models": [{"model_id": id, "step": 0}]}, label="missing run", says=True
    )
    s.post("runs/outputs", {"run_id": run}, label="no models", says=True)
    s.post("runs/search", {"experiment_ids": [e]}, label="with outputs")


def files(s):
    e, run = _run(s)
    id = _model(s, e, "clf", source_run_id=run)
    root = f"{e}/models/{id}/artifacts"
    s.artifact("PUT", f"{root}/MLmodel", b"flavors: {}\n", label="PUT MLmodel")
    s.artifact("PUT", f"{root}/data/model.bin", b"x", label="PUT data")
    s.get(f"logged-models/{id}/artifacts/directories")
    s.get(f"logged-models/{id}/artifacts/directories", {"artifact_directory_path": "data"}, label="data")
    s.call(
        "GET",
        f"/ajax-api/2.0/mlflow/logged-models/{id}/artifacts/files",
        query={"artifact_file_path": "MLmodel"},
        view=lambda b: None,
    )


def _names(body):
    return [m["info"]["name"] for m in body.get("models", [])] + ["more"] * bool(body.get("next_page_token"))


def search(s):
    e, run = _run(s)
    for i, name in enumerate(["alpha", "beta", "alpha", "Gamma", "delta"]):
        tags = [{"key": "team", "value": "blue" if i % 2 else "red"}]
        id = _model(
            s,
            e,
            name,
            source_run_id=run,
            tags=tags,
            params=[{"key": "lr", "value": str(i)}],
            model_type="t" if i else "u",
        )
        s.post(
            "runs/log-metric", {"run_id": run, "key": "acc", "value": i / 4, "timestamp": 5, "step": 0, "model_id": id}
        )
        if i % 2:
            s.call("PATCH", f"logged-models/{id}", {"model_id": id, "status": "LOGGED_MODEL_READY"})
    s.post(
        "logged-models/search",
        {"experiment_ids": [e], "order_by": [{"field_name": "creation_time", "ascending": True}]},
        label="all",
    )
    filters = [
        "name = 'alpha'",
        "name != 'alpha'",
        "name LIKE 'al%'",
        "name ILIKE 'gam%'",
        "attributes.name = 'beta'",
        "status = 'READY'",
        "status = 'PENDING'",
        "status != 'READY'",
        "model_type = 't'",
        "source_run_id = 'RUN'",
        "tags.team = 'blue'",
        "tags.team != 'blue'",
        "params.lr = '1'",
        "metrics.acc > 0.3",
        "metrics.acc <= 0.25 AND tags.team = 'red'",
        "creation_time > 0",
        "creation_timestamp > 0",
        "last_updated_timestamp > 0",
        "model_id = 'm-x'",
        "name IN ('alpha', 'beta')",
        "params.lr IS NULL",
        "name = 'a' OR name = 'b'",
        "nope = 'x'",
        "metrics.acc > 'x'",
        "name",
        "experiment_id = '1'",
    ]
    for text in filters:
        body = {
            "experiment_ids": [e],
            "filter": text.replace("RUN", run),
            "order_by": [{"field_name": "name", "ascending": True}],
        }
        s.post("logged-models/search", body, label=f"[{text}]", view=_names, says=True)
    orders = [
        ("name", False),
        ("creation_time", True),
        ("creation_timestamp", True),
        ("metrics.acc", True),
        ("metrics.acc", False),
        ("params.lr", True),
        ("tags.team", True),
        ("last_updated_timestamp", True),
        ("nope", True),
    ]
    for field, ascending in orders:
        order = [{"field_name": field, "ascending": ascending}, {"field_name": "creation_time", "ascending": True}]
        s.post(
            "logged-models/search",
            {"experiment_ids": [e], "order_by": order},
            label=f"{field} {ascending}",
            view=_names,
            says=True,
        )
    token = ""
    for page in range(4):
        body = {
            "experiment_ids": [e],
            "max_results": 2,
            "order_by": [{"field_name": "creation_time", "ascending": True}],
        }
        token = s.post(
            "logged-models/search", body | ({"page_token": token} if token else {}), label=f"page {page}", view=_names
        ).get("next_page_token")
        if not token:
            break
    s.post("logged-models/search", {"experiment_ids": []}, label="no experiments", says=True)
    s.post("logged-models/search", {}, label="experiments not given", says=True)
    s.post("logged-models/search", {"experiment_ids": ["98765"]}, label="missing experiment")
    s.post("logged-models/search", {"experiment_ids": [e], "page_token": "x"}, label="bad token", says=True)


def search_by_dataset(s):
    """Models by what they were found to do on a dataset; the latest value on it gives the order."""
    e, run = _run(s)
    for i, name in enumerate(["a", "b", "c", "d"]):
        id = _model(s, e, name, source_run_id=run)
        metrics = [{"key": "acc", "value": i / 4, "timestamp": 5, "step": 0, "model_id": id}]
        if i < 3:
            on = {"dataset_name": "train", "dataset_digest": "x" if i else "y"}
            metrics.append({"key": "acc", "value": 1 - i / 4, "timestamp": 6, "step": 1, "model_id": id} | on)
        if i > 1:
            on = {"dataset_name": "test", "dataset_digest": "x"}
            metrics.append({"key": "loss", "value": i, "timestamp": 7, "step": 1, "model_id": id} | on)
        s.post("runs/log-batch", {"run_id": run, "metrics": metrics}, label=name)
    train, test = {"dataset_name": "train"}, {"dataset_name": "test"}
    by_name = [{"field_name": "name", "ascending": True}]
    searches = {
        "on train": {"datasets": [train]},
        "on train y": {"datasets": [train | {"dataset_digest": "y"}]},
        "on either": {"datasets": [train, test]},
        "on none": {"datasets": [{"dataset_name": "nope"}]},
        "acc on train": {"datasets": [train], "filter": "metrics.acc > 0.6"},
        "acc on train, name": {"datasets": [train], "filter": "metrics.acc > 0.6 AND name != 'a'"},
        "acc on test": {"datasets": [test], "filter": "metrics.acc > 0"},
        "loss on test": {"datasets": [test], "filter": "metrics.loss >= 3"},
        "without a name": {"datasets": [{"dataset_digest": "x"}]},
        "with an empty name": {"datasets": [{"dataset_name": ""}]},
    }
    for label, search in searches.items():
        body = {"experiment_ids": [e], "order_by": by_name} | search
        s.post("logged-models/search", body, label=label, view=_names, says=True)
    for on in [train, test, train | {"dataset_digest": "x"}, {"dataset_digest": "y"}]:
        for ascending in [True, False]:
            order = [{"field_name": "metrics.acc", "ascending": ascending} | on, *by_name]
            body = {"experiment_ids": [e], "order_by": order}
            s.post("logged-models/search", body, label=f"by acc on {on} {ascending}", view=_names)
