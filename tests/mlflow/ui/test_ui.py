"""The stock UI in front of the server under test, by way of the plug-in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import servers
from wire import ARTIFACTS, Api

PLUGIN = Path(__file__).parent / "rookery_mlflow_ui"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """The plug-in, installed in a folder of its own."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(PLUGIN, folder / "source")  # building leaves files behind
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder / "site"), str(source)]
    subprocess.run(command, check=True, timeout=180)
    return folder / "site"


@pytest.fixture(scope="module")
def ui(ours, plugin, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ui")
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    path = os.pathsep.join(filter(None, [str(plugin), os.environ.get("PYTHONPATH", "")]))
    environment = servers.mlflow_environment(MLFLOW_TRACKING_TOKEN=ours.token, PYTHONPATH=path)
    command = [
        *(sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", ours.url, "--artifacts-destination", ours.url + ARTIFACTS),
    ]
    with servers.stopped_after(command, folder / "ui.log", cwd=folder, env=environment) as process:
        try:
            servers.wait_healthy(url, process)
        except Exception as e:
            raise RuntimeError(f"{e}\n{(folder / 'ui.log').read_text()[-4000:]}") from e
        yield Api(url)


@pytest.fixture(scope="module")
def shown(ours, session_name):
    """An experiment with a run, a metric, an artifact and a registered model, made at the server under test."""
    api = ours.api()
    experiment = api.post("experiments/create", {"name": f"{session_name}-ui"})["experiment_id"]
    run = api.post("runs/create", {"experiment_id": experiment, "run_name": "seen in the UI", "start_time": 1000})[
        "run"
    ]["info"]["run_id"]
    api.post(
        "runs/log-batch",
        {"run_id": run, "metrics": [{"key": "m", "value": float(i), "timestamp": i, "step": i} for i in range(5)]},
    )
    api.put_artifact(f"{experiment}/{run}/artifacts/a.txt", b"hello")
    api.post("registered-models/create", {"name": f"{session_name}-ui"})
    return experiment, run


AJAX = "/ajax-api/2.0/mlflow/"


def test_pages(ui):
    page = ui.call("GET", "/")
    assert page.status == 200 and b"<title>MLflow</title>" in page.body


def test_experiments_and_runs(ui, shown, session_name):
    experiment, run = shown
    found = ui.get(AJAX + "experiments/search", max_results=100, filter=f"name = '{session_name}-ui'")
    assert [e["experiment_id"] for e in found["experiments"]] == [experiment]
    runs = ui.post(AJAX + "runs/search", {"experiment_ids": [experiment], "filter": "metrics.m > 3"})["runs"]
    assert [r["info"]["run_id"] for r in runs] == [run]
    history = ui.get(AJAX + "metrics/get-history", run_id=run, metric_key="m")["metrics"]
    assert sorted(m["value"] for m in history) == [0, 1, 2, 3, 4]
    interval = ui.get(AJAX + "metrics/get-history-bulk-interval", run_ids=run, metric_key="m", max_results=10)
    assert len(interval["metrics"]) == 5
    models = ui.get(AJAX + "registered-models/search", filter=f"name = '{session_name}-ui'")
    assert [m["name"] for m in models["registered_models"]] == [f"{session_name}-ui"]


def test_artifacts(ui, shown):
    _, run = shown
    assert [f["path"] for f in ui.get(AJAX + "artifacts/list", run_id=run)["files"]] == ["a.txt"]
    response = ui.call("GET", "/get-artifact", query={"run_id": run, "path": "a.txt"})
    assert (response.status, response.body) == (200, b"hello")


def test_graphql(ui, shown):
    _, run = shown
    query = "query GetRun($data: MlflowGetRunInput!) { mlflowGetRun(input: $data) { apiError { code message } run { info { runName } data { metrics { key value } } } } }"
    answer = ui.post("/graphql", {"operationName": "GetRun", "query": query, "variables": {"data": {"runId": run}}})
    run = answer["data"]["mlflowGetRun"]["run"]
    assert run["info"]["runName"] == "seen in the UI" and run["data"]["metrics"] == [{"key": "m", "value": 4.0}]
