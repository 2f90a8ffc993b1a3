"""The search for runs: `filters.txt` and `orders.txt` on eleven prepared runs, and paging."""

from pathlib import Path

HERE = Path(__file__).parent


def _lines(file):
    """The file's lines, without comments; `_` is the empty text."""
    lines = (HERE / file).read_text(encoding="utf-8").splitlines()
    return ["" if line == "_" else line for line in lines if line and not line.startswith("#")]


def _names(body):
    return [r["info"]["run_name"] for r in body.get("runs", [])] + ["more"] * bool(body.get("next_page_token"))


def _sorted_names(body):
    return sorted(_names(body))


RUNS = [
    # name, user, status, start, end, metrics, params, tags
    (
        "alpha",
        "ana",
        "FINISHED",
        1000,
        1500,
        {"acc": 0.5, "loss": 2.0},
        {"lr": "0.1", "opt": "sgd"},
        {"team": "blue", "a b": "x"},
    ),
    ("beta", "ana", "FINISHED", 2000, 2500, {"acc": 0.75, "loss": 1.0}, {"lr": "0.01", "opt": "adam"}, {"team": "red"}),
    ("Gamma", "bob", "FAILED", 3000, 3100, {"acc": 0.25}, {"lr": "0.1", "opt": "SGD"}, {"team": "blue"}),
    ("delta", "bob", "RUNNING", 4000, None, {"acc": "NaN", "loss": -1.0}, {"lr": "1e-3"}, {}),
    ("epsilon", "eva", "RUNNING", 5000, None, {}, {}, {"team": "Blue", "only": "here"}),
    ("zeta_1", "eva", "KILLED", 6000, 6001, {"acc": "Infinity"}, {"opt": "100%"}, {"team": "blue_green"}),
    ("eta%2", "eva", "SCHEDULED", 7000, None, {"acc": "-Infinity", "loss": 1000.0}, {"opt": "it's"}, {"team": "bl%"}),
    (
        "theta",
        "ñandú",
        "FINISHED",
        8000,
        9000,
        {"acc": 0.75},
        {"opt": "Pingüino"},
        {"team": "azul 🐧", "a.b": "dotted"},
    ),
    (
        "iota",
        "",
        "FINISHED",
        8000,
        8500,
        {"acc": 0.75, "val/acc": 0.9, "a b": 1.0},
        {"deep/er": "y", "a b": "space"},
        {"team": ""},
    ),
    ("kappa", "ana", "FINISHED", 9000, 9500, {"acc": 0.0}, {"lr": "10"}, {"mlflow.source.name": "train.py"}),
    ("same", "ana", "FINISHED", 9000, 9500, {"acc": 0.75}, {"lr": "2"}, {"mlflow.source.name": "lab.py"}),
]


def _prepare(s):
    e = s.post("experiments/create", {"name": s.name("search")})["experiment_id"]
    for name, user, status, start, end, metrics, params, tags in RUNS:
        create = {"experiment_id": e, "user_id": user, "run_name": name, "start_time": start}
        run = s.post("runs/create", create | {"tags": [{"key": k, "value": v} for k, v in tags.items()]})["run"][
            "info"
        ]["run_id"]
        s.post(
            "runs/log-batch",
            {
                "run_id": run,
                "metrics": [{"key": k, "value": v, "timestamp": start, "step": 1} for k, v in metrics.items()],
                "params": [{"key": k, "value": v} for k, v in params.items()],
            },
        )
        s.post("runs/update", {"run_id": run, "status": status} | ({"end_time": end} if end else {}))
    dataset = {"name": "penguins", "digest": "d1", "source_type": "http", "source": "{}"}
    s.post(
        "runs/log-inputs",
        {"run_id": run, "datasets": [{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "train"}]}]},
    )
    return e, run


def filters(s):
    e, run = _prepare(s)
    for text in _lines("filters.txt"):
        filter = text.replace("RUN_ID", run).replace("EXPERIMENT_ID", e)
        s.post("runs/search", {"experiment_ids": [e], "filter": filter}, label=f"[{text}]", view=_sorted_names)


def bad_filters(s):
    e, _ = _prepare(s)
    for text in _lines("bad_filters.txt"):
        s.post("runs/search", {"experiment_ids": [e], "filter": text}, label=f"[{text}]", view=_sorted_names, says=True)


def orders(s):
    e, _ = _prepare(s)
    for line in _lines("orders.txt"):
        # Runs that tie in everything are told apart by their random ids: `same` and its twin by start are left out.
        query = {
            "experiment_ids": [e],
            "order_by": line.split(" ; "),
            "filter": "attributes.run_name != 'same' AND attributes.run_name != 'theta'",
        }
        s.post("runs/search", query, label=f"[{line}]", view=_names)


def bad_orders(s):
    e, _ = _prepare(s)
    for line in _lines("bad_orders.txt"):
        s.post("runs/search", {"experiment_ids": [e], "order_by": [line]}, label=f"[{line}]", view=_names, says=True)


def whole_answer(s):
    e, run = _prepare(s)
    s.post("runs/search", {"experiment_ids": [e], "order_by": ["attributes.run_name ASC"], "max_results": 100})


def pages(s):
    """Small pages, in an order that ties: every run once, and the last page without a token."""
    e, _ = _prepare(s)
    for order in (
        ["metrics.acc DESC", "attributes.run_name"],
        ["attributes.run_name DESC"],
        ["params.lr", "attributes.run_name"],
    ):
        for size in (1, 3, 11, 12):
            token, page = "", 0
            while page < 20:
                body = {"experiment_ids": [e], "order_by": order, "max_results": size}
                answer = s.post(
                    "runs/search",
                    body | ({"page_token": token} if token else {}),
                    label=f"{size} a page, {page}",
                    view=_names,
                )
                token, page = answer.get("next_page_token"), page + 1
                if not token:
                    break
    for token in ("x", "%%%", "bm90IGpzb24=", "eyJhIjogMX0=", "lax: eyJvZmZzZXQiOiAtMX0=", "lax: eyJvZmZzZXQiOiAiMSJ9"):
        s.post(
            "runs/search",
            {"experiment_ids": [e], "page_token": token.removeprefix("lax: "), "max_results": 2},
            label=f"token {token}",
            says=True,
            view=lambda b: None,
        )
    for size in (0, -1, 50000, 50001, "2", "x", None):
        s.post(
            "runs/search",
            {"experiment_ids": [e], "max_results": size, "order_by": ["attributes.run_name"]},
            label=f"max_results {size!r}",
            says=True,
            view=_names,
        )


def many_experiments(s):
    ids = [_prepare(s)[0] for s.prefix in (s.prefix + "-1", s.prefix + "-2")]
    order = {"order_by": ["start_time DESC", "attributes.run_name"], "filter": "metrics.acc > 0.3"}
    s.post("runs/search", {"experiment_ids": ids} | order, view=_names, label="two experiments")
    s.post("runs/search", {"experiment_ids": [*ids, "99999"]} | order, view=_names, label="and a missing one")
    s.post("runs/search", {"experiment_ids": []} | order, view=_names, label="none")
    s.post("runs/search", {} | order, view=_names, label="not given")
    s.post("runs/search", {"experiment_ids": ["abc"]}, view=_names, label="not a number", says=True)
    s.post("runs/search", {"experiment_ids": "abc"}, view=_names, label="not a list", says=True)


def view_types(s):
    e, run = _prepare(s)
    s.post("runs/delete", {"run_id": run})
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL", 2, 3):
        s.post(
            "runs/search", {"experiment_ids": [e], "run_view_type": view}, view=_sorted_names, label=f"view {view!r}"
        )
