"""Clusters through the stock client, as the lab's reader makes them."""

import logging
import os
from datetime import timedelta

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.service.compute import (
    AutoScale,
    ClusterSource,
    EventType,
    GetEventsOrder,
    ListClustersFilterBy,
    ListClustersSortBy,
    ListClustersSortByDirection,
    ListClustersSortByField,
    State,
    UpdateClusterResource,
)

# What the lab's page sends: a single node with the machine-learning runtime, for one user.
LAB = {
    "cluster_name": "Clúster de Ana Ñandú's “lab”",
    "spark_version": "15.4.x-cpu-ml-scala2.12",
    "node_type_id": "Standard_D4ds_v5",
    "driver_node_type_id": "Standard_D4ds_v5",
    "num_workers": 0,
    "autotermination_minutes": 20,
    "spark_conf": {"spark.master": "local[*]", "spark.databricks.cluster.profile": "singleNode"},
    "custom_tags": {"ResourceClass": "SingleNode"},
    "data_security_mode": "SINGLE_USER",
    "single_user_name": "ana@example.org",
    "runtime_engine": "STANDARD",
}
SOON = timedelta(seconds=120)


def raw(client, call, body):
    return client.api_client.do("POST", f"/api/2.1/clusters/{call}", body=body)


def cluster(client, cluster_id):
    return client.clusters.get(cluster_id)


def shown(client, cluster_id):
    return client.api_client.do("GET", "/api/2.1/clusters/get", query={"cluster_id": cluster_id})


def missing(client):
    try:
        client.clusters.get("0101-000000-nothing")
    except ResourceDoesNotExist as error:
        assert "Cluster 0101-000000-nothing does not exist" in str(error), error
    else:
        raise AssertionError("there is no such cluster")


def refused(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error} was expected")


def choices(client):
    version = client.clusters.select_spark_version(ml=True, long_term_support=True)
    assert "-ml-" in version and "gpu" not in version, version
    assert client.clusters.select_spark_version(long_term_support=True).startswith("16.4.x-scala2.12")
    node = client.clusters.select_node_type(local_disk=True)
    assert node == "rookery-local", node
    assert client.clusters.list_zones().default_zone == "local"


def life_of_a_single_node(client):
    """The lab's cluster: created, looked at, ended, started again, forgotten."""
    created = raw(client, "create", LAB)
    cluster_id = created["cluster_id"]
    running = client.clusters.wait_get_cluster_running(cluster_id, timeout=SOON)
    assert running.cluster_name == LAB["cluster_name"], running.cluster_name
    assert running.state == State.RUNNING and running.num_workers == 0
    assert running.spark_version == LAB["spark_version"] and running.node_type_id == LAB["node_type_id"]
    assert running.autotermination_minutes == 20 and running.custom_tags == LAB["custom_tags"]
    assert running.single_user_name == LAB["single_user_name"]
    assert [c.cluster_id for c in client.clusters.list()] == [cluster_id]
    refused(BadRequest, lambda: client.clusters.start(cluster_id))

    ended = client.clusters.delete_and_wait(cluster_id, timeout=SOON)
    assert ended.state == State.TERMINATED, ended.state
    assert ended.termination_reason.code.value == "USER_REQUEST", ended.termination_reason
    assert ended.terminated_time >= ended.start_time
    refused(BadRequest, lambda: client.clusters.resize(cluster_id, num_workers=2))
    client.clusters.delete(cluster_id)

    again = client.clusters.start_and_wait(cluster_id, timeout=SOON)
    assert again.state == State.RUNNING and again.last_restarted_time > ended.start_time
    client.clusters.pin(cluster_id)
    assert "pinned_by_user_name" in shown(client, cluster_id)
    client.clusters.unpin(cluster_id)
    assert "pinned_by_user_name" not in shown(client, cluster_id)

    kinds = [e.type for e in client.clusters.events(cluster_id, order=GetEventsOrder.ASC, limit=3)]
    assert kinds[0] == EventType.CREATING, kinds
    for kind in [EventType.STARTING, EventType.RUNNING, EventType.TERMINATING, EventType.PINNED]:
        assert kind in kinds, (kind, kinds)
    assert kinds.count(EventType.STARTING) == 2, kinds
    client.clusters.permanent_delete(cluster_id)
    refused(ResourceDoesNotExist, lambda: cluster(client, cluster_id))
    refused(InvalidParameterValue, lambda: list(client.clusters.events(cluster_id)))


