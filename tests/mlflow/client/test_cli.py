"""The `mlflow` command line: once as a real process, else in this process, which saves seconds a command."""

import json
import subprocess
import sys

import pytest
import servers


@pytest.fixture(scope="module")
def command(tracking):
    from click.testing import CliRunner
    from mlflow.cli import cli

    def run(*arguments):
        result = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_a_real_process(ours, tracking, fresh):
    environment = servers.mlflow_environment(MLFLOW_TRACKING_URI=ours.url, MLFLOW_TRACKING_TOKEN=ours.token)
    command = [sys.executable, "-m", "mlflow", "experiments", "search"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0 and fresh in result.stdout, result.stderr


def test_experiments(command, tracking, session_name, tmp_path):
    name = f"{session_name}-cli"
    id = command("experiments", "create", "--experiment-name", name).strip().rsplit(" ", 1)[-1]
    assert name in command("experiments", "search")
    command("experiments", "rename", "--experiment-id", id, "--new-name", name + "2")
    assert name + "2" in command("experiments", "get", "--experiment-id", id)
    with tracking.start_run(experiment_id=id):
        tracking.log_metric("m", 0.5)
    command("experiments", "csv", "--experiment-id", id, "--filename", tmp_path / "runs.csv")
    assert "0.5" in (tmp_path / "runs.csv").read_text()
    command("experiments", "delete", "--experiment-id", id)
    assert name + "2" not in command("experiments", "search")
    assert name + "2" in command("experiments", "search", "--view", "deleted_only")
    command("experiments", "restore", "--experiment-id", id)
    assert name + "2" in command("experiments", "search")


def test_runs(command, tracking, fresh):
    experiment = tracking.get_experiment_by_name(fresh).experiment_id
    with tracking.start_run(run_name="by hand") as run:
        tracking.log_param("p", "v")
    id = run.info.run_id
    assert id in command("runs", "list", "--experiment-id", experiment)
    assert json.loads(command("runs", "describe", "--run-id", id))["data"]["params"] == {"p": "v"}
    command("runs", "delete", "--run-id", id)
    assert id not in command("runs", "list", "--experiment-id", experiment)
    assert id in command("runs", "list", "--experiment-id", experiment, "--view", "deleted_only")
    command("runs", "restore", "--run-id", id)
    assert id in command("runs", "list", "--experiment-id", experiment)
    command("runs", "create", "--experiment-id", experiment, "--run-name", "made by the CLI")
    assert "made by the CLI" in command("runs", "list", "--experiment-id", experiment)


def test_artifacts(command, tracking, fresh, tmp_path):
    with tracking.start_run() as run:
        pass
    id = run.info.run_id
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "ñ.txt").write_text("hello")
    command(
        "artifacts",
        "log-artifact",
        "--local-file",
        tmp_path / "folder" / "ñ.txt",
        "--run-id",
        id,
        "--artifact-path",
        "single",
    )
    command("artifacts", "log-artifacts", "--local-dir", tmp_path / "folder", "--run-id", id, "--artifact-path", "many")
    listed = json.loads(command("artifacts", "list", "--run-id", id))
    assert [(f["path"], f["is_dir"]) for f in listed] == [("many", True), ("single", True)]
    command("artifacts", "download", "--run-id", id, "--artifact-path", "many", "--dst-path", tmp_path / "down")
    assert (tmp_path / "down" / "many" / "ñ.txt").read_text() == "hello"
