"""Fixtures: the server under test, a real server started once, and a name that is new in every session."""

import os
import uuid

import pytest

import servers


@pytest.fixture(scope="session")
def ours():
    server = servers.under_test()
    if server is None:
        pytest.exit("ROOKERY_TEST_URL is not set: the URL of the server to test", returncode=2)
    return server


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    with servers.real(tmp_path_factory.mktemp("real")) as server:
        yield server


@pytest.fixture(scope="session")
def session_name():
    """Unique, so that the tests can run twice against one server."""
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def tracking(ours):
    """Points the stock client at the server under test, as a user would: with environment variables."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    os.environ["MLFLOW_TRACKING_URI"] = ours.url
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "2"
    if ours.token:
        os.environ["MLFLOW_TRACKING_TOKEN"] = ours.token
    if ca := os.environ.get("ROOKERY_TEST_CA"):
        os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] = ca
    import mlflow

    mlflow.set_tracking_uri(ours.url)
    return mlflow


@pytest.fixture
def fresh(tracking, session_name, request):
    """A new experiment, set as the active one; its name."""
    name = f"{session_name}-{request.node.name}"
    tracking.set_experiment(name)
    yield name
    tracking.end_run()
