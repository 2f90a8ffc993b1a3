"""Experiments: their life, their tags, and the search for them."""


def life(s):
    name = s.name("Pingüinos 🐧")
    s.get("experiments/get-by-name", {"experiment_name": name}, says=True, label="missing")
    id = s.post("experiments/create", {"name": name, "tags": [{"key": "a", "value": "1"}, {"key": "ü", "value": "ñ"}]})[
        "experiment_id"
    ]
    s.get("experiments/get-by-name", {"experiment_name": name})
    s.get("experiments/get", {"experiment_id": id})
    s.post("experiments/update", {"experiment_id": id, "new_name": name + " 2"})
    s.get("experiments/get", {"experiment_id": id}, label="renamed")
    s.post("experiments/set-experiment-tag", {"experiment_id": id, "key": "a", "value": "2"})
    s.post("experiments/set-experiment-tag", {"experiment_id": id, "key": "b", "value": ""})
    s.get("experiments/get", {"experiment_id": id}, label="tagged")
    s.post("experiments/delete-experiment-tag", {"experiment_id": id, "key": "a"})
    s.post("experiments/delete-experiment-tag", {"experiment_id": id, "key": "nope"}, says=True)
    s.get("experiments/get", {"experiment_id": id}, label="untagged")


def delete_and_restore(s):
    """A deletion takes the runs with it, a restoration brings them back."""
    name = s.name("gone")
    id = s.post("experiments/create", {"name": name})["experiment_id"]
    run = s.post("runs/create", {"experiment_id": id, "run_name": "r", "start_time": 1000})["run"]["info"]["run_id"]
    other = s.post("runs/create", {"experiment_id": id, "run_name": "deleted before", "start_time": 2000})["run"][
        "info"
    ]["run_id"]
    s.post("runs/delete", {"run_id": other})
    s.post("experiments/delete", {"experiment_id": id})
    s.get("experiments/get", {"experiment_id": id})
    s.get("experiments/get-by-name", {"experiment_name": name})
    s.get("runs/get", {"run_id": run})
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
        s.post("runs/search", {"experiment_ids": [id], "run_view_type": view}, label=view)
    s.post("experiments/delete", {"experiment_id": id}, label="twice", says=True)
    s.post("experiments/restore", {"experiment_id": id})
    s.get("experiments/get", {"experiment_id": id}, label="restored")
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
        s.post("runs/search", {"experiment_ids": [id], "run_view_type": view}, label=view + " after")
    s.post("experiments/restore", {"experiment_id": id}, label="twice", says=True)


def artifact_location(s):
    for location in ("mlflow-artifacts:/somewhere/else", "mlflow-artifacts:/somewhere/else/"):
        id = s.post("experiments/create", {"name": s.name(f"at {location[-1]}"), "artifact_location": location}).get(
            "experiment_id"
        )
        s.get("experiments/get", {"experiment_id": id})
        s.post("runs/create", {"experiment_id": id, "start_time": 1})


def default_experiment(s):
    s.get(
        "experiments/get",
        {"experiment_id": "0"},
        view=lambda b: [b["experiment"][k] for k in ("name", "lifecycle_stage", "artifact_location")],
    )
    s.get("experiments/get-by-name", {"experiment_name": "Default"}, view=lambda b: b["experiment"]["experiment_id"])


def _names(body):
    return [e["name"] for e in body.get("experiments", [])] + ["more"] * bool(body.get("next_page_token"))


