"""The model registry: models, versions, aliases, stages, tags, searches."""

import hashlib


def _version(s, name, source="s3://bucket/model", **more):
    return s.post("model-versions/create", {"name": name, "source": source} | more, label="create")


def models(s):
    name = s.name("Pronosticador de pingüinos")
    tags = [{"key": "a", "value": "1"}]
    s.get("registered-models/get", {"name": name}, label="missing", says=True)
    s.post("registered-models/create", {"name": name, "tags": tags, "description": "Líneas"})
    s.post("registered-models/create", {"name": name}, label="twice", says=True)
    s.get("registered-models/get", {"name": name})
    s.call("PATCH", "registered-models/update", {"name": name, "description": "otra"})
    s.call("PATCH", "registered-models/update", {"name": name}, label="no description", says=True)
    s.post("registered-models/set-tag", {"name": name, "key": "b", "value": "2"})
    s.get("registered-models/get", {"name": name}, label="tagged")
    s.call("DELETE", "registered-models/delete-tag", {"name": name, "key": "a"})
    s.call("DELETE", "registered-models/delete-tag", {"name": name, "key": "nope"}, label="nope", says=True)
    s.post("registered-models/rename", {"name": name, "new_name": name + " 2"})
    s.get("registered-models/get", {"name": name + " 2"}, label="renamed")
    s.post("registered-models/create", {"name": s.name("by query")})
    s.call("DELETE", "registered-models/delete", query={"name": s.name("by query")}, label="by query", says=True)
    s.call("DELETE", "registered-models/delete", {"name": name + " 2"})
    s.get("registered-models/get", {"name": name + " 2"}, label="deleted", says=True)
    for body in ({"name": ""}, {}, {"name": "a/b"}, {"name": "a:b"}, {"name": 5}, {"name": s.name("x") + "y" * 300}):
        s.post("registered-models/create", body, label=f"{body}"[:50], says=True, view=lambda b: None)
    for method, path, body in [
        ("PATCH", "update", {"name": "none", "description": "d"}),
        ("POST", "rename", {"name": "none", "new_name": "x"}),
        ("DELETE", "delete", {"name": "none"}),
        ("POST", "set-tag", {"name": "none", "key": "k", "value": "v"}),
        ("DELETE", "delete-tag", {"name": "none", "key": "k"}),
        ("POST", "get-latest-versions", {"name": "none"}),
    ]:
        s.call(method, f"registered-models/{path}", body, label="missing", says=True)


def versions(s):
    name = s.name("m")
    s.post("registered-models/create", {"name": name})
    e = s.post("experiments/create", {"name": s.name("versions")})["experiment_id"]
    run = s.post("runs/create", {"experiment_id": e, "start_time": 1})["run"]["info"]["run_id"]
    source = f"mlflow-artifacts:/{e}/{run}/artifacts/model"
    _version(s, name, source, run_id=run, run_link="http://x/y", description="first", tags=[{"key": "t", "value": "1"}])
    _version(s, name)
    _version(s, name, f"runs:/{run}/model", run_id=run)
    for version in ("1", "2", "3", "4", 1, "x", "", "01"):
        s.get("model-versions/get", {"name": name, "version": version}, label=f"{version!r}", says=True)
        s.get("model-versions/get-download-uri", {"name": name, "version": version}, label=f"{version!r}", says=True)
    s.get("registered-models/get", {"name": name})
    s.call("PATCH", "model-versions/update", {"name": name, "version": "1", "description": "changed"})
    s.post("model-versions/set-tag", {"name": name, "version": "1", "key": "u", "value": "ñ"})
    s.call("DELETE", "model-versions/delete-tag", {"name": name, "version": "1", "key": "t"})
    s.call("DELETE", "model-versions/delete-tag", {"name": name, "version": "1", "key": "t"}, label="twice", says=True)
    s.get("model-versions/get", {"name": name, "version": "1"}, label="changed")
    s.call("DELETE", "model-versions/delete", {"name": name, "version": "3"})
    s.call("DELETE", "model-versions/delete", {"name": name, "version": "3"}, label="twice", says=True)
    _version(s, name)
    s.get("registered-models/get", {"name": name}, label="at last")
    s.post("model-versions/create", {"name": "none", "source": "s3://x/y"}, label="no model", says=True)
    s.post("model-versions/create", {"name": name}, label="no source", says=True)


