"""Every scenario, played against both servers: their transcripts must be the same."""

import inspect
import json
import os
from pathlib import Path

import pytest
import scenarios_artifacts
import scenarios_errors
import scenarios_experiments
import scenarios_limits
import scenarios_logged_models
import scenarios_registry
import scenarios_runs
import scenarios_search
import scenarios_server
from difference import compare
from transcript import Recorder

MODULES = [
    scenarios_server,
    scenarios_experiments,
    scenarios_runs,
    scenarios_search,
    scenarios_artifacts,
    scenarios_logged_models,
    scenarios_registry,
    scenarios_errors,
    scenarios_limits,
]


def scenarios():
    for module in MODULES:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                yield pytest.param(function, id=f"{module.__name__.removeprefix('scenarios_')}-{name}")


def play(scenario, server, prefix):
    recorder = Recorder(server, prefix)
    try:
        scenario(recorder)
    finally:
        recorder.api.connection.close()
        write_down(recorder, scenario, server)
    return recorder.steps


def write_down(recorder, scenario, server):
    """With ROOKERY_TEST_TRANSCRIPTS=folder, leaves every transcript there, to be read."""
    if folder := os.environ.get("ROOKERY_TEST_TRANSCRIPTS"):
        place = Path(folder) / f"{scenario.__module__}-{scenario.__name__}-{server.url.rsplit(':')[-1]}.jsonl"
        place.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps([s.label, s.status, s.body], ensure_ascii=False) for s in recorder.steps]
        place.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("scenario", scenarios())
def test_same_answers(scenario, ours, real, session_name):
    prefix = f"{session_name}-{scenario.__name__}"
    expected = play(scenario, real, prefix)
    differences = compare(play(scenario, ours, prefix), expected)
    if differences:
        shown = "\n".join(str(d) for d in differences[:40])
        pytest.fail(f"{len(differences)} differences in {len(expected)} steps\n{shown}", pytrace=False)
