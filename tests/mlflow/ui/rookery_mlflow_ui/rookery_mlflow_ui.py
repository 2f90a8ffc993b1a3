"""`mlflow ui --backend-store-uri http://…`: the UI's server passes what it is asked on to a remote tracking server.

The token of `MLFLOW_TRACKING_TOKEN` goes with every request.
"""

from functools import partial

from mlflow.store.model_registry.rest_store import RestStore as RegistryRestStore
from mlflow.store.tracking.rest_store import RestStore as TrackingRestStore
from mlflow.utils.credentials import get_default_host_creds


def tracking_store(store_uri, artifact_uri=None, **_):
    return TrackingRestStore(partial(get_default_host_creds, store_uri))


def model_registry_store(store_uri, **_):
    return RegistryRestStore(partial(get_default_host_creds, store_uri))
