"""Requests nobody should send: valid ones with something spoilt, and some that never made sense."""

import json
from urllib.parse import quote

from fuzz_material import RAW, STRANGE, TOKENS, UP
from wire import API, ARTIFACTS


def generate(random, seen):
    """(kind, bytes to send without host and token: method, target, headers, body)"""
    kind = random.choices(
        ["body", "query", "filter", "path", "raw", "route", "head", "large"], [35, 15, 18, 18, 8, 4, 1.9, 0.1]
    )[0]
    return kind, *{
        "body": body,
        "query": query,
        "filter": filters,
        "path": path,
        "raw": raw,
        "route": route,
        "head": head,
        "large": large,
    }[kind](random, seen)


def json_request(method, path, value, headers=()):
    data = json.dumps(value).encode("utf-8", "surrogatepass")
    return method, path if path.startswith("/") else API + path, [("Content-Type", "application/json"), *headers], data


def body(random, seen):
    method, path, value = random.choice(seen.bodies())
    for _ in range(random.randint(1, 3)):
        value = spoil(random, value)
    return json_request(method, path, value)


def spoil(random, value, inside=False):
    """The value with one thing changed, somewhere inside."""
    if isinstance(value, dict) and value and random.random() < (0.85 if inside else 0.98):
        key, what = random.choice(list(value)), random.random()
        if what < 0.12:
            return {k: v for k, v in value.items() if k != key}
        if what < 0.2:
            return value | {random.choice(["x", "", "__proto__", "run_uuid", "\0"]): random.choice(STRANGE)}
        return value | {key: spoil(random, value[key], True)}
    if isinstance(value, list) and value and random.random() < 0.85:
        what = random.random()
        if what < 0.2:
            return value * random.choice([2, 50, 1500])
        return [spoil(random, value[0], True), *value[1:]]
    if random.random() < 0.05:
        deep = []
        for _ in range(random.choice([10, 200, 900])):
            deep = [deep]
        return deep
    return random.choice(STRANGE)


def query(random, seen):
    path, values = random.choice(seen.queries())
    pairs = list(values.items())
    for _ in range(random.randint(1, 2)):
        what = random.random()
        if pairs and what < 0.2:
            pairs.pop(random.randrange(len(pairs)))
        elif pairs and what < 0.8:
            i = random.randrange(len(pairs))
            pairs[i] = (pairs[i][0], str(random.choice(STRANGE))[:6000])
        else:
            pairs.append((random.choice([p[0] for p in pairs] or ["x"]), str(random.choice(STRANGE))[:6000]))
    text = "&".join(f"{quote(k)}={quote(v, errors='replace')}" for k, v in pairs)
    if random.random() < 0.1:
        text += random.choice(["&%", "&%zz=%ff", "&=&&", "&a[]=1&a[b]=2", "%ff%fe", "&" * 50])
    target = path if path.startswith("/") else API + path
    return "GET", f"{target}?{text}", [], None


def filters(random, seen):
    text = " ".join(random.choices(TOKENS, k=random.randint(1, 12)))
    if random.random() < 0.2:
        text = "".join(random.choices(TOKENS, k=random.randint(1, 40)))
    if random.random() < 0.02:
        text = random.choice(
            [
                " AND ".join(["metrics.m > 1"] * 400),
                "(" * 5000,
                "run_id IN (" + ",".join(["'a'"] * 3000) + ")",
                "a" * 100_000,
            ]
        )
    where, order = random.choice([("filter", False), ("filter", False), ("order_by", True)])
    value = [text] if order else text
    match random.randrange(5):
        case 0 | 1:
            return json_request(
                "POST", "runs/search", {"experiment_ids": [seen.experiment], where: value, "max_results": 5}
            )
        case 2:
            return json_request("POST", "experiments/search", {where: value, "max_results": 5})
        case 3:
            order_by = [{"field_name": text, "ascending": random.choice([True, False, "x"])}]
            return json_request(
                "POST",
                "logged-models/search",
                {"experiment_ids": [seen.experiment]} | ({"order_by": order_by} if order else {"filter": text}),
            )
        case _:
            which = random.choice(["registered-models", "model-versions"])
            return "GET", f"{API}{which}/search?max_results=5&{where}={quote(text[:6000])}", [], None


