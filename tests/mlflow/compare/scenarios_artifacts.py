"""Artifacts through the server: upload, list, download, delete, and paths that lead elsewhere."""

from wire import ARTIFACTS


def _run(s):
    e = s.post("experiments/create", {"name": s.name("artifacts")})["experiment_id"]
    run = s.post("runs/create", {"experiment_id": e, "start_time": 1})["run"]["info"]["run_id"]
    return run, f"{e}/{run}/artifacts"


def files(s):
    run, root = _run(s)
    s.get(ARTIFACTS, {"path": root}, label="nothing yet")
    s.get("artifacts/list", {"run_id": run}, label="nothing yet")
    names = [
        "MLmodel",
        "a.txt",
        "conf.yaml",
        "b.json",
        "c.csv",
        "d.html",
        "e.png",
        "f.parquet",
        "g.pkl",
        "h",
        "i.md",
        "j.py",
        "k.log",
        "l.onnx",
        "m.svg",
        "n.js",
        "ñandú 🐧.txt",
        "with space.txt",
        "quote\"s'.txt",
        "o.tar.gz",
        "p.jsonl",
        "q.xml",
        "r.pdf",
        "UPPER.JSON",
        ".hidden",
        "sub/deep/er/file.bin",
        "classifier-1795404847.62/MLmodel",
    ]
    for name in names:
        s.artifact("PUT", f"{root}/{name}", f"content of {name}".encode())
        s.artifact("GET", f"{root}/{name}")
    s.artifact("PUT", f"{root}/a.txt", b"other", label="overwrite")
    s.artifact("GET", f"{root}/a.txt", label="overwritten")
    s.artifact("PUT", f"{root}/empty", b"", label="empty")
    s.artifact("GET", f"{root}/empty")
    for sub in ("", "/sub", "/sub/deep/er", "/a.txt", "/none", "/"):
        s.get(ARTIFACTS, {"path": root + sub}, label=f"in {sub!r}")
    for sub in ("sub", "sub/deep", "a.txt", "none", "", "ñandú 🐧.txt"):
        s.get("artifacts/list", {"run_id": run, "path": sub}, label=f"list {sub!r}")
    s.get("artifacts/list", {"run_uuid": run}, label="run_uuid", says=True)
    s.get("artifacts/list", {"run_id": "0" * 32}, label="missing run", says=True)
    for name in ("a.txt", "b.json", "d.html", "sub/deep/er/file.bin", "none"):
        _get(s, "/get-artifact", {"run_id": run, "path": name})
    s.artifact("DELETE", f"{root}/a.txt")
    s.artifact("DELETE", f"{root}/a.txt", label="DELETE twice")
    s.artifact("GET", f"{root}/a.txt", label="GET deleted")
    s.artifact("GET", f"{root}/sub", label="GET artifact folder")
    s.artifact("GET", f"{root}/none/x", label="GET missing")
    s.artifact("DELETE", f"{root}/sub")
    s.get(
        ARTIFACTS, {"path": root}, label="folder deleted", view=lambda b: [f["path"] for f in b["files"] if f["is_dir"]]
    )


def odd_names(s):
    _, root = _run(s)
    for name in ("a+b%20c.txt", "x#y?z.txt"):
        s.artifact("PUT", f"{root}/{name}", b"x")
        s.artifact("GET", f"{root}/{name}")


def _get(s, path, query):
    """A file's text, which may look like JSON but isn't an answer of the API."""
    s.call("GET", path, query=query, label=str(query["path"]), view=lambda b: None)


def outside(s):
    """Paths that would leave the root are refused, however they are written."""
    run, root = _run(s)
    s.artifact("PUT", f"{root}/a.txt", b"x")
    for path in [
        "../x",
        f"{root}/../../../../x",
        f"{root}/..",
        "..",
        "%2e%2e/x",
        f"{root}/%2e%2e/%2e%2e/x",
        f"{root}/..%2f..%2fx",
        "%2fetc%2fpasswd",
        f"{root}/./a.txt",
        f"{root}//a.txt",
        f"{root}/a%00b",
        "C:%5cx",
        f"{root}/..%5c..%5cx",
        f"{root}/%252e%252e/x",
    ]:
        for method in ("GET", "PUT", "DELETE"):
            response = s.api.connection.request(method, f"{ARTIFACTS}/{path}", b"x" if method == "PUT" else None)
            s.steps.append(_status_only(s, f"path {method} {path}", response))
    for path in ["..", "../", "/etc", root + "/../..", "%2e%2e", "a/../../b"]:
        s.get(ARTIFACTS, {"path": path}, label=f"in {path}", says=True)
        s.get("artifacts/list", {"run_id": run, "path": path}, label=f"list {path}", says=True)


def _status_only(s, label, response):
    from transcript import Step

    return Step(s.clean(label), response.status, None, False)


def ui_upload(s):
    run, root = _run(s)
    s.call(
        "POST",
        "/ajax-api/2.0/mlflow/upload-artifact",
        raw=b"note",
        query={"run_uuid": run, "path": "notes/n.txt"},
        headers=[("Content-Type", "text/plain")],
        view=lambda b: None,
    )
    s.artifact("GET", f"{root}/notes/n.txt")
    for query in (
        {"run_uuid": run},
        {"path": "x"},
        {"run_uuid": run, "path": "../x"},
        {"run_uuid": "0" * 32, "path": "x"},
    ):
        s.call(
            "POST",
            "/ajax-api/2.0/mlflow/upload-artifact",
            raw=b"note",
            query=query,
            headers=[("Content-Type", "text/plain")],
            label=str(sorted(query)),
        )


def multipart_is_refused(s):
    run, root = _run(s)
    body = {"path": f"{root}/a.bin", "num_parts": 2}
    s.post(f"/api/2.0/mlflow-artifacts/mpu/create/{root}/a.bin", body, label="create")
    s.post(
        f"/api/2.0/mlflow-artifacts/mpu/complete/{root}/a.bin", body | {"upload_id": "u", "parts": []}, label="complete"
    )
    s.post(f"/api/2.0/mlflow-artifacts/mpu/abort/{root}/a.bin", body | {"upload_id": "u"}, label="abort")
