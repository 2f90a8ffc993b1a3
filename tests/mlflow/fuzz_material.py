"""What the fuzzer spoils, valid requests for every route, and what it spoils them with."""

import json

from wire import ARTIFACTS


class Seen:
    """What was made at the server before, so that spoilt requests still reach something."""

    def __init__(self, api, canary):
        self.canary = canary
        self.experiment = api.post("experiments/create", {"name": f"fuzz {canary}"})["experiment_id"]
        self.run = api.post("runs/create", {"experiment_id": self.experiment, "start_time": 1})["run"]["info"]["run_id"]
        self.model = f"fuzz-{canary}"
        api.post("registered-models/create", {"name": self.model})
        api.post("model-versions/create", {"name": self.model, "source": "s3://bucket/x"})
        created = api.post("logged-models", {"experiment_id": self.experiment, "name": "clf"})
        self.logged = created["model"]["info"]["model_id"]
        self.root = f"{self.experiment}/{self.run}/artifacts"
        api.put_artifact(f"{self.root}/a.txt", b"hello")

    def bodies(self):
        """A valid request for every route that takes a body."""
        run, experiment, model = {"run_id": self.run}, {"experiment_id": self.experiment}, {"name": self.model}
        metric = {"key": "m", "value": 0.5, "timestamp": 5, "step": 1}
        pair, tags = {"key": "k", "value": "v"}, [{"key": "k", "value": "v"}]
        version = model | {"version": "1"}
        logged = f"logged-models/{self.logged}"
        dataset = {"name": "d", "digest": "x", "source_type": "local", "source": "{}"}
        interval = {"runIds": [self.run], "metricKey": "m", "maxResults": 10}
        return [
            (
                "POST",
                "experiments/create",
                {"name": f"n {self.canary}", "artifact_location": "mlflow-artifacts:/x", "tags": tags},
            ),
            (
                "POST",
                "experiments/search",
                {
                    "max_results": 5,
                    "filter": "name LIKE '%'",
                    "order_by": ["name ASC"],
                    "view_type": "ALL",
                    "page_token": "",
                },
            ),
            ("POST", "experiments/update", experiment | {"new_name": f"m {self.canary}"}),
            ("POST", "experiments/set-experiment-tag", experiment | pair),
            ("POST", "experiments/delete-experiment-tag", experiment | {"key": "k"}),
            ("POST", "runs/create", experiment | {"user_id": "u", "run_name": "r", "start_time": 5, "tags": tags}),
            ("POST", "runs/update", run | {"status": "FINISHED", "end_time": 9, "run_name": "s"}),
            ("POST", "runs/log-metric", run | metric),
            ("POST", "runs/log-parameter", run | pair),
            ("POST", "runs/set-tag", run | pair),
            ("POST", "runs/delete-tag", run | {"key": "k"}),
            ("POST", "runs/log-batch", run | {"metrics": [metric] * 3, "params": tags, "tags": tags}),
            (
                "POST",
                "runs/log-model",
                run
                | {
                    "model_json": json.dumps(
                        {"artifact_path": "m", "flavors": {}, "utc_time_created": "t", "run_id": self.run}
                    )
                },
            ),
            (
                "POST",
                "runs/log-inputs",
                run | {"datasets": [{"dataset": dataset, "tags": tags}], "models": [{"model_id": self.logged}]},
            ),
            ("POST", "runs/outputs", run | {"models": [{"model_id": self.logged, "step": 1}]}),
            (
                "POST",
                "runs/search",
                {
                    "experiment_ids": [self.experiment],
                    "filter": "metrics.m > 0.1 AND params.k = 'v'",
                    "order_by": ["metrics.m DESC"],
                    "max_results": 5,
                    "run_view_type": "ALL",
                    "page_token": "",
                },
            ),
            ("POST", "runs/delete", {"run_id": "0" * 32}),
            ("POST", "runs/restore", run),
            ("POST", "experiments/delete", {"experiment_id": "987654"}),
            ("POST", "experiments/restore", experiment),
            (
                "POST",
                "logged-models",
                experiment
                | {"name": "clf", "source_run_id": self.run, "params": tags, "tags": tags, "model_type": "t"},
            ),
            (
                "POST",
                "logged-models/search",
                {
                    "experiment_ids": [self.experiment],
                    "filter": "name = 'clf'",
                    "max_results": 5,
                    "order_by": [{"field_name": "name", "ascending": True}],
                    "datasets": [],
                },
            ),
            ("PATCH", logged, {"model_id": self.logged, "status": "LOGGED_MODEL_READY"}),
            ("PATCH", f"{logged}/tags", {"model_id": self.logged, "tags": tags}),
            ("POST", f"{logged}/params", {"model_id": self.logged, "params": tags}),
            ("DELETE", f"{logged}/tags/k", {}),
            ("POST", "registered-models/create", {"name": f"o {self.canary}", "tags": tags, "description": "d"}),
            ("PATCH", "registered-models/update", model | {"description": "d"}),
            ("POST", "registered-models/rename", {"name": f"o {self.canary}", "new_name": f"p {self.canary}"}),
            ("DELETE", "registered-models/delete", {"name": f"p {self.canary}"}),
            ("POST", "registered-models/alias", version | {"alias": "champion"}),
            ("DELETE", "registered-models/alias", model | {"alias": "champion"}),
            ("POST", "registered-models/set-tag", model | pair),
            ("DELETE", "registered-models/delete-tag", model | {"key": "k"}),
            ("POST", "registered-models/get-latest-versions", model | {"stages": ["None"]}),
            (
                "POST",
                "model-versions/create",
                model | {"source": f"runs:/{self.run}/m", "run_id": self.run, "tags": tags, "description": "d"},
            ),
            ("PATCH", "model-versions/update", version | {"description": "d"}),
            (
                "POST",
                "model-versions/transition-stage",
                version | {"stage": "Staging", "archive_existing_versions": True},
            ),
            ("POST", "model-versions/set-tag", version | pair),
            ("DELETE", "model-versions/delete-tag", version | {"key": "k"}),
            ("DELETE", "model-versions/delete", model | {"version": "99"}),
            ("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": [self.experiment]}),
            (
                "POST",
                "/graphql",
                {
                    "operationName": "GetMetricHistoryBulkInterval",
                    "query": "query GetMetricHistoryBulkInterval { x }",
                    "variables": {"data": interval},
                },
            ),
            (
                "POST",
                "/graphql",
                {"operationName": "GetRun", "query": "query GetRun { x }", "variables": {"data": {"runId": self.run}}},
            ),
        ]

    def queries(self):
        """A valid query for every route that takes one."""
        run, model = {"run_id": self.run}, {"name": self.model}
        return [
            ("experiments/get", {"experiment_id": self.experiment}),
            ("experiments/get-by-name", {"experiment_name": "Default"}),
            ("experiments/search", {"max_results": "5", "filter": "name = 'x'", "order_by": "name"}),
            ("runs/get", run),
            ("metrics/get-history", run | {"metric_key": "m", "max_results": "5", "page_token": ""}),
            (
                "metrics/get-history-bulk-interval",
                {"run_ids": self.run, "metric_key": "m", "max_results": "5", "start_step": "0", "end_step": "5"},
            ),
            ("/ajax-api/2.0/mlflow/metrics/get-history-bulk", run | {"metric_key": "m", "max_results": "5"}),
            ("artifacts/list", run | {"path": "a"}),
            ("/get-artifact", run | {"path": "a.txt"}),
            ("registered-models/get", model),
            (
                "registered-models/search",
                {"filter": "name LIKE '%'", "max_results": "5", "order_by": "name ASC", "page_token": ""},
            ),
            ("registered-models/alias", model | {"alias": "champion"}),
            ("model-versions/get", model | {"version": "1"}),
            ("model-versions/get-download-uri", model | {"version": "1"}),
            ("model-versions/search", {"filter": "version_number > 0", "max_results": "5"}),
            (f"logged-models/{self.logged}", {}),
            (f"logged-models/{self.logged}/artifacts/directories", {"artifact_directory_path": "a"}),
            (ARTIFACTS, {"path": self.root}),
        ]


