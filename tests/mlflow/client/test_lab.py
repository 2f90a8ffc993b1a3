"""The lab's tracking calls, in its order and with its values; Spark's model folder is made up of empty files."""

import time

NAME = "Pronosticador de pingüinos"
RUNS = [
    (
        {"maxIter": 5, "regParam": 0.5},
        {"accuracy": 0.9545454545454546, "weightedRecall": 0.9545454545454545, "weightedPrecision": 0.9581105169340464},
    ),
    (
        {"maxIter": 10, "regParam": 0.2},
        {"accuracy": 0.9659090909090909, "weightedRecall": 0.9659090909090908, "weightedPrecision": 0.9679545454545454},
    ),
]
STAGES = [
    "0_StringIndexer_1",
    "1_VectorAssembler_2",
    "2_MinMaxScaler_3",
    "3_VectorAssembler_4",
    "4_LogisticRegression_5",
]


def spark_like_model(mlflow, folder, path, run_id):
    from mlflow.models import Model

    for stage in ("", *[f"stages/{s}/" for s in STAGES]):
        metadata = folder / "sparkml" / stage / "metadata"
        metadata.mkdir(parents=True)
        for file in ("_SUCCESS", "._SUCCESS.crc", "part-00000-c000.txt", ".part-00000-c000.txt.crc"):
            (metadata / file).write_bytes(b"" if file == "_SUCCESS" else b"{}")
    model = Model(artifact_path=path, run_id=run_id)
    model.add_flavor(
        "spark",
        model_data="sparkml",
        pyspark_version="4.3.0",
        code=None,
        model_class="pyspark.ml.pipeline.PipelineModel",
    )
    model.add_flavor("python_function", loader_module="mlflow.spark", data="sparkml")
    model.save(folder / "MLmodel")
    (folder / "requirements.txt").write_text("mlflow==3.17.2\npyspark==4.3.0\n")
    return model


def test_the_lab(tracking, session_name, tmp_path):
    mlflow = tracking
    mlflow.set_experiment(f"/{session_name}/mlflow_lab")
    client = mlflow.MlflowClient()
    paths = []
    for i, (params, metrics) in enumerate(RUNS):
        with mlflow.start_run() as run:
            for key, value in params.items():
                mlflow.log_param(key, value)
            for key, value in metrics.items():
                mlflow.log_metric(key, value)
            path = f"classifier-{time.time()}"
            assert "." in path
            folder = tmp_path / str(i)
            folder.mkdir()
            model = spark_like_model(mlflow, folder, path, run.info.run_id)
            mlflow.log_artifacts(folder, path)
            client._tracking_client.store.record_logged_model(run.info.run_id, model)
        paths.append((run.info.run_id, path))

    table = mlflow.search_runs()
    assert list(table["metrics.accuracy"]) == [RUNS[1][1]["accuracy"], RUNS[0][1]["accuracy"]]
    assert list(table["params.maxIter"]) == ["10", "5"] and list(table["params.regParam"]) == ["0.2", "0.5"]
    run_id, path = paths[1]
    stored = client.get_run(run_id)
    assert stored.data.metrics == RUNS[1][1]
    assert (
        path in stored.data.tags["mlflow.log-model.history"]
        and "pyspark.ml.pipeline" in stored.data.tags["mlflow.log-model.history"]
    )
    assert {f.path for f in client.list_artifacts(run_id, path)} == {
        f"{path}/{n}" for n in ("MLmodel", "requirements.txt", "sparkml")
    }

    name = f"{NAME} {session_name}"
    version = mlflow.register_model(f"runs:/{run_id}/{path}", name)
    assert (int(version.version), version.current_stage, version.status) == (1, "None", "READY")
    assert version.source.endswith(path)
    local = mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{name}/1", dst_path=tmp_path / "down")
    found = [p for p in (tmp_path / "down").rglob("*") if p.is_file()]
    assert local and len([p for p in found if "sparkml" in p.parts]) == 24
    assert mlflow.models.Model.load(f"models:/{name}/1").flavors["spark"]["pyspark_version"] == "4.3.0"
    client.set_registered_model_alias(name, "champion", "1")
    assert client.get_model_version_by_alias(name, "champion").aliases == ["champion"]
    assert [m.name for m in client.search_registered_models(f"name = '{name}'")] == [name]
