"""Models: logged, registered and loaded again by every kind of URI."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def trained():
    from sklearn.linear_model import LogisticRegression

    x = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    return LogisticRegression().fit(x, [0, 0, 1, 1]), x


def test_a_model_logged_registered_and_loaded(tracking, fresh, trained):
    mlflow = tracking
    model, x = trained
    expected = model.predict(x)
    name = f"{fresh} ü"
    with mlflow.start_run() as run:
        mlflow.log_metric("acc", 1.0)
        info = mlflow.sklearn.log_model(
            model, name="clf", input_example=x, pip_requirements=[], registered_model_name=name, params={"C": 1.0}
        )
        mlflow.log_metric("after", 0.5, model_id=info.model_id)
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(name, "champion", "1")
    for uri in (
        f"models:/{name}/1",
        f"models:/{name}@champion",
        f"models:/{name}/latest",
        f"models:/{info.model_id}",
        f"runs:/{run.info.run_id}/clf",
        info.model_uri,
    ):
        assert (mlflow.sklearn.load_model(uri).predict(x) == expected).all(), uri
    assert np.array_equal(mlflow.pyfunc.load_model(f"models:/{name}@champion").predict(x), expected)
    assert mlflow.models.get_model_info(f"models:/{name}/1").signature.inputs.input_names() == ["a", "b"]
    stored = mlflow.get_logged_model(info.model_id)
    assert stored.status == "READY" and stored.params["C"] == "1.0" and stored.source_run_id == run.info.run_id
    assert {m.key: m.value for m in stored.metrics} == {"acc": 1.0, "after": 0.5}
    assert "mlflow.modelVersions" in stored.tags
    assert client.get_run(run.info.run_id).outputs.model_outputs[0].model_id == info.model_id
    version = client.get_model_version(name, "1")
    assert version.run_id == run.info.run_id and version.source == f"models:/{info.model_id}"
    found = mlflow.search_logged_models(filter_string="metrics.acc = 1.0", output_format="list")
    assert [m.model_id for m in found] == [info.model_id]
    assert len(mlflow.search_logged_models(filter_string="name = 'clf'")) == 1


def test_register_from_a_run(tracking, fresh, trained):
    mlflow = tracking
    model, x = trained
    with mlflow.start_run() as run:
        mlflow.sklearn.log_model(model, name="clf", pip_requirements=[])
    name = f"{fresh}-registered"
    assert int(mlflow.register_model(f"runs:/{run.info.run_id}/clf", name).version) == 1
    assert int(mlflow.register_model(f"runs:/{run.info.run_id}/clf", name, tags={"again": "yes"}).version) == 2
    assert (mlflow.sklearn.load_model(f"models:/{name}/2").predict(x) == model.predict(x)).all()


def test_python_model(tracking, fresh):
    mlflow = tracking

    class Doubler(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input * 2

    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(name="doubler", python_model=Doubler(), pip_requirements=[])
    assert mlflow.pyfunc.load_model(info.model_uri).predict(pd.DataFrame({"x": [1, 2]}))["x"].tolist() == [2, 4]


def test_a_saved_model_uploaded_as_artifacts(tracking, fresh, trained, tmp_path):
    """A model folder below a run, without a logged model: how MLflow 2 and the Spark flavour do it."""
    mlflow = tracking
    model, x = trained
    mlflow.sklearn.save_model(model, tmp_path / "model", pip_requirements=[])
    with mlflow.start_run() as run:
        mlflow.log_artifacts(tmp_path / "model", "old/style.1")
    uri = f"runs:/{run.info.run_id}/old/style.1"
    assert (mlflow.sklearn.load_model(uri).predict(x) == model.predict(x)).all()
    name = f"{fresh}-old"
    mlflow.register_model(uri, name)
    assert (mlflow.pyfunc.load_model(f"models:/{name}/1").predict(x) == model.predict(x)).all()