# fmt: off
STRANGE = [
    None, True, False, 0, -1, 1.5, 1e308, -1e308, 2**31, 2**63, -(2**63) - 1, 2**64, 10**400, "", " ", "a" * 300, "a" * 70_000, "\0", "a\0b", "\ud800", "🐧" * 300, "é\u0301", "\u202e", "\r\n",
    [], [[]], {}, {"a": {"b": []}}, [None], [1, "a", None], "NaN", "Infinity", "-Infinity", "1e999", "0x10", "١", "NULL", "null", "'; DROP TABLE runs; --", "' OR '1'='1", "\" OR 1=1 --", "%", "_", "\\", "`", "${7*7}", "{{7*7}}", "%s%n", "../../etc/passwd", "/etc/passwd", "C:\\x", "file:///etc/passwd",
]
TOKENS = [
    "metrics", "params", "tags", "attributes", "dataset", "run", ".", ".", "m", "`a b`", '"a"', "'x'", "=", "!=", ">", ">=", "<", "<=", "LIKE", "ILIKE", "IN", "NOT", "IS", "NULL", "AND", "and", "OR", "(", ")", ",", "1", "-1", "1e3", "1e999", "0x1", "'", '"', "`", ";", "--", "/*", "*/", "\\",
    "DROP TABLE runs", "UNION SELECT", "name", "status", "start_time", "run_id", "ASC", "DESC", "%", "_", "🐧", "\0", "\n", "experiment_id", "version_number",
]
UP = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%2f", "..%5c", "..\\", "%c0%ae%c0%ae", "%uff0e%uff0e", "..;", "...", "....//", "．．", "%00..", "..%00"]
RAW = [
    b"", b"{", b"}", b"[]", b"[1]", b"null", b"5", b'"x"', b"nul", b"\xff\xfe\xfd", b'{"name": "\xff"}', b'{"name": "\xed\xa0\x80"}', b'{"a": 1e999}', b'{"run_id": NaN}', b"[" * 20_000, b'{"a":' * 20_000, b'{"name": "x"} x', b"'" * 50, b"\xef\xbb\xbf{}",
    b'{"max_results": ' + b"1" * 5000 + b"}", b'{"name": "' + b"\\u0000" * 20 + b'"}', b'{"name": "\\ud800"}', b'{"name": "a", "name": "b"}', b"\0" * 100, b"--boundary\r\nContent-Disposition: form-data\r\n\r\n",
]
# fmt: on