def sources(s):
    """Where a version may come from."""
    name = s.name("m")
    s.post("registered-models/create", {"name": name})
    e = s.post("experiments/create", {"name": s.name("sources")})["experiment_id"]
    run = s.post("runs/create", {"experiment_id": e, "start_time": 1})["run"]["info"]["run_id"]
    model = s.post("logged-models", {"experiment_id": e, "name": "clf", "source_run_id": run})["model"]["info"][
        "model_id"
    ]
    root = f"mlflow-artifacts:/{e}/{run}/artifacts"
    tries = [
        ("/etc/passwd", {}),
        ("file:///etc", {}),
        ("./x", {}),
        ("relative", {}),
        ("", {}),
        (f"{root}/../../x", {"run_id": run}),
        (f"{root}/%2e%2e/x", {"run_id": run}),
        (f"mlflow-artifacts:/{e}/other/artifacts/x", {"run_id": run}),
        (root, {}),
        (f"{root}/m", {"run_id": run}),
        (f"{root}/m", {"run_id": "0" * 32}),
        (f"runs:/{run}/m", {}),
        (f"models:/{model}", {"model_id": model}),
        (f"models:/{model}", {}),
        (f"models:/{model}", {"run_id": run, "model_id": model}),
        ("models:/" + "m-" + "0" * 32, {}),
        (f"mlflow-artifacts:/{e}/models/{model}/artifacts", {"model_id": model}),
        (f"mlflow-artifacts:/{e}/models/{model}/artifacts", {}),
        ("http://127.0.0.1/x", {}),
        ("s3://b/../x", {}),
        ("dbfs:/x", {}),
        ("s3://b/k?a=b#c", {}),
        (f"models:/{name}/1", {}),
    ]
    for source, more in tries:
        s.post(
            "model-versions/create",
            {"name": name, "source": source} | more,
            label=f"{source} {sorted(more)}",
            says=True,
        )
    s.get(f"logged-models/{model}", label="linked")
    s.post("model-versions/search", {}, label="not by POST", view=lambda b: None)


def aliases(s):
    name = s.name("m")
    s.post("registered-models/create", {"name": name})
    for _ in range(3):
        _version(s, name)
    for alias, version in (("champion", "1"), ("other", "1"), ("Ünï", "2"), ("a-b_c", "2")):
        s.post("registered-models/alias", {"name": name, "alias": alias, "version": version}, label=alias, says=True)
        s.get("registered-models/alias", {"name": name, "alias": alias}, label=alias, says=True)
    s.post("registered-models/alias", {"name": name, "alias": "champion", "version": "3"}, label="moved")
    s.get("registered-models/alias", {"name": name, "alias": "champion"}, label="moved")
    s.get("registered-models/alias", {"name": name, "alias": "CHAMPION"}, label="case", says=True)
    s.get("registered-models/get", {"name": name}, label="with aliases")
    s.get("model-versions/search", {"filter": f"name='{name}'"}, label="with aliases")
    s.get("registered-models/search", {"filter": f"name='{name}'"}, label="with aliases")
    s.call("DELETE", "registered-models/alias", {"name": name, "alias": "other"})
    s.call("DELETE", "registered-models/alias", {"name": name, "alias": "other"}, label="twice", says=True)
    s.get("registered-models/alias", {"name": name, "alias": "other"}, label="gone", says=True)
    for alias in ("v1", "V12", "latest", "Latest", "a b", "a/b", "", "1", "x" * 256, "x" * 255, "a.b", "v1x"):
        s.post(
            "registered-models/alias",
            {"name": name, "alias": alias, "version": "1"},
            label=f"alias {alias[:20]!r}",
            says=True,
        )
    s.post("registered-models/alias", {"name": name, "alias": "a", "version": "9"}, label="no version", says=True)
    s.post("registered-models/alias", {"name": "none", "alias": "a", "version": "1"}, label="no model", says=True)
    s.get("registered-models/alias", {"name": "none", "alias": "a"}, label="no model", says=True)
    s.call("DELETE", "registered-models/alias", {"name": "none", "alias": "a"}, label="no model", says=True)
    s.call("DELETE", "model-versions/delete", {"name": name, "version": "3"}, label="with its alias")
    s.get("registered-models/alias", {"name": name, "alias": "champion"}, label="of a deleted version", says=True)
    s.post("registered-models/rename", {"name": name, "new_name": name + "2"})
    s.get("registered-models/get", {"name": name + "2"}, label="renamed with versions")


