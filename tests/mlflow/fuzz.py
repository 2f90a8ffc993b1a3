"""Sends generated requests and watches that the server stays polite, alive and inside its artifact folder.

    python fuzz.py --url http://127.0.0.1:7070 --token "$(cat ~/.rookery/token)" --state ~/.rookery

Each request comes from the seed and its number alone: `--seed S --only N` sends one again. Exits with 1 on findings.
"""

import argparse
import os
import random
import re
import sys
import time
from pathlib import Path

from fuzz_material import Seen
from fuzz_requests import generate
from wire import Api, Connection

FINDINGS_MAX = 25


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("ROOKERY_TEST_URL"))
    parser.add_argument("--token", default=os.environ.get("ROOKERY_TEST_TOKEN", ""))
    parser.add_argument(
        "--state", type=Path, help="the server's state folder, whose files must neither leak nor change"
    )
    parser.add_argument("--artifacts", type=Path, help="the artifact folder [default: STATE/artifacts]")
    parser.add_argument("--pid", type=int, help="the server's process, which must stay the same")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the number of the one request to send")
    return parser.parse_args()


class Guard:
    """A secret beside the artifacts, and the search for files that a request put where it shouldn't."""

    def __init__(self, state, artifacts, canary):
        self.canary, self.state = canary, state.resolve() if state else None
        self.secret, self.places = f"secret-{canary}", []
        if self.state:
            self.artifacts = (artifacts or self.state / "artifacts").resolve()
            self.places = [self.state / "fuzz-secret", self.state.parent / f"fuzz-{canary}-secret"]
            for place in self.places:
                place.write_text(self.secret)

    def leaked(self, response, token):
        """A token in an answer is one too, unless it is empty."""
        return (
            self.secret.encode() in response.body
            or (token and token.encode() in response.body)
            or b"root:x:0:" in response.body
        )

    def findings(self):
        if not self.state:
            return
        for place in self.places:
            if not place.exists() or place.read_text() != self.secret:
                yield f"{place} was changed"
            place.unlink(missing_ok=True)
        found = [p for p in self.state.rglob(f"*fuzz-{self.canary}*") if self.artifacts not in p.resolve().parents]
        for folder in [*self.state.parents, Path("/tmp"), Path("/etc"), Path.cwd(), Path.home()]:
            found.extend(folder.glob(f"*fuzz-{self.canary}*"))
        for path in found:
            yield f"{path} is outside {self.artifacts}"


NOT_A_TARGET = re.compile(r"[^!$-;=?-Z_a-z~\[\]#]|%(?![0-9A-Fa-f]{2})")


def judge(kind, method, target, response):
    """What is wrong with an answer; nothing when it is polite."""
    status, text = response.status, response.body[:300]
    if status >= 500 and status != 501:
        return f"{status} {text!r}"
    if b"<html" in text.lower() or b"<!doctype" in text.lower():
        return f"{status} HTML {text!r}" if status >= 400 else ""
    if status < 400 or method == "HEAD":
        return ""
    if (
        (kind in ("head", "route") or NOT_A_TARGET.search(target))
        and not response.body
        and status in (400, 404, 405, 414, 431, 501)
    ):
        return ""  # refused by the HTTP layer, before it was a request
    try:
        body = response.json()
    except ValueError:
        return f"{status} not JSON: {text!r}"
    return (
        ""
        if isinstance(body, dict) and body.get("error_code") and "message" in body
        else f"{status} without error_code: {text!r}"
    )


def send(connection, kind, method, target, headers, body):
    """One request; a refused one may end the connection, but there must be an answer (or a large body cut short)."""
    if any(name == "Transfer-Encoding" for name, _ in headers):
        body = b"0\r\n\r\n"
        return connection.send(connection.head(method, target, None, headers) + body, method)
    try:
        return connection.request(method, target, body, headers)
    except ConnectionError:
        if kind in ("large", "head"):
            return None
        raise


def main():
    options = arguments()
    if not options.url:
        sys.exit("--url or ROOKERY_TEST_URL is needed")
    canary = f"{options.seed}-{int(time.time())}"
    api = Api(options.url, options.token)
    guard = Guard(options.state, options.artifacts, canary)
    seen = Seen(api, canary)
    findings, statuses, start = [], {}, time.monotonic()
    connection = Connection(options.url, options.token, timeout=30)
    numbers = [options.only] if options.only is not None else range(options.requests)
    for number in numbers:
        request = generate(random.Random(f"{options.seed}/{number}"), seen)
        kind, method, target, headers, body = request
        if options.only is not None:
            print(kind, method, target[:2000], headers, (body or b"")[:2000])
        try:
            response = send(connection, *request)
            problem = "" if response is None else judge(kind, method, target, response)
            if response is not None:
                key = (kind, response.status)
                statuses[key] = statuses.get(key, 0) + 1
                problem = problem or ("the answer holds a secret" if guard.leaked(response, options.token) else "")
        except (OSError, ValueError, IndexError) as e:
            connection.close()
            problem = f"no answer: {e!r}"
        if problem:
            findings.append(
                f"#{number} {kind}: {method} {target[:300]} {str(headers)[:200]} {(body or b'')[:300]!r}\n    {problem}"
            )
            if len(findings) >= FINDINGS_MAX:
                break
    try:
        assert Api(options.url, options.token, timeout=10).call("GET", "/health").status == 200
        api.get("runs/get", run_id=seen.run)
    except (OSError, AssertionError, ValueError, IndexError) as e:
        findings.append(f"the server is no longer well: {e!r}")
    if options.pid and not Path(f"/proc/{options.pid}").exists():
        findings.append(f"process {options.pid} is gone")
    findings.extend(guard.findings())
    report(findings, statuses, time.monotonic() - start, options.seed)


def report(findings, statuses, seconds, seed):
    for (kind, status), count in sorted(statuses.items()):
        print(f"{kind:8} {status} {count:6}")
    for finding in findings:
        print(finding)
    print(
        f"{'FAIL' if findings else 'PASS'}: seed {seed}, {sum(statuses.values())} answers in {seconds:.1f} s, {len(findings)} findings"
    )
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
