"""`MlflowClient`: every method with a route of its own."""

import time

import pytest
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
    ViewType,
)


@pytest.fixture
def client(tracking, fresh):
    return tracking.MlflowClient()


@pytest.fixture
def experiment(client, fresh):
    return client.get_experiment_by_name(fresh).experiment_id


def refused(tracking, code):
    return pytest.raises(tracking.exceptions.MlflowException, check=lambda e: e.error_code == code)


def test_experiments(tracking, client, session_name):
    name = f"{session_name}-client"
    id = client.create_experiment(name, tags={"a": "b"})
    with refused(tracking, "RESOURCE_ALREADY_EXISTS"):
        client.create_experiment(name)
    client.rename_experiment(id, name + "2")
    client.set_experiment_tag(id, "c", "d")
    client.delete_experiment_tag(id, "a")
    stored = client.get_experiment(id)
    assert stored.name == name + "2" and stored.tags.get("c") == "d" and "a" not in stored.tags
    client.delete_experiment(id)
    only_deleted = client.search_experiments(view_type=ViewType.DELETED_ONLY, filter_string=f"name = '{name}2'")
    assert [e.experiment_id for e in only_deleted] == [id]
    client.restore_experiment(id)
    assert client.get_experiment(id).lifecycle_stage == "active"
    with refused(tracking, "RESOURCE_DOES_NOT_EXIST"):
        client.get_experiment("99999999")


def test_pages_of_experiments(client, session_name):
    names = {f"{session_name}-page-{i}" for i in range(5)}
    for name in names:
        client.create_experiment(name)
    token, found = None, []
    for _ in range(4):
        page = client.search_experiments(
            max_results=2, filter_string=f"name LIKE '{session_name}-page-%'", page_token=token
        )
        found, token = found + [e.name for e in page], page.token
        if not token:
            break
    assert len(found) == 5 and set(found) == names


def test_a_run_step_by_step(tracking, client, experiment):
    run = client.create_run(experiment, start_time=1000, tags={"a": "b"}, run_name="name")
    id = run.info.run_id
    client.log_metric(id, "m", 0.5, timestamp=5, step=1)
    client.log_param(id, "p", "v")
    client.set_tag(id, "t", "1")
    client.delete_tag(id, "a")
    client.log_batch(
        id,
        metrics=[Metric("m", i / 10, 100 + i, i) for i in range(5)],
        params=[Param("q", "w")],
        tags=[RunTag("u", "x")],
    )
    client.update_run(id, status="FAILED", name="renamed")
    stored = client.get_run(id)
    assert (stored.info.run_name, stored.info.status) == ("renamed", "FAILED")
    assert stored.data.params == {"p": "v", "q": "w"} and stored.data.metrics == {"m": 0.4}
    history = client.get_metric_history(id, "m")
    assert sorted((m.step, m.timestamp, m.value) for m in history) == [
        (0, 100, 0),
        (1, 5, 0.5),
        (1, 101, 0.1),
        (2, 102, 0.2),
        (3, 103, 0.3),
        (4, 104, 0.4),
    ]
    client.set_terminated(id, "FINISHED", end_time=2000)
    assert client.get_run(id).info.end_time == 2000
    client.delete_run(id)
    assert client.get_run(id).info.lifecycle_stage == "deleted"
    with refused(tracking, "INVALID_PARAMETER_VALUE"):
        client.log_metric(id, "m", 1)
    client.restore_run(id)
    with refused(tracking, "INVALID_PARAMETER_VALUE"):
        client.log_param(id, "p", "other")
    client.log_param(id, "p", "v")
    with refused(tracking, "RESOURCE_DOES_NOT_EXIST"):
        client.get_run("0" * 32)


def test_pages_of_runs(client, experiment):
    ids = {client.create_run(experiment, start_time=i).info.run_id for i in range(25)}
    token, found = None, []
    while True:
        page = client.search_runs(
            [experiment], max_results=4, order_by=["attributes.start_time DESC"], page_token=token
        )
        found += [r.info.run_id for r in page]
        token = page.token
        if not token:
            break
    assert len(found) == 25 and set(found) == ids