def stages(s):
    name = s.name("m")
    s.post("registered-models/create", {"name": name})
    for _ in range(4):
        _version(s, name)
    for version, stage, archive in (
        ("1", "Staging", False),
        ("2", "Production", False),
        ("3", "production", True),
        ("4", "Archived", False),
        ("1", "None", False),
        ("1", "bogus", False),
        ("1", "Archived", True),
        ("9", "Staging", False),
    ):
        body = {"name": name, "version": version, "stage": stage, "archive_existing_versions": archive}
        s.post("model-versions/transition-stage", body, label=f"{version} {stage} {archive}", says=True)
    s.post(
        "model-versions/transition-stage", {"name": name, "version": "1", "stage": "Staging"}, label="archive not given"
    )
    s.get(
        "registered-models/get",
        {"name": name},
        view=lambda b: sorted((v["version"], v["current_stage"]) for v in b["registered_model"]["latest_versions"]),
    )
    for stages in ([], ["Production"], ["Staging", "None"], ["production"], ["bogus"], None):
        s.post(
            "registered-models/get-latest-versions",
            {"name": name, "stages": stages},
            label=f"{stages}",
            says=True,
            view=_versions,
        )
    s.get("registered-models/get-latest-versions", {"name": name}, label="by GET", view=_versions)
    s.get(
        "registered-models/get-latest-versions",
        {"name": name, "stages": "Archived"},
        label="one by GET",
        view=_versions,
    )


def _versions(body):
    return sorted((v["version"], v["current_stage"]) for v in body.get("model_versions", []))


def _names(body):
    return [m["name"] for m in body.get("registered_models", [])] + ["more"] * bool(body.get("next_page_token"))


def search_models(s):
    for i, text in enumerate(["alpha", "beta", "Alpha", "gamma_1", "delta"]):
        tags = (
            [{"key": "i", "value": str(i)}]
            if i % 2
            else [{"key": "even", "value": "yes"}, {"key": "a b", "value": "x"}]
        )
        s.post("registered-models/create", {"name": s.name(text), "tags": tags})
        _version(s, s.name(text))
    mine = f"name LIKE '{s.prefix}%'"
    filters = [
        "",
        f"name = '{s.name('alpha')}'",
        "name ILIKE '%ALPHA'",
        f"name != '{s.name('beta')}'",
        "tags.i = '1'",
        "tag.i != '1'",
        "tags.i LIKE '%'",
        "tags.`a b` = 'x'",
        "tags.even = 'yes' AND tags.`a b` = 'x'",
        "tag.`mlflow.prompt.is_prompt` != 'true'",
        "tags.i IS NULL",
    ]
    for text in filters:
        s.get(
            "registered-models/search",
            {"filter": f"{mine} AND {text}" if text else mine, "max_results": 100},
            label=f"[{text}]",
            view=_names,
            says=True,
        )
    for order in [
        "name",
        "name DESC",
        "name ASC",
        "creation_timestamp",
        "last_updated_timestamp DESC",
        "timestamp ASC",
        "nope",
        "tags.i",
    ]:
        s.get(
            "registered-models/search",
            {"filter": mine, "order_by": [order]},
            label=order,
            view=lambda b: sorted(_names(b)) if "stamp" in order else _names(b),
            says=True,
        )
    token = ""
    for page in range(5):
        query = {"filter": mine, "max_results": 2, "order_by": "name"} | ({"page_token": token} if token else {})
        token = s.get("registered-models/search", query, label=f"page {page}", view=_names).get("next_page_token")
        if not token:
            break
    for text in [
        "name > 'a'",
        "nope = 'x'",
        "name = 5",
        "name",
        "name = 'a' OR name = 'b'",
        "tags.i > '1'",
        "metrics.a = 1",
        "name IN ('a')",
    ]:
        s.get("registered-models/search", {"filter": text}, label=f"[{text}]", says=True, view=lambda b: None)
    for size in ("0", "1000", "1001", "-1", "x"):
        s.get(
            "registered-models/search",
            {"filter": mine, "max_results": size},
            label=f"max_results {size}",
            says=True,
            view=lambda b: None,
        )
    s.get("registered-models/search", {"page_token": "x"}, label="bad token", says=True)


