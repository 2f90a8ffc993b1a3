"""The differences from a real server that are meant, each with its reason. Everything else is a failure.

A status difference shows both answers as `<status> <body>`.
"""

import json
import re
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Intended:
    step: str  # regular expression on the step's label
    path: str  # regular expression on the field's path
    reason: str
    holds: Callable  # what must nevertheless be true of (ours, real)

    def matches(self, difference):
        return bool(
            re.search(self.step, difference.step)
            and re.search(self.path, difference.path)
            and self.holds(difference.ours, difference.real)
        )


def no_sql(ours, real):
    return isinstance(ours, str) and "sqlite" in str(real) and not re.search("sqlite|SQL|INSERT|UPDATE", ours)


def not_a_crash(ours, real):
    return real.startswith("500") and (ours.startswith("200") or json_error(ours))


def json_error(ours):
    return bool(re.match(r"[1-4]\d\d \{.*'error_code': '[A-Z_]+'", ours))


def refused(ours, real):
    return real.startswith("200") and json_error(ours)


def json_for_html(ours, real):
    return "<text/html>" in str(real) and "error_code" in str(ours)


def detail(ours, real):
    return "detail" in str(real) and "error_code" in str(ours)


def refused_path(ours, _real):
    return bool(re.match(r"4\d\d", ours))


def more(ours, real):
    """Ours begins with all that the real server says."""
    return isinstance(ours, str) and ours.startswith(str(real))


def more_values(ours, real):
    """A list of what would be right, with some more in ours."""
    return isinstance(ours, str) and ours.startswith(str(real).removesuffix("]"))


def same_head(end):
    """Both say the same up to and with this."""

    def holds(ours, real):
        return isinstance(ours, str) and end in ours and ours.split(end)[0] == str(real).split(end)[0]

    return holds


def both(words):
    return lambda ours, real: words in str(ours) and words in str(real)


def tokens_differ(ours, real):
    return all(str(side).startswith("Invalid page token") for side in (ours, real))


def not_escaped(ours, real):
    """The same, with letters where the real server has JSON's escapes of them."""

    def pair(match):
        return json.loads(f'"{match[0]}"')

    return re.sub(r"(\\u[0-9a-f]{4})+", pair, str(real)) == ours


def extra(ours, real):
    return real == "(nothing)" and ours != "(nothing)"


def answered(ours, real):
    """We do what was asked, where the real server refuses."""
    return ours.startswith("200") and real.startswith("400")


def no_sql_code(ours, real):
    return real == "BAD_REQUEST" and ours in ("INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS")


def same_encoded_name(ours, real):
    ends = [str(side).split("filename*=")[-1] for side in (ours, real)]
    return ends[0] == ends[1] != str(ours)


def not_unquoted(ours, real):
    return "%20" in str(ours) and "%20" not in str(real)


def hidden_status(ours, real):
    """Names that the real server does not find, or finds too many of."""
    return isinstance(ours, list) and ours != [] and (real == [] or set(ours) < set(real))


def not_graphql(ours, _real):
    return ours.startswith("404 {'error_code': 'ENDPOINT_NOT_FOUND'")


def said(ours, real):
    return isinstance(ours, str) and ours != "(nothing)"


