"""The fluent API, as a notebook uses it."""

import json
import math
import time

import numpy as np
import pandas as pd
import pytest


def test_a_run_with_everything(tracking, fresh, tmp_path):
    mlflow = tracking
    with mlflow.start_run(run_name="todo", tags={"team": "azul 🐧"}, description="Una *descripción*") as run:
        mlflow.log_param("maxIter", 5)
        mlflow.log_params({"regParam": 0.5, "name": "Pingüino", "none": None, "list": [1, 2]})
        mlflow.log_metric("accuracy", 0.9545454545454546)
        mlflow.log_metrics({"recall": 0.9, "precision": 1}, step=3)
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.set_tag("one", "1")
        mlflow.set_tags({"two": 2, "mlflow.note.content": "note"})
        mlflow.log_text("text", "notes/text.txt")
        mlflow.log_dict({"a": [1, {"b": None}]}, "data.json")
        mlflow.log_dict({"a": 1}, "data.yaml")
        mlflow.log_table({"x": [1, 2], "y": ["a", "ñ"]}, "table.json")
        mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "black.png")
        (tmp_path / "file with space ñ.bin").write_bytes(bytes(range(256)))
        mlflow.log_artifact(tmp_path / "file with space ñ.bin", "files")
        (tmp_path / "deep" / "er").mkdir(parents=True)
        (tmp_path / "deep" / "er" / "empty").write_bytes(b"")
        mlflow.log_artifacts(tmp_path / "deep", "tree")
        assert mlflow.active_run().info.run_id == run.info.run_id
    stored = mlflow.get_run(run.info.run_id)
    assert stored.info.status == "FINISHED" and stored.info.run_name == "todo"
    assert stored.info.end_time >= stored.info.start_time
    assert stored.data.params == {
        "maxIter": "5",
        "regParam": "0.5",
        "name": "Pingüino",
        "none": "None",
        "list": "[1, 2]",
    }
    assert stored.data.metrics == {"accuracy": 0.9545454545454546, "recall": 0.9, "precision": 1.0, "loss": 0.2}
    assert stored.data.tags["team"] == "azul 🐧" and stored.data.tags["two"] == "2"
    assert stored.data.tags["mlflow.runName"] == "todo"
    uri = f"runs:/{run.info.run_id}"
    assert mlflow.artifacts.load_text(f"{uri}/notes/text.txt") == "text"
    assert mlflow.artifacts.load_dict(f"{uri}/data.json") == {"a": [1, {"b": None}]}
    assert mlflow.artifacts.load_image(f"{uri}/black.png").size == (4, 4)
    assert list(mlflow.load_table("table.json", run_ids=[run.info.run_id])["y"]) == ["a", "ñ"]
    local = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="", dst_path=tmp_path / "down")
    down = tmp_path / "down"
    assert str(down) in local
    assert (down / "files" / "file with space ñ.bin").read_bytes() == bytes(range(256))
    assert (down / "tree" / "er" / "empty").read_bytes() == b""
    names = {f.path for f in mlflow.artifacts.list_artifacts(run_id=run.info.run_id)}
    assert names == {"notes", "data.json", "data.yaml", "table.json", "black.png", "files", "tree"}
    assert [f.path for f in mlflow.artifacts.list_artifacts(run_id=run.info.run_id, artifact_path="tree")] == [
        "tree/er"
    ]


def test_metric_values_come_back(tracking, fresh):
    mlflow = tracking
    with mlflow.start_run() as run:
        for i, value in enumerate([math.nan, math.inf, -math.inf, 1e-300, -0.0, 2**53]):
            mlflow.log_metric(f"m{i}", value)
    metrics = mlflow.get_run(run.info.run_id).data.metrics
    assert math.isnan(metrics["m0"])
    assert metrics["m1"] == 1.7976931348623157e308 and metrics["m2"] == -1.7976931348623157e308
    assert metrics["m3"] == 1e-300 and metrics["m4"] == 0 and metrics["m5"] == 2**53


def test_a_run_that_fails_and_one_that_goes_on(tracking, fresh):
    mlflow = tracking
    with pytest.raises(ValueError), mlflow.start_run() as run:
        raise ValueError("boom")
    assert mlflow.get_run(run.info.run_id).info.status == "FAILED"
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_metric("later", 1)
    stored = mlflow.get_run(run.info.run_id)
    assert stored.info.status == "FINISHED" and stored.data.metrics == {"later": 1}


