"""What a client asks before it begins."""


def server_routes(s):
    s.get("/health")
    s.call("GET", "/version", view=lambda _: None)  # text/plain is better than the real server's text/html
    for prefix in ("/api", "/ajax-api"):
        s.get(f"{prefix}/3.0/mlflow/server-info", view=_store_type)


def _store_type(info):
    return {k: info.get(k) for k in ("store_type", "workspaces_enabled", "multipart_uploads_enabled")}


def ajax_prefix(s):
    """Every route exists under both prefixes."""
    ajax = "/ajax-api/2.0/mlflow/"
    experiment = s.post(ajax + "experiments/create", {"name": s.name("ajax")})["experiment_id"]
    s.get(ajax + "experiments/get", {"experiment_id": experiment})
    s.post(ajax + "experiments/search", {"max_results": 5, "filter": f"name = '{s.name('ajax')}'"})
    run = s.post(ajax + "runs/create", {"experiment_id": experiment, "start_time": 1000})["run"]["info"]["run_id"]
    s.post(ajax + "runs/log-metric", {"run_id": run, "key": "m", "value": 1.5, "timestamp": 7, "step": 1})
    s.get(ajax + "runs/get", {"run_id": run})
    s.post(ajax + "runs/search", {"experiment_ids": [experiment]})
    s.get(ajax + "metrics/get-history", {"run_id": run, "metric_key": "m"})
    s.call(
        "PUT",
        f"/ajax-api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/a.txt",
        raw=b"hello",
        label="PUT ajax",
    )
    s.get("/ajax-api/2.0/mlflow-artifacts/artifacts", {"path": f"{experiment}/{run}/artifacts"})
    s.get(ajax + "artifacts/list", {"run_id": run})
    name = s.name("ajax-model")
    s.post(ajax + "registered-models/create", {"name": name})
    s.get(ajax + "registered-models/get", {"name": name})
    s.call("DELETE", ajax + "registered-models/delete", {"name": name})
    s.post(ajax + "logged-models", {"experiment_id": experiment, "name": "lm"})
    s.post(ajax + "logged-models/search", {"experiment_ids": [experiment]})


def ui_extras(s):
    """Routes that only the UI uses."""
    experiment = s.post("experiments/create", {"name": s.name("ui")})["experiment_id"]
    runs = []
    for i in range(2):
        run = s.post("runs/create", {"experiment_id": experiment, "start_time": 1000 + i})["run"]["info"]["run_id"]
        runs.append(run)
        metrics = [{"key": "m", "value": float(j), "timestamp": j, "step": j} for j in range(30)]
        s.post("runs/log-batch", {"run_id": run, "metrics": metrics})
    s.get(
        "/ajax-api/2.0/mlflow/metrics/get-history-bulk",
        {"run_id": runs[0], "metric_key": "m", "max_results": 25},
        ordered=True,
    )
    s.get("/ajax-api/2.0/mlflow/metrics/get-history-bulk", {"run_id": runs, "metric_key": "m"}, label="two runs")
    bulk = {"run_ids": runs, "metric_key": "m", "max_results": 10}
    for prefix in ("/ajax-api/2.0/mlflow/", "/api/2.0/mlflow/"):
        s.get(prefix + "metrics/get-history-bulk-interval", bulk, ordered=True)
    s.get("metrics/get-history-bulk-interval", bulk | {"start_step": 5, "end_step": 9}, label="from 5 to 9")
    s.get("metrics/get-history-bulk-interval", bulk | {"max_results": 3000}, label="too many", says=True)
    s.get("metrics/get-history-bulk-interval", bulk | {"start_step": 9, "end_step": 5}, label="backwards", says=True)
    s.post("/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": [experiment]})
    dataset = {"name": "d", "digest": "abc", "source_type": "local", "source": "{}"}
    s.post(
        "runs/log-inputs",
        {
            "run_id": runs[0],
            "datasets": [{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "train"}]}],
        },
    )
    s.post("/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": [experiment]}, label="one")


QUERIES = {
    "GetRun": "query GetRun($data: MlflowGetRunInput!) { mlflowGetRun(input: $data) { apiError { code message } run { info { runName runUuid experimentId status artifactUri lifecycleStage startTime } data { metrics { key value step timestamp } params { key value } tags { key value } } } } }",
    "MlflowGetExperimentQuery": "query MlflowGetExperimentQuery($input: MlflowGetExperimentInput!) { mlflowGetExperiment(input: $input) { apiError { code message } experiment { artifactLocation experimentId lifecycleStage name tags { key value } } } }",
    "SearchRuns": "query SearchRuns($data: MlflowSearchRunsInput!) { mlflowSearchRuns(input: $data) { apiError { code message } runs { info { runName runUuid status } data { metrics { key value } } } } }",
    "GetMetricHistoryBulkInterval": "query GetMetricHistoryBulkInterval($data: MlflowGetMetricHistoryBulkIntervalInput!) { mlflowGetMetricHistoryBulkInterval(input: $data) { apiError { code message } metrics { runId key value step timestamp } } }",
}


def graphql(s):
    """The four queries of the stock UI."""
    experiment = s.post("experiments/create", {"name": s.name("graphql")})["experiment_id"]
    run = s.post("runs/create", {"experiment_id": experiment, "run_name": "g", "start_time": 1000})["run"]["info"][
        "run_id"
    ]
    s.post(
        "runs/log-batch",
        {
            "run_id": run,
            "metrics": [{"key": "m", "value": float(j), "timestamp": j, "step": j} for j in range(3)],
            "params": [{"key": "p", "value": "1"}],
        },
    )
    inputs = {
        "GetRun": {"data": {"runId": run}},
        "MlflowGetExperimentQuery": {"input": {"experimentId": experiment}},
        "SearchRuns": {"data": {"experimentIds": [experiment], "filter": "metrics.m = 2"}},
        "GetMetricHistoryBulkInterval": {"data": {"runIds": [run], "metricKey": "m", "maxResults": 10}},
    }
    for operation, query in QUERIES.items():
        body = {"operationName": operation, "query": query, "variables": inputs[operation]}
        s.post("/graphql", body, label=operation)
    missing = {"operationName": "GetRun", "query": QUERIES["GetRun"], "variables": {"data": {"runId": "0" * 32}}}
    s.post("/graphql", missing, label="GetRun missing")
