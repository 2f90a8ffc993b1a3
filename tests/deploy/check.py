"""Checks Kubernetes manifests: against the schemas of some releases, and by what a schema can't say."""

import json
import sys
from pathlib import Path

import kubernetes_validate
import yaml

# The oldest release that is supported somewhere, and a recent one.
RELEASES = ["1.30", "1.34"]
# How long a worker may hand over what it holds, in seconds.
DRAIN = 30


def documents(folder):
    for file in sorted(folder.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            yield file.name, document


def problems(found):
    kinds = {}
    for name, document in found:
        kinds.setdefault(document["kind"], []).append((name, document))
    for release in RELEASES:
        for name, document in found:
            try:
                kubernetes_validate.validate(document, release, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name}: {document['kind']} in {release}: {error.message}"
    secrets = {document["metadata"]["name"]: document["stringData"] for _, document in kinds["Secret"]}
    for secret, values in secrets.items():
        # The driver refuses a token with spaces: applied as it is, nothing starts with a token that all the world knows.
        if any(" " not in value for value in values.values()):
            yield f"secret {secret} holds a text that could be a token"
    for name, workload in kinds["StatefulSet"] + kinds["Deployment"]:
        yield from (f"{name}: {problem}" for problem in of_workload(workload, secrets))
    for name, service in kinds["Service"]:
        pods = [workload["spec"]["template"] for _, workload in kinds["StatefulSet"]]
        selector = service["spec"]["selector"].items()
        chosen = [pod for pod in pods if selector <= pod["metadata"]["labels"].items()]
        if len(chosen) != 1:
            yield f"{name}: the service chooses {len(chosen)} workloads"
        names = {port["name"] for pod in chosen for port in pod["spec"]["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            if port["targetPort"] not in names:
                yield f"{name}: no port is called {port['targetPort']}"


def of_workload(workload, secrets):
    spec = workload["spec"]["template"]["spec"]
    if workload["spec"]["selector"]["matchLabels"] != workload["spec"]["template"]["metadata"]["labels"]:
        yield "the selector chooses other pods"
    if spec["terminationGracePeriodSeconds"] <= DRAIN:
        yield f"killed before it has handed over what it holds, which may take {DRAIN} s"
    if not spec["securityContext"]["runAsNonRoot"]:
        yield "may run as root"
    volumes = {volume["name"] for volume in spec["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
    for container in spec["containers"]:
        security = container["securityContext"]
        if security["allowPrivilegeEscalation"] or not security["readOnlyRootFilesystem"]:
            yield "has more rights than it needs"
        if security["capabilities"] != {"drop": ["ALL"]}:
            yield "keeps capabilities"
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        if not mounts.keys() <= volumes:
            yield f"mounts {mounts.keys() - volumes}, which there is not"
        values = {entry["name"]: entry for entry in container["env"]}
        if not values["ROOKERY_HOME"]["value"].startswith(mounts["state"] + "/"):
            yield "the state directory is on no volume"
        for entry in container["env"]:
            key = entry.get("valueFrom", {}).get("secretKeyRef")
            if key and key["key"] not in secrets.get(key["name"], {}):
                yield f"{entry['name']}: there is no secret {key['name']} with {key['key']}"
            if "TOKEN" in entry["name"] and not key:
                yield f"{entry['name']} is written down"
        for probe in ("readinessProbe", "livenessProbe"):
            http = container[probe].get("httpGet")
            if http and http["path"] != "/health":
                yield f"{probe}: only /health needs no token"


if __name__ == "__main__":
    found = list(documents(Path(sys.argv[1])))
    if "--commands" in sys.argv:
        for _, document in found:
            pods = document["spec"]["template"]["spec"] if "template" in document.get("spec", {}) else {}
            for container in pods.get("containers", []):
                print(json.dumps(container["args"]))
        sys.exit()
    wrong = list(problems(found))
    print(f"{len(found)} resources, {len(wrong)} problems")
    print("\n".join(wrong))
    sys.exit(1 if wrong or not found else 0)