def life_of_a_larger_one(client):
    """Two of one name; one is resized, restarted and edited."""
    create = client.clusters.create
    one = create(cluster_name="equipo", spark_version="15.4.x-scala2.12", node_type_id="rookery-local", num_workers=2)
    other = create(
        cluster_name="equipo",
        spark_version="15.4.x-scala2.12",
        node_type_id="rookery-local",
        autoscale=AutoScale(min_workers=1, max_workers=2),
    )
    one, other = one.result(timeout=SOON), other.result(timeout=SOON)
    assert one.cluster_id != other.cluster_id and one.cluster_name == other.cluster_name == "equipo"
    assert one.num_workers == 2 and other.autoscale.max_workers == 2, (one, other)
    assert len(list(client.clusters.list())) == 2
    # A cluster is ended while it is starting, too.
    pending = create(cluster_name="corto", spark_version="15.4.x-scala2.12", num_workers=1)
    client.clusters.delete_and_wait(pending.cluster_id, timeout=SOON)

    resized = client.clusters.resize_and_wait(one.cluster_id, num_workers=3, timeout=SOON)
    assert resized.num_workers == 3, resized
    smaller = client.clusters.resize_and_wait(one.cluster_id, num_workers=1, timeout=SOON)
    assert smaller.num_workers == 1, smaller
    restarted = client.clusters.restart_and_wait(one.cluster_id, timeout=SOON)
    assert restarted.start_time > one.start_time, (restarted.start_time, one.start_time)
    edited = client.clusters.edit_and_wait(
        one.cluster_id, spark_version="16.4.x-scala2.12", cluster_name="equipo nuevo", num_workers=0, timeout=SOON
    )
    assert (edited.cluster_name, edited.spark_version, edited.num_workers) == ("equipo nuevo", "16.4.x-scala2.12", 0)
    listed_in_part(client, one.cluster_id, other.cluster_id, pending.cluster_id)
    updated(client, one.cluster_id, pending.cluster_id)
    for cluster_id in [one.cluster_id, other.cluster_id, pending.cluster_id]:
        client.clusters.permanent_delete(cluster_id)
    assert list(client.clusters.list()) == []


def listed_in_part(client, one, other, ended):
    """Of three clusters two run: “equipo nuevo”, “equipo” and, ended, “corto”."""

    def found(field=None, direction=None, page_size=None, **wanted):
        sort_by = ListClustersSortBy(field=field, direction=direction)
        listed = client.clusters.list(filter_by=ListClustersFilterBy(**wanted), sort_by=sort_by, page_size=page_size)
        return [cluster.cluster_id for cluster in listed]

    assert found() == [ended, other, one] or found() == [ended, one, other], found()
    assert found(cluster_states=[State.TERMINATED]) == [ended]
    assert sorted(found(cluster_states=[State.RUNNING, State.RESIZING])) == sorted([one, other])
    assert len(found(cluster_sources=[ClusterSource.API])) == 3 and found(cluster_sources=[ClusterSource.JOB]) == []
    by_name, descending = ListClustersSortByField.CLUSTER_NAME, ListClustersSortByDirection.DESC
    assert found(field=by_name) == [ended, other, one]
    # The client walks from page to page.
    assert found(field=by_name, direction=descending, page_size=1) == [one, other, ended]
    client.clusters.pin(other)
    assert found(is_pinned=True) == [other] and found()[0] == other
    assert sorted(found(is_pinned=False)) == sorted([one, ended])
    client.clusters.unpin(other)
    assert found(policy_id="none of ours") == []


def updated(client, running, ended):
    """What the mask names changes; who runs is started again with it, who does not takes it up when it is started."""
    before = client.clusters.get(running)
    client.clusters.update(
        running,
        "custom_tags,autotermination_minutes",
        cluster=UpdateClusterResource(custom_tags={"team": "a"}, autotermination_minutes=33, num_workers=9),
    )
    after = client.clusters.wait_get_cluster_running(running, timeout=SOON)
    assert after.start_time > before.start_time, "it was started again"
    assert (after.custom_tags, after.autotermination_minutes) == ({"team": "a"}, 33), after
    same = ["cluster_name", "spark_version", "num_workers", "node_type_id"]
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same], after

    client.clusters.update(ended, "num_workers", cluster=UpdateClusterResource(num_workers=2))
    waiting = client.clusters.get(ended)
    assert (waiting.state, waiting.num_workers, waiting.cluster_name) == (State.TERMINATED, 2, "corto"), waiting
    refused(InvalidParameterValue, lambda: client.clusters.update(ended, "colour", cluster=UpdateClusterResource()))
    refused(InvalidParameterValue, lambda: client.clusters.update("0101-000000-nothing", "num_workers"))


def bad_requests(client):
    for body in [
        {"cluster_name": "x"},
        {"spark_version": "15.4.x-scala2.12", "num_workers": -1},
        {"spark_version": "15.4.x-scala2.12", "autoscale": {"min_workers": 3, "max_workers": 2}},
    ]:
        refused(InvalidParameterValue, lambda body=body: raw(client, "create", body))
    # The older version and a slash at the end are the same.
    listed = client.api_client.do("GET", "/api/2.0/clusters/list/")
    assert listed == {"clusters": []}, listed


class Warned(logging.Handler):
    """Keeps what the client warns of."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def main():
    warned = Warned()
    logging.getLogger().addHandler(warned)
    client = WorkspaceClient(host=os.environ["ROOKERY_TEST_URL"], token=os.environ["ROOKERY_TEST_TOKEN"])
    for check in [missing, choices, bad_requests, life_of_a_single_node, life_of_a_larger_one]:
        check(client)
        print("ok", check.__name__, flush=True)
    # Among others, that the host does not say in /.well-known/databricks-config how it is to be spoken to.
    assert warned.lines == [], warned.lines


if __name__ == "__main__":
    main()