def _numbers(body):
    return [f"{v['name'].rsplit('-')[-1]} {v['version']}" for v in body.get("model_versions", [])] + ["more"] * bool(
        body.get("next_page_token")
    )


def search_versions(s):
    run = hashlib.md5(s.prefix.encode()).hexdigest()  # whatever it is, of this session
    for text in ("a", "b"):
        s.post("registered-models/create", {"name": s.name(text)})
        for i in range(3):
            more = {"run_id": run} if i == 1 else {}
            _version(s, s.name(text), f"s3://bucket/{text}/{i}", tags=[{"key": "i", "value": str(i)}], **more)
    mine = f"name LIKE '{s.prefix}%'"
    s.get(
        "model-versions/search", {"filter": f"name = '{s.name('a')}'", "order_by": "version_number ASC"}, label="whole"
    )
    filters = [
        f"name='{s.name('a')}'",
        f"name = '{s.name('a')}' AND version_number = 2",
        f"{mine} AND version_number > 1",
        f"run_id = '{run}'",
        f"run_id IN ('{run}', 'x')",
        f"{mine} AND source_path = 's3://bucket/a/1'",
        f"{mine} AND source_path LIKE '%/b/%'",
        f"{mine} AND tags.i = '2'",
        f"{mine} AND tags.i != '2'",
        f"name ILIKE '{s.prefix.upper()}%'",
        f"{mine} AND tags.none != 'x'",
        f"{mine} AND name != '{s.name('a')}'",
        f"{mine} AND tag.`mlflow.prompt.is_prompt` != 'true'",
    ]
    orders = [["name", "version_number"]]
    for text in filters:
        s.get(
            "model-versions/search",
            {"filter": text, "order_by": orders[0]},
            label=f"[{text}]",
            view=_numbers,
            says=True,
        )
    for order in (
        ["version_number DESC", "name"],
        ["name DESC", "version_number ASC"],
        ["last_updated_timestamp DESC"],
        ["creation_timestamp"],
        ["nope"],
        ["version_number UP"],
    ):
        s.get(
            "model-versions/search",
            {"filter": mine, "order_by": order},
            label=f"{order}",
            says=True,
            view=lambda b: sorted(_numbers(b)) if "stamp" in order[0] else _numbers(b),
        )
    token = ""
    for page in range(5):
        query = {"filter": mine, "max_results": 4, "order_by": orders[0]} | ({"page_token": token} if token else {})
        token = s.get("model-versions/search", query, label=f"page {page}", view=_numbers).get("next_page_token")
        if not token:
            break
    for text in [
        "version_number LIKE '1'",
        "version_number = 'x'",
        "nope = 'x'",
        "name > 'a'",
        "run_id > 'a'",
        "name = 'a' OR name = 'b'",
        "source = 'x'",
        "run_id IN ()",
    ]:
        s.get("model-versions/search", {"filter": text}, label=f"[{text}]", says=True, view=lambda b: None)
    for size in ("0", "200000", "200001", "-1", "x"):
        s.get(
            "model-versions/search",
            {"filter": mine, "max_results": size},
            label=f"max_results {size}",
            says=True,
            view=lambda b: None,
        )
