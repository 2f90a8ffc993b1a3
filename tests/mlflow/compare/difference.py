"""Where two transcripts differ, field by field, and which of those differences are meant."""

from dataclasses import dataclass
from typing import Any

from intended import INTENDED


@dataclass
class Difference:
    step: str
    path: str
    ours: Any
    real: Any

    def __str__(self):
        return f"{self.step}\n    {self.path}\n      ours {shorten(self.ours)}\n      real {shorten(self.real)}"


MISSING = "(nothing)"


def shorten(value, length=600):
    text = repr(value)
    return text if len(text) <= length else text[:length] + "…"


def compare(ours, real):
    """All differences that nobody meant."""
    found = []
    if [s.label for s in ours] != [s.label for s in real]:
        found.append(Difference("(the sequence)", "labels", [s.label for s in ours], [s.label for s in real]))
    for a, b in zip(ours, real):
        if a.status != b.status:
            found.append(Difference(a.label, "status", f"{a.status} {a.body}", f"{b.status} {b.body}"))
        else:
            found.extend(fields(a, b))
    return [d for d in found if not any(i.matches(d) for i in INTENDED)]


def fields(a, b):
    error = a.status >= 400 and isinstance(a.body, dict) and isinstance(b.body, dict) and "error_code" in b.body
    if error and not a.says:
        return values(a.label, "error_code", a.body.get("error_code", MISSING), b.body["error_code"])
    if isinstance(b.body, dict) and "<text/html>" in b.body:
        return [Difference(a.label, "body", a.body, b.body)] if a.body != b.body else []
    return values(a.label, "body", a.body, b.body)


def values(step, path, a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return [
            d
            for key in sorted(a.keys() | b.keys())
            for d in values(step, f"{path}.{key}", a.get(key, MISSING), b.get(key, MISSING))
        ]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in values(step, f"{path}[{i}]", x, y)]
    same = a == b and isinstance(a, bool) == isinstance(b, bool)
    return [] if same else [Difference(step, path, a, b)]
