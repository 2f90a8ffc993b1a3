"""The lab's second half: a registered model behind an endpoint, with Databricks' SDK and with mlflow.deployments.

The driver has trained the lab's job; NAME has two versions.
"""

import logging
import os
import time
from collections import Counter

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    NotFound,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    EndpointTag,
    Route,
    ServedEntityInput,
    ServedModelInput,
    TrafficConfig,
)
from mlflow.deployments import get_deploy_client

NAME = os.environ.get("ROOKERY_TEST_MODEL", "Pronosticador de pingüinos")
ENDPOINT = "predict-penguin"
RECORD = {"Island": "Biscoe", "CulmenLength": 48.7, "CulmenDepth": 14.1, "FlipperLength": 210, "BodyMass": 4450}


@pytest.fixture(scope="module")
def workspace(ours):
    return WorkspaceClient(host=ours.url, token=ours.token, auth_type="pat")


@pytest.fixture(autouse=True)
def databricks_environment(ours, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", ours.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", ours.token)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", ours.token)


def entity(version, **more):
    more = {"workload_size": "Small", "scale_to_zero_enabled": True, **more}
    return ServedEntityInput(entity_name=NAME, entity_version=str(version), **more)


def test_the_labs_second_half(workspace, tracking, caplog):
    """Register, create, ask, try a second version out, delete: the lab's steps and a few more."""
    runs = tracking.search_runs(search_all_experiments=True, filter_string="params.maxIter = '10'")
    registered = tracking.register_model(f"runs:/{runs['run_id'][0]}/model", NAME)
    assert int(registered.version) == 3

    endpoints = workspace.serving_endpoints
    began = time.monotonic()
    made = endpoints.create_and_wait(
        name=ENDPOINT,
        config=EndpointCoreConfigInput(name=ENDPOINT, served_entities=[entity(1)]),
        tags=[EndpointTag(key="equipo", value="pingüinos")],
    )
    answer = endpoints.query(ENDPOINT, dataframe_records=[RECORD])
    print(f"create_and_wait and the first answer: {time.monotonic() - began:.3f} s")
    assert (made.name, made.state.ready) == (ENDPOINT, EndpointStateReady.READY)
    assert made.state.config_update == EndpointStateConfigUpdate.NOT_UPDATING
    served = made.config.served_entities[0]
    assert (served.entity_name, served.entity_version, served.workload_size) == (NAME, "1", "Small")
    assert served.state.deployment.value == "DEPLOYMENT_READY"
    assert [(tag.key, tag.value) for tag in made.tags] == [("equipo", "pingüinos")]
    assert answer.predictions == [1.0]
    assert answer.served_model_name == served.name

    updated = endpoints.update_config_and_wait(
        ENDPOINT,
        served_entities=[entity(1, name="current"), entity(2, name="challenger", workload_size="Medium")],
        traffic_config=TrafficConfig(
            routes=[
                Route(served_model_name="current", traffic_percentage=90),
                Route(served_model_name="challenger", traffic_percentage=10),
            ]
        ),
    )
    assert updated.config.config_version == 2
    answers = [endpoints.query(ENDPOINT, dataframe_records=[RECORD]) for _ in range(100)]
    assert Counter(answer.served_model_name for answer in answers) == {"current": 90, "challenger": 10}

    assert [endpoint.name for endpoint in endpoints.list()] == [ENDPOINT]
    tags = endpoints.patch(ENDPOINT, add_tags=[EndpointTag(key="a", value="1")], delete_tags=["equipo"])
    assert [(tag.key, tag.value) for tag in tags.tags] == [("a", "1")]
    openapi = endpoints.get_open_api(ENDPOINT).contents.read()
    assert b"CulmenLength" in openapi
    metrics = endpoints.export_metrics(ENDPOINT).contents.read().decode()
    assert 'served_model="current"' in metrics and "rookery_endpoint_requests_total" in metrics
    assert "loaded" in endpoints.logs(ENDPOINT, "current").logs
    assert "loaded" in endpoints.build_logs(ENDPOINT, "challenger").logs

    endpoints.delete(ENDPOINT)
    with pytest.raises(ResourceDoesNotExist, match=ENDPOINT):
        endpoints.get(ENDPOINT)
    assert list(endpoints.list()) == []
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not [record for record in told if record.name.startswith("databricks")], told


def test_the_generation_before(workspace):
    endpoints = workspace.serving_endpoints
    model = ServedModelInput(model_name=NAME, model_version="1", scale_to_zero_enabled=False, workload_size="Small")
    config = EndpointCoreConfigInput(name="old", served_models=[model])
    made = endpoints.create_and_wait(name="old", config=config)
    assert (made.config.served_models[0].model_name, made.config.served_models[0].model_version) == (NAME, "1")
    split = endpoints.query("old", dataframe_records=[RECORD, RECORD])
    assert split.predictions == [1.0, 1.0]
    endpoints.delete("old")


def test_mistakes_have_the_sdks_types(workspace):
    endpoints = workspace.serving_endpoints

    def create(name, *entities, routes=None):
        traffic = TrafficConfig(routes=routes) if routes else None
        config = EndpointCoreConfigInput(name=name, served_entities=list(entities), traffic_config=traffic)
        return endpoints.create_and_wait(name=name, config=config)

    with pytest.raises(ResourceDoesNotExist):
        create("e", entity(99))
    with pytest.raises(InvalidParameterValue, match="name"):
        create("pingüinos", entity(1))
    with pytest.raises(InvalidParameterValue, match="sum to 50"):
        create("e", entity(1, name="a"), routes=[Route(served_model_name="a", traffic_percentage=50)])
    create("e", entity(1))
    with pytest.raises(ResourceAlreadyExists):
        create("e", entity(1))
    with pytest.raises(BadRequest, match="CulmenLength"):
        endpoints.query("e", dataframe_records=[{"Island": "Biscoe"}])
    with pytest.raises(NotFound):
        endpoints.query("nobody", dataframe_records=[RECORD])
    endpoints.delete("e")


def test_mlflow_deployments_on_databricks(ours):
    client = get_deploy_client("databricks")
    config = {
        "served_entities": [
            {
                "name": "current",
                "entity_name": NAME,
                "entity_version": "1",
                "workload_size": "Small",
                "scale_to_zero_enabled": True,
            },
            {"name": "listener", "entity_name": NAME, "entity_version": "2", "shadow": True},
        ],
        "traffic_config": {"routes": [{"served_model_name": "current", "traffic_percentage": 100}]},
    }
    made = client.create_endpoint(config={"name": "mlf", "config": config})
    assert made["state"] == {"ready": "READY", "config_update": "NOT_UPDATING"}
    answer = client.predict(endpoint="mlf", inputs={"dataframe_records": [RECORD]})
    assert answer["predictions"] == [1.0]
    for entity in config["served_entities"]:
        entity["workload_size"] = "Medium"
    assert client.update_endpoint_config("mlf", config)["config"]["config_version"] == 2
    assert [endpoint["name"] for endpoint in client.list_endpoints()] == ["mlf"]

    plain = get_deploy_client(ours.url)
    listed = plain.list_endpoints()
    assert [endpoint.name for endpoint in listed] == ["mlf"]
    assert plain.get_endpoint("mlf").endpoint_url == f"{ours.url}/endpoints/mlf/invocations"
    assert plain.predict(endpoint="mlf", inputs={"dataframe_records": [RECORD]})["predictions"] == [1.0]

    client.delete_endpoint("mlf")
    assert client.list_endpoints() == []