def test_nested_runs(tracking, fresh):
    mlflow = tracking
    with mlflow.start_run(run_name="parent") as parent:
        children = []
        for i in range(3):
            with mlflow.start_run(nested=True, run_name=f"child {i}") as child:
                mlflow.log_param("i", i)
                children.append(child.info.run_id)
    found = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=["params.i"])
    assert list(found.run_id) == children
    assert mlflow.get_parent_run(children[0]).info.run_id == parent.info.run_id


def test_search_runs_as_a_table(tracking, fresh):
    mlflow = tracking
    for i in range(7):
        with mlflow.start_run(run_name=f"r{i}"):
            mlflow.log_metric("m", i / 2)
            mlflow.log_param("p", i)
    table = mlflow.search_runs(filter_string="metrics.m > 0.6", order_by=["metrics.m DESC"])
    assert isinstance(table, pd.DataFrame) and list(table["params.p"]) == ["6", "5", "4", "3", "2"]
    assert str(table.start_time.dtype).startswith("datetime64")
    assert len(mlflow.search_runs(search_all_experiments=True, filter_string="attributes.run_name = 'r3'")) >= 1
    assert len(mlflow.search_runs(experiment_names=[fresh], max_results=3)) == 3
    listed = mlflow.search_runs(experiment_names=[fresh], output_format="list")
    assert [r.info.run_name for r in listed] == [f"r{i}" for i in range(6, -1, -1)]
    assert mlflow.last_active_run().info.run_name == "r6"


def test_experiments(tracking, session_name):
    mlflow = tracking
    name = f"{session_name} ünïcode/experiment"
    id = mlflow.create_experiment(name, tags={"a": "b"})
    assert mlflow.get_experiment(id).name == name and mlflow.get_experiment_by_name(name).tags["a"] == "b"
    assert mlflow.get_experiment_by_name("no such experiment") is None
    assert mlflow.set_experiment(experiment_id=id).experiment_id == id
    mlflow.set_experiment_tag("c", "d")
    mlflow.set_experiment_tags({"e": "f"})
    assert mlflow.get_experiment(id).tags.items() >= {"a": "b", "c": "d", "e": "f"}.items()
    assert [e.experiment_id for e in mlflow.search_experiments(filter_string=f"name = '{name}'")] == [id]
    mlflow.delete_experiment(id)
    assert mlflow.get_experiment(id).lifecycle_stage == "deleted"
    with pytest.raises(mlflow.exceptions.MlflowException, match="deleted"):
        mlflow.set_experiment(name)


def test_runs_deleted(tracking, fresh):
    mlflow = tracking
    with mlflow.start_run() as run:
        pass
    mlflow.delete_run(run.info.run_id)
    assert mlflow.search_runs().empty
    assert len(mlflow.search_runs(run_view_type=2)) == 1


def test_asynchronous_logging(tracking, fresh):
    mlflow = tracking
    mlflow.config.enable_async_logging()
    try:
        with mlflow.start_run() as run:
            futures = [mlflow.log_metric("m", i, step=i) for i in range(200)]
            mlflow.log_params({f"p{i}": i for i in range(150)})
            mlflow.log_metrics({f"k{i}": i for i in range(300)}, synchronous=False)
            mlflow.set_tag("t", "1")
            for future in futures:
                future.wait()
            mlflow.flush_async_logging()
    finally:
        mlflow.config.enable_async_logging(False)
    stored = mlflow.get_run(run.info.run_id)
    assert len(stored.data.params) == 150 and len(stored.data.metrics) == 301
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "m")
    assert sorted(m.value for m in history) == list(range(200))


def test_asynchronous_artifacts(tracking, fresh):
    mlflow = tracking
    with mlflow.start_run() as run:
        mlflow.MlflowClient().log_image(run.info.run_id, np.zeros((2, 2), dtype=np.uint8), key="img", step=1)
        mlflow.flush_artifact_async_logging()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if mlflow.artifacts.list_artifacts(run_id=run.info.run_id):
            return
        time.sleep(0.1)
    raise AssertionError("the image never arrived")


def test_datasets(tracking, fresh):
    mlflow = tracking
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})
    dataset = mlflow.data.from_pandas(frame, source="https://example.org/penguins.csv", name="penguins", targets="y")
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, context="training", tags={"k": "v"})
        mlflow.log_metric("acc", 0.5, dataset=dataset)
    [found] = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    assert found.dataset.name == "penguins" and found.dataset.digest == dataset.digest
    assert json.loads(found.dataset.profile)["num_rows"] == 2
    assert {t.key: t.value for t in found.tags} == {"k": "v", "mlflow.data.context": "training"}
    assert mlflow.data.get_source(found).to_json() == '{"url": "https://example.org/penguins.csv"}'
    assert len(mlflow.search_runs(filter_string="dataset.name = 'penguins' AND dataset.context = 'training'")) == 1