def path(random, seen):
    """Artifact paths that try to leave the root; what they would write has the canary in its name."""
    up = random.choice(UP)
    depth = random.randint(1, 8)
    separator = random.choice(["/", "/", "/", "%2f", "\\", "%5c", "//", "/./"])
    ways = [
        separator.join([up] * depth),
        seen.root + "/" + separator.join([up] * depth),
        "/" * random.randint(1, 3) + "tmp",
        "%2ftmp",
        "file:///tmp",
        "C:\\",
        seen.root
        + "/"
        + random.choice(
            [
                "",
                ".",
                "%00",
                "a%00b",
                "a.txt/b",
                "x" * 300,
                "d/" * 200 + "e",
                "con",
                "~",
                "$HOME",
                "a?b",
                "a#b",
                "%",
                "%zz",
                "%ff",
                "a\\b",
                "a:b",
                "*",
                " ",
                "%0d%0aX: y",
            ]
        ),
        f"{seen.experiment}/models/{seen.logged}/artifacts/{up}",
    ]
    target = random.choice(ways)
    if random.random() < 0.8:
        target += random.choice(["/", "", separator]) + f"fuzz-{seen.canary}"
    elif random.random() < 0.5:
        target += random.choice(["/token", "/fuzz-secret", "/etc/passwd", separator + "fuzz-secret"])
    prefix = random.choice([ARTIFACTS, ARTIFACTS, ARTIFACTS, ARTIFACTS.replace("/api/", "/ajax-api/")])
    what = random.random()
    clean = target.replace(" ", "%20").replace("\0", "%00")
    if what < 0.2:
        return "GET", f"{prefix}?path={clean}", [], None
    if what < 0.3:
        return "GET", f"{API}artifacts/list?run_id={seen.run}&path={clean}", [], None
    if what < 0.4:
        return "GET", f"/get-artifact?run_id={seen.run}&path={clean}", [], None
    if what < 0.45:
        return "POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={seen.run}&path={clean}", [], b"fuzz"
    if what < 0.5:
        return json_request(
            "POST",
            "model-versions/create",
            {
                "name": seen.model,
                "source": random.choice(["mlflow-artifacts:/", "file://", "runs:/", "models:/", ""]) + target,
            },
        )
    method = random.choice(["GET", "GET", "PUT", "PUT", "DELETE"])
    return method, f"{prefix}/{clean}", [], b"fuzz" if method == "PUT" else None


def raw(random, seen):
    method, path, _ = random.choice(seen.bodies())
    kind = random.choice(
        [
            "application/json",
            "application/json",
            "application/json; charset=utf-8",
            "text/plain",
            "",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json;;;",
            "\xff",
        ]
    )
    return method, path if path.startswith("/") else API + path, [("Content-Type", kind)], random.choice(RAW)


def route(random, seen):
    known = [p for _, p, _ in seen.bodies()] + [p for p, _ in seen.queries()]
    path = random.choice(known)
    target = path if path.startswith("/") else API + path
    target = random.choice(
        [
            target,
            target + "/",
            target + "/x",
            target.replace("2.0", random.choice(["1.0", "3.0", "", "2"])),
            target.upper(),
            "/",
            "/favicon.ico",
            "/%",
            "/%ff",
            "//",
            "/.",
            "/..",
            "/api",
            "/api/2.0/mlflow/" + "x" * 2000,
            "/static-files/../../token",
            "/static-files/%2e%2e/token",
        ]
    )
    method = random.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "FOO", "CONNECT"])
    return method, target, [], None if method in ("GET", "HEAD") else b"{}"


def head(random, seen):
    headers = random.choice([
        [("X-Long", "a" * 5000)], [("X-Long", "a" * 200_000)], [(f"X-{i}", "y") for i in range(300)], [("X-Bad", "a\0b")], [("X-Bad", "ü")], [("Bad Name", "x")], [("", "x")], [("Range", "bytes=5-1")], [("Range", "bytes=0-999999999999999999999")],
        [("Range", "x")], [("Accept-Encoding", "gzip;q=x")], [("If-Match", '"x"')], [("Expect", "something")], [("Transfer-Encoding", "chunked"), ("X", "y")], [("Host", "evil.example")], [("X-MLFLOW-WORKSPACE", "../x")], [("Cookie", "a" * 4000)], [("Authorization", "Basic eDp5")],
    ])  # fmt: skip
    target = random.choice([API + "experiments/get?experiment_id=0", f"{ARTIFACTS}/{seen.root}/a.txt", "/health"])
    return "GET", target, headers, None


def large(random, seen):
    size = random.choice([2_000_000, 20_000_000])
    value = random.choice([
        {"run_id": seen.run, "key": "k", "value": "v" * size},
        {"run_id": seen.run, "tags": [{"key": f"k{i}", "value": "v"} for i in range(size // 40)]},
        {"x": "y" * size},
    ])  # fmt: skip
    return json_request("POST", random.choice(["runs/set-tag", "runs/log-batch", "runs/search"]), value)
