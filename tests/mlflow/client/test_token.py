"""Without the token, nothing is answered but a JSON error; these are skipped where no token is needed."""

import pytest
from wire import ARTIFACTS, Api


@pytest.fixture
def guarded(ours):
    if not ours.token:
        pytest.skip("ROOKERY_TEST_TOKEN is empty: the server needs none")
    return ours


@pytest.mark.parametrize("token", ["", "wrong", "ü"], ids=["none", "wrong", "unicode"])
@pytest.mark.parametrize(
    "call",
    [
        ("POST", "experiments/search", {"max_results": 5}),
        ("GET", "/ajax-api/2.0/mlflow/experiments/get?experiment_id=0", None),
        ("GET", ARTIFACTS + "/0/x", None),
        ("PUT", ARTIFACTS + "/0/x", {}),
        ("POST", "/graphql", {}),
        ("GET", "/get-artifact?run_id=x&path=y", None),
    ],
    ids=lambda c: c[1],
)
def test_no_answer_without_the_token(guarded, call, token):
    response = Api(guarded.url, token).call(*call)
    assert response.status == 401, response
    assert response.content_type == "application/json"
    assert response.json()["error_code"] == "UNAUTHENTICATED" and response.json()["message"]
    assert guarded.token not in response.body.decode()


def test_other_ways_of_saying_it(guarded):
    def status(header):
        return (
            Api(guarded.url)
            .call("POST", "experiments/search", {"max_results": 5}, headers=[("Authorization", header)])
            .status
        )

    assert status(f"Bearer {guarded.token}") == 200
    assert status(f"bearer {guarded.token}") == 200
    assert status(guarded.token) == 401
    assert status(f"Bearer {guarded.token}x") == 401
    assert status(f"Bearer {guarded.token[:-1]}") == 401
    assert status("Bearer ") == 401


def test_the_stock_client_says_what_is_wrong(guarded, tracking, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "wrong")
    with pytest.raises(tracking.exceptions.MlflowException) as e:
        tracking.MlflowClient().get_experiment("0")
    assert "token" in str(e.value).lower()


def test_health_needs_no_token(guarded):
    assert Api(guarded.url).call("GET", "/health").status == 200