def search(s):
    ids = []
    for i, text in enumerate(["alpha", "beta", "Alpha", "gamma_1", "gamma%2", "delta"]):
        tags = (
            [{"key": "i", "value": str(i)}] if i % 2 else [{"key": "odd", "value": "yes"}, {"key": "a b", "value": "x"}]
        )
        ids.append(s.post("experiments/create", {"name": s.name(text), "tags": tags})["experiment_id"])
    s.post("experiments/delete", {"experiment_id": ids[5]})
    mine = f"name LIKE '{s.prefix}%'"
    filters = [
        "",
        f"name = '{s.name('alpha')}'",
        f"name != '{s.name('alpha')}'",
        "name LIKE '%alpha'",
        "name ILIKE '%ALPHA'",
        f"attribute.name = '{s.name('beta')}'",
        f"attributes.name = '{s.name('beta')}'",
        "name LIKE '%gamma_1'",
        "name LIKE '%gamma%2'",
        "tags.i = '1'",
        "tag.i = '1'",
        "tags.i != '1'",
        "tags.i LIKE '%'",
        "tags.i ILIKE '3'",
        "tags.`a b` = 'x'",
        'tags."a b" = "x"',
        "tags.i IS NULL",
        "tags.i IS NOT NULL",
        "tags.odd = 'yes' AND tags.i = '1'",
        "creation_time > 0",
        "creation_time < 1000",
        "last_update_time >= 0",
        "creation_time = 5",
    ]
    for text in filters:
        for view in ("ACTIVE_ONLY",) if text else ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
            body = {"max_results": 100, "filter": f"{mine} AND {text}" if text else mine, "view_type": view}
            s.post("experiments/search", body, label=f"{text} {view}", view=_names)
    for order in [
        "name",
        "name DESC",
        "name ASC",
        "creation_time",
        "experiment_id DESC",
        "last_update_time ASC",
        "attribute.name desc",
        "Name",
    ]:
        s.post(
            "experiments/search",
            {"max_results": 100, "filter": mine, "order_by": [order]},
            label=order,
            view=_names,
            says=True,
        )
    s.post(
        "experiments/search",
        {"max_results": 100, "filter": f"experiment_id IN ('{ids[0]}', '{ids[1]}')"},
        label="IN",
        view=_names,
    )
    s.post(
        "experiments/search",
        {"max_results": 100, "filter": f"{mine} AND experiment_id NOT IN ('{ids[0]}')"},
        label="NOT IN",
        view=_names,
    )
    s.post(
        "experiments/search", {"max_results": 100, "filter": f"experiment_id = '{ids[0]}'"}, label="id =", view=_names
    )
    s.get("experiments/search", {"max_results": 2, "filter": mine}, label="by GET", view=_names)
    _pages(s, mine)
    for text in [
        "name = 5",
        "name",
        "foo = 'x'",
        "name = 'a' OR name = 'b'",
        "name > 'a'",
        "creation_time LIKE 'a'",
        "metrics.m = 1",
        "name = alpha",
        "tags.i > 3",
        "(name = 'a')",
        "name IN ('a')",
    ]:
        s.post("experiments/search", {"max_results": 5, "filter": text}, label=text, says=True, view=lambda b: None)
    for order in ["foo", "name UP", "name; DROP", "tags.i", ""]:
        s.post(
            "experiments/search",
            {"max_results": 5, "order_by": [order]},
            label=f"order {order}",
            says=True,
            view=lambda b: None,
        )


def _pages(s, mine):
    token = ""
    for page in range(5):
        body = {"max_results": 2, "filter": mine, "view_type": "ALL", "order_by": ["name"], "page_token": token}
        answer = s.post("experiments/search", body, label=f"page {page}", view=_names)
        token = answer.get("next_page_token")
        if not token:
            break


def names_that_are_refused(s):
    longest = s.prefix + "x" * (500 - len(s.prefix))
    for name in [
        "",
        longest,
        longest + "x",
        5,
        None,
        ["a"],
        s.name("tab\tname"),
        s.name("new\nline"),
        s.name("a/b\\c"),
        s.name("'quoted'"),
        s.name(" "),
    ]:
        s.post(
            "experiments/create",
            {"name": name},
            label=repr(name).replace(s.prefix, "")[:40],
            says=True,
            view=lambda b: list(b),
        )
