"""`MlflowClient`: the model registry."""

import pytest


@pytest.fixture
def client(tracking):
    return tracking.MlflowClient()


@pytest.fixture
def name(session_name, request):
    return f"{session_name} {request.node.name} ü"


def refused(tracking, code):
    return pytest.raises(tracking.exceptions.MlflowException, check=lambda e: e.error_code == code)


def test_models(tracking, client, name):
    client.create_registered_model(name, tags={"a": "b"}, description="d")
    with refused(tracking, "RESOURCE_ALREADY_EXISTS"):
        client.create_registered_model(name)
    client.update_registered_model(name, "e")
    client.set_registered_model_tag(name, "c", "1")
    client.delete_registered_model_tag(name, "a")
    model = client.get_registered_model(name)
    assert (model.description, model.tags) == ("e", {"c": "1"})
    client.rename_registered_model(name, name + "2")
    assert [m.name for m in client.search_registered_models(f"name = '{name}2'")] == [name + "2"]
    client.delete_registered_model(name + "2")
    with refused(tracking, "RESOURCE_DOES_NOT_EXIST"):
        client.get_registered_model(name + "2")


def test_versions(tracking, client, name):
    client.create_registered_model(name)
    first = client.create_model_version(name, "s3://bucket/a", tags={"t": "1"}, description="d")
    client.create_model_version(name, "s3://bucket/b", run_id="1" * 32, run_link="http://x/y")
    assert (first.version, first.status, first.current_stage) == ("1", "READY", "None") or (
        int(first.version),
        first.status,
    ) == (1, "READY")
    client.update_model_version(name, "1", "e")
    client.set_model_version_tag(name, "1", "u", "2")
    client.delete_model_version_tag(name, "1", "t")
    version = client.get_model_version(name, "1")
    assert (version.description, version.tags) == ("e", {"u": "2"})
    assert client.get_model_version_download_uri(name, "2") == "s3://bucket/b"
    assert [
        int(v.version) for v in client.search_model_versions(f"name = '{name}'", order_by=["version_number DESC"])
    ] == [2, 1]
    assert [int(v.version) for v in client.search_model_versions(f"run_id = '{'1' * 32}' AND name = '{name}'")] == [2]
    client.delete_model_version(name, "1")
    with refused(tracking, "RESOURCE_DOES_NOT_EXIST"):
        client.get_model_version(name, "1")
    client.set_model_version_tag(name, version="2", key="k", value="v")
    assert client.get_model_version(name, "2").tags == {"k": "v"}


def test_aliases(tracking, client, name):
    client.create_registered_model(name)
    for _ in range(2):
        client.create_model_version(name, "s3://bucket/a")
    client.set_registered_model_alias(name, "champion", "1")
    client.set_registered_model_alias(name, "champion", "2")
    assert int(client.get_model_version_by_alias(name, "champion").version) == 2
    assert client.get_registered_model(name).aliases == {"champion": "2"} or {
        k: int(v) for k, v in client.get_registered_model(name).aliases.items()
    } == {"champion": 2}
    assert client.get_model_version(name, "2").aliases == ["champion"]
    client.delete_registered_model_alias(name, "champion")
    with refused(tracking, "INVALID_PARAMETER_VALUE"):
        client.get_model_version_by_alias(name, "champion")
    with refused(tracking, "INVALID_PARAMETER_VALUE"):
        client.set_registered_model_alias(name, "v1", "1")


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_stages(client, name):
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, "s3://bucket/a")
    client.transition_model_version_stage(name, "1", "Production")
    client.transition_model_version_stage(name, "2", "Production", archive_existing_versions=True)
    assert {int(v.version): v.current_stage for v in client.search_model_versions(f"name = '{name}'")} == {
        1: "Archived",
        2: "Production",
        3: "None",
    }
    assert [int(v.version) for v in client.get_latest_versions(name, ["Production"])] == [2]


def test_copied_version(client, name):
    client.create_registered_model(name)
    client.create_model_version(name, "s3://bucket/a")
    copy = client.copy_model_version(f"models:/{name}/1", name + " copy")
    assert (int(copy.version), copy.source) == (1, f"models:/{name}/1")
    assert client.get_model_version_download_uri(name + " copy", "1") == "s3://bucket/a"


def test_pages_of_models(client, session_name):
    names = {f"{session_name}-page-{i}" for i in range(5)}
    for name in names:
        client.create_registered_model(name)
    token, found = None, []
    for _ in range(4):
        page = client.search_registered_models(f"name LIKE '{session_name}-page-%'", max_results=2, page_token=token)
        found, token = found + [m.name for m in page], page.token
        if not token:
            break
    assert len(found) == 5 and set(found) == names