def test_long_history_and_large_batch(client, experiment):
    id = client.create_run(experiment).info.run_id
    now = int(time.time() * 1000)
    for start in range(0, 3000, 1000):
        client.log_batch(id, metrics=[Metric("m", float(i), now + i, i) for i in range(start, start + 1000)])
    history = client.get_metric_history(id, "m")
    assert [m.value for m in sorted(history, key=lambda m: m.step)] == [float(i) for i in range(3000)]
    assert client.get_run(id).data.metrics == {"m": 2999.0}


def test_inputs_and_outputs(client, experiment):
    id = client.create_run(experiment).info.run_id
    model = client.create_logged_model(
        experiment, name="model", source_run_id=id, tags={"a": "b"}, params={"p": "1"}, model_type="t"
    )
    dataset = Dataset(name="d", digest="x", source_type="local", source="{}")
    client.log_inputs(
        id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "eval")])], [LoggedModelInput(model.model_id)]
    )
    client.log_outputs(id, [LoggedModelOutput(model.model_id, step=2)])
    stored = client.get_run(id)
    assert stored.inputs.dataset_inputs[0].dataset.name == "d"
    assert stored.inputs.model_inputs[0].model_id == model.model_id
    assert (stored.outputs.model_outputs[0].model_id, stored.outputs.model_outputs[0].step) == (model.model_id, 2)


def test_logged_models(tracking, client, experiment, tmp_path):
    run = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, name="model", source_run_id=run, params={"p": "1"})
    id = model.model_id
    assert model.status == "PENDING" and model.artifact_location.endswith(f"models/{id}/artifacts")
    client.log_model_params(id, {"late": "2"})
    client.set_logged_model_tags(id, {"t": "1", "u": "2"})
    client.delete_logged_model_tag(id, "u")
    client.log_metric(run, "acc", 0.5, model_id=id, step=3)
    client.finalize_logged_model(id, "READY")
    stored = client.get_logged_model(id)
    assert stored.status == "READY" and stored.tags == {"t": "1"} and stored.params == {"p": "1", "late": "2"}
    assert [(m.key, m.value) for m in stored.metrics] == [("acc", 0.5)]
    (tmp_path / "weights").write_text("1 2 3")
    client.log_model_artifact(id, str(tmp_path / "weights"))
    client.log_model_artifacts(id, str(tmp_path))
    assert [f.path for f in client.list_logged_model_artifacts(id)] == ["weights"]
    others = [client.create_logged_model(experiment, name=f"m{i}").model_id for i in range(5)]
    found = client.search_logged_models(
        [experiment],
        filter_string="name LIKE 'm%'",
        order_by=[{"field_name": "creation_time", "ascending": True}],
        max_results=4,
    )
    assert len(found) == 4 and found.token
    rest = client.search_logged_models(
        [experiment],
        filter_string="name LIKE 'm%'",
        order_by=[{"field_name": "creation_time", "ascending": True}],
        max_results=4,
        page_token=found.token,
    )
    assert {m.model_id for m in [*found, *rest]} == {id, *others} and not rest.token
    assert [
        m.model_id
        for m in client.search_logged_models([experiment], filter_string="metrics.acc > 0.4 AND tags.t = '1'")
    ] == [id]
    client.delete_logged_model(others[0])
    with refused(tracking, "RESOURCE_DOES_NOT_EXIST"):
        client.get_logged_model(others[0])


def test_artifacts(client, experiment, tmp_path):
    id = client.create_run(experiment).info.run_id
    client.log_text(id, "hello", "a/b/c.txt")
    client.log_dict(id, {"k": "v"}, "a/d.json")
    (tmp_path / "big.bin").write_bytes(b"\0\1\2\3" * 500_000)
    client.log_artifact(id, str(tmp_path / "big.bin"))
    assert [(f.path, f.is_dir, f.file_size) for f in client.list_artifacts(id)] == [
        ("a", True, None),
        ("big.bin", False, 2_000_000),
    ]
    assert [f.path for f in client.list_artifacts(id, "a")] == ["a/b", "a/d.json"]
    assert client.list_artifacts(id, "nothing") == []
    place = client.download_artifacts(id, "", str(tmp_path))
    assert place and (tmp_path / "a" / "b" / "c.txt").read_text() == "hello"
