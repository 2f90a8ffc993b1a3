"""A transcript: what one server answered to a sequence of calls, with what must differ between servers replaced."""

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from wire import ARTIFACTS, Api

RUN = re.compile(r"(?<![0-9a-f-])[0-9a-f]{32}(?![0-9a-f])")
MODEL = re.compile(r"m-[0-9a-f]{32}(?![0-9a-f])")
RUN_NAME = re.compile(r"^[a-z]+-[a-z]+-\d+$")
EXPERIMENT = re.compile(
    r"(?P<before>mlflow-artifacts:/|[Ee]xperiment (?:with )?(?:id|ID)[=: ]+'?|The experiment )(?P<id>\d+)"
    r"|(?<![\w.-])(?P<folder>\d+)(?=/(?:RUN|models/))"
)
PYTHON_SET = re.compile(r"\{'[^{}]*'\}")  # its order differs from process to process
ADDRESS = re.compile(r"0x[0-9a-f]{8,}")
SQL_PARAMETERS = re.compile(r"\[parameters: .*\]")
NOW_MS = 24 * 3600 * 1000  # an integer this near to the present, in milliseconds, is a time of the server's clock
DROPPED = {"sqlstate", "error_class", "workspace"}  # optional to the client
SORTED = {
    "tags",
    "params",
    "metrics",
    "aliases",
    "files",
    "dataset_inputs",
    "model_inputs",
    "model_outputs",
}  # lists without an order


@dataclass
class Step:
    label: str
    status: int
    body: Any  # parsed JSON, else {"<content type>": text}
    says: bool  # whether an error's message is compared


@dataclass
class Names:
    """Ids in the order in which a server first showed them."""

    seen: dict = field(default_factory=dict)

    def of(self, kind, id):
        known = self.seen.setdefault(kind, {})
        return known.setdefault(id, f"{kind}{len(known) + 1}")


class Recorder:
    """Makes calls as `Api` does, and remembers the answers."""

    def __init__(self, server, prefix):
        self.api = server.api() if hasattr(server, "api") else Api(server)
        self.prefix = prefix  # for names: new in every session, the same for both servers
        self.steps = []
        self.names = Names()
        self.now = int(time.time() * 1000)

    def name(self, text):
        return f"{self.prefix}-{text}"

    def get(self, path, query=None, **options):
        return self.call("GET", path, query=query, **options)

    def post(self, path, body, **options):
        return self.call("POST", path, body, **options)

    def call(self, method, path, body=None, *, label="", says=False, view=None, ordered=False, **options):
        """`view` picks what is compared; `ordered` keeps lists that have no order elsewhere as they are."""
        response = self.api.call(method, path, body, **options)
        try:
            parsed = response.json() if response.content_type == "application/json" else None
        except ValueError:
            parsed = {"<not JSON>": response.body[:200].decode(errors="replace")}
        if parsed is None:
            text = response.body.decode(errors="replace")
            shown = {f"<{response.content_type}>": text if len(text) < 200 and "<" not in text else "…"}
        else:
            shown = parsed
        if view and response.status == 200:
            shown = view(parsed)
        label = f"{method} {path} {label}".strip()
        self.steps.append(Step(self.clean(label), response.status, self.clean(shown, ordered), says))
        return parsed if isinstance(parsed, dict) else {}

    def artifact(self, method, path, data=None, headers=(), label=None):
        """One artifact, with the headers that a browser or a client looks at."""
        response = self.api.connection.request(method, f"{ARTIFACTS}/{quote(path)}", data, headers)
        wanted = ("content-type", "content-disposition", "x-content-type-options")
        text = response.body.decode(errors="replace")
        if response.status >= 400 and text.startswith("{"):
            text = json.dumps(self.clean(json.loads(text)))
        body = {"body": text}
        body |= {k: v for k, v in response.headers.items() if k in wanted and response.status == 200}
        self.steps.append(
            Step(self.clean(label or f"{method} artifact {path}"), response.status, self.clean(body), True)
        )
        return response

    def clean(self, value, ordered=False, key=None):
        if isinstance(value, dict):
            kept = {k: v for k, v in value.items() if k not in DROPPED}
            return {self.clean(k): self.clean(v, ordered, k) for k, v in kept.items()}
        if isinstance(value, list):
            cleaned = [self.clean(v, ordered, key) for v in value]
            if key in SORTED and not ordered:
                cleaned.sort(key=lambda v: json.dumps(v, sort_keys=True))
            return cleaned
        if isinstance(value, bool):
            return value
        if isinstance(value, int) and abs(value - self.now) < NOW_MS:
            return "NOW"
        if isinstance(value, str):
            return self.clean_text(value, key)
        return value

    def clean_text(self, text, key):
        if key in ("experiment_id", "experiment_ids", "experimentId") and text.isdigit():
            return self.names.of("EXPERIMENT", text)
        if key == "next_page_token" and text:
            return "TOKEN"
        if RUN_NAME.match(text):
            return "GENERATED NAME"
        if text[:2] in ("[{", '{"') and key == "value":
            try:
                return json.dumps(self.clean(json.loads(text)), sort_keys=True)
            except ValueError:
                pass
        text = MODEL.sub(lambda m: self.names.of("MODEL", m[0]), text)
        text = RUN.sub(lambda m: self.names.of("RUN", m[0]), text)
        text = EXPERIMENT.sub(self._experiment, text)
        text = PYTHON_SET.sub(lambda m: "{" + ", ".join(sorted(m[0][1:-1].split(", "))) + "}", text)
        return ADDRESS.sub("0xADDRESS", SQL_PARAMETERS.sub("[parameters]", text))

    def _experiment(self, match):
        return (match["before"] or "") + self.names.of("EXPERIMENT", match["id"] or match["folder"])