INTENDED = [
    Intended(r"", r"^body\.hint$", "a field of ours that says what to do; clients ignore it", extra),
    # The server as a whole.
    Intended(
        r"", r"^status$", "the real server crashes with 500; we answer 4xx in JSON, or do what was asked", not_a_crash
    ),
    Intended(r"", r"^body", "HTML pages for unknown routes and methods; ours are JSON errors", json_for_html),
    Intended(
        r"^POST /graphql ", r"^status$", "not served: the stock UI runs by `mlflow ui` with a plug-in", not_graphql
    ),
    # Bodies and their fields.
    Intended(r"body b", r"^status$", "the real server reads a body that isn't a JSON object as an empty one", refused),
    Intended(
        r"type 'APPLICATION/JSON'", r"^status$", "a content type is the same in capitals, says RFC 9110", answered
    ),
    Intended(r" lax: ", r"^status$", "values of a wrong type are refused, not replaced by zero or dropped", refused),
    Intended(r'experiments/create .*"tags": \[5\]', r"message$", "the wrong value is named, not an empty key", said),
    Intended(r"get-download-uri without anything", r"message$", "ends as for all other fields that are missing", more),
    Intended(
        r"^POST experiments/search \{\}$",
        r"^status$",
        "a search without max_results gets a default, as for runs",
        answered,
    ),
    Intended(r"logged-models/MODEL\d+ id only in the path", r"^status$", "the path says which model it is", answered),
    Intended(
        r"^DELETE registered-models/delete by query$",
        r"^status$",
        "not every client can send a body with DELETE",
        answered,
    ),
    # No SQL, and no limits that only SQLite does not have.
    Intended(
        r"experiments/(create|update)|registered-models/rename|params again",
        r"message$",
        "the real server shows its SQL statement",
        no_sql,
    ),
    Intended(
        r"experiments/update rename to|params again|runs/create no experiment",
        r"error_code$",
        "the real server's SQL failed; we say why",
        no_sql_code,
    ),
    Intended(
        r"runs/(update|create) name of |registered-models/create .*yyyy",
        r"^status$",
        "longer than the real server's columns, which SQLite doesn't mind and PostgreSQL does",
        refused,
    ),
    # Pages.
    Intended(
        r" (bad )?token", r"message$", "tokens are keys, not offsets: another reason why one is none", tokens_differ
    ),
    Intended(r"runs/search token eyJvZmZzZXQi", r"^status$", "tokens are keys, not offsets", refused),
    Intended(r"max_results", r"message$", "says what the most is", same_head(" supplied")),
    Intended(
        r"model-versions/search max_results (-1|0)$",
        r"message$",
        "one wording for all searches",
        both("must be a positive integer"),
    ),
    Intended(
        r"registered-models/search max_results (-1|0)$", r"^status$", "refused, as in all other searches", refused
    ),
    # Filters and orders.
    Intended(
        r"(experiments|runs|registered-models|model-versions)/search ",
        r"message$",
        "says more than the real server, behind its words",
        more,
    ),
    Intended(
        r"runs/search \[foo\.bar",
        r"message$",
        "the smallest and largest value of a metric can be searched too",
        more_values,
    ),
    Intended(r"runs/search \[`metrics\.acc` > 0\.5\]", r"message$", "what is quoted is not split at its dot", said),
    Intended(
        r"runs/search \[params\.opt ILIKE 'PINGÜINO'\]",
        r"^body$",
        "ILIKE knows more letters than SQLite's",
        lambda ours, real: (ours, real) == (["theta"], []),
    ),
    Intended(r"model-versions/search \[source = 'x'\]", r"message$", "a keyword of the real server's SQL parser", said),
    Intended(r"logged-models/search \[params\.lr IS NULL\]", r"message$", "the comparator is named", said),
    Intended(
        r"^POST logged-models/search ((on|acc on|loss on) (train|test|either)|acc on train, name)$",
        r"^body",
        "the real server takes a dataset without a digest for one whose digest is NULL, and finds nothing; its client's "
        "documentation says that the digest may be left out",
        hidden_status,
    ),
    Intended(
        r"logged-models/search \[status ",
        r"^body$",
        "a status is a number in the real server's database, equal to no word",
        hidden_status,
    ),
    Intended(
        r"registered-models/search creation_timestamp$",
        r"^status$",
        "models can be sorted by their creation too",
        answered,
    ),
    Intended(
        r"registered-models/search (nope|tags\.i)$",
        r"message$",
        "models can be sorted by more",
        same_head(" specified. Valid keys are "),
    ),
    # More than the real server tells.
    Intended(r"runs/search", r"\.inputs\.model_inputs$", "a search shows a run's models too, as runs/get does", extra),
    Intended(r"", r"(model_version|versions\[\d+\])\.user_id$", "who made the version", extra),
    Intended(r"model-versions/create", r"model_version\.model_id$", "model-versions/get has it too", extra),
    Intended(
        r"", r"versions\[\d+\]\.aliases$", "versions in lists have their aliases, as in model-versions/get", extra
    ),
    # Texts.
    Intended(
        r"^POST runs/log-batch|^POST runs/(log-metric|log-parameter|set-tag) '",
        r"message$",
        "letters are shown, not escaped",
        not_escaped,
    ),
    Intended(
        r"model-versions/create http://",
        r"message$",
        "no environment variable of ours allows it",
        lambda ours, real: real.startswith(ours),
    ),
    # Artifacts.
    Intended(
        r"artifact",
        r"^body",
        "FastAPI's {detail} for artifacts; ours have an error_code, so that the client shows them",
        detail,
    ),
    Intended(r"artifacts( in |/list list )", r"message$", "says what is wrong with the path", more),
    Intended(
        r"^path ",
        r"^status$",
        "paths that aren't plain names: any 4xx will do, where the real server takes some",
        refused_path,
    ),
    Intended(
        r"^GET artifact .*ñandú",
        r"content-disposition$",
        "letters without their accents in the name for old browsers",
        same_encoded_name,
    ),
    Intended(
        r"^GET artifact .*a\+b%20c\.txt", r"content-disposition$", "a name is decoded once, not twice", not_unquoted
    ),
    Intended(
        r"^GET artifact .*UPPER\.JSON",
        r"content-type$",
        "text is shown as text in capitals too",
        lambda ours, real: ours == "text/plain",
    ),
    Intended(r"^(PUT|GET) artifact .*x#y\?z\.txt", r"^status$", "such a name is as good as any", answered),
]
