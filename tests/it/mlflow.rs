//! The stock MLflow client, command line and UI against the driver, and the driver against a real MLflow server.
//!
//! What is checked is in `tests/mlflow/*.py`; here is what starts it. Without Python 3.10 these tests are skipped,
//! visibly, unless `CI=true`. With `ROOKERY_TEST_URL` set, that server is tested instead of a driver of our own.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rookery_tests::{Python, TestCluster, say};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{BINARY, repository};

/// Longest that one of these tests may take.
const LIMIT: Duration = Duration::from_secs(600);

fn folder() -> PathBuf {
    repository().join("tests/mlflow")
}

/// The Python environment, or None where the tests are to be skipped.
pub(crate) async fn python(test: &str) -> Option<Python> {
    match Python::with_requirements(&folder().join("requirements.txt")).await {
        Ok(python) => Some(python),
        Err(why) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{why}"),
        Err(why) => {
            say(&format!("SKIPPED: {test}: {why}"));
            None
        }
    }
}

/// A driver to test; with the address and the token that the scripts read from their environment.
pub(crate) struct Server {
    cluster: Option<TestCluster>,
    url: String,
    token: String,
}

impl Server {
    async fn on_tls() -> Self {
        Self::of(TestCluster::new(BINARY).workers(0).tls().start().await)
    }

    /// The driver of a cluster that runs already.
    pub(crate) fn of(cluster: TestCluster) -> Self {
        Self {
            url: cluster.url().to_string(),
            token: cluster.rookery().token(),
            cluster: Some(cluster),
        }
    }

    async fn start() -> Self {
        if let Ok(url) = std::env::var("ROOKERY_TEST_URL") {
            let token = std::env::var("ROOKERY_TEST_TOKEN").unwrap_or_default();
            let cluster = None;
            return Self { cluster, url, token };
        }
        Self::of(TestCluster::new(BINARY).workers(0).start().await)
    }

    /// A command of `tests/mlflow` with the server in its environment.
    pub(crate) fn command(&self, python: &Python, arguments: &[&str]) -> Command {
        let mut command = python.command();
        command
            .args(arguments)
            .current_dir(folder())
            .env("ROOKERY_TEST_URL", &self.url)
            .env("ROOKERY_TEST_TOKEN", &self.token);
        command
    }
}

/// Runs the command to its end; fails with what it printed.
pub(crate) async fn succeeds(mut command: Command) {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let output = tokio::time::timeout(LIMIT, output)
        .await
        .expect("the script ends within the limit")
        .expect("the script starts");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let shown = format!("{:?}: {}\n{stdout}\n{stderr}", command.as_std(), output.status);
    assert!(output.status.success(), "{shown}");
    say(stdout.trim_end().lines().last().unwrap_or_default());
}

async fn pytest(test: &str, parts: &[&str]) {
    let Some(python) = python(test).await else { return };
    let server = Server::start().await;
    succeeds(server.command(&python, &[&["-m", "pytest"], parts].concat())).await;
}

#[tokio::test]
async fn the_stock_client_and_command_line_work() {
    pytest("the stock client", &["client"]).await;
}

#[tokio::test]
async fn the_stock_client_works_over_tls() {
    let Some(python) = python("the stock client over TLS").await else {
        return;
    };
    let server = Server::on_tls().await;
    let home = server.cluster.as_ref().map(|cluster| cluster.rookery().home());
    let mut command = server.command(&python, &["-m", "pytest", "client/test_fluent.py"]);
    command.env(
        "ROOKERY_TEST_CA",
        home.expect("a cluster of our own").join("tls/ca.pem"),
    );
    succeeds(command).await;
}

#[tokio::test]
async fn the_stock_ui_shows_the_drivers_runs() {
    pytest("the stock UI", &["ui"]).await;
}

#[tokio::test]
async fn every_answer_is_that_of_a_real_server() {
    pytest("the comparison", &["compare"]).await;
}

#[tokio::test]
async fn ten_thousand_spoilt_requests_get_polite_answers() {
    let Some(python) = python("the fuzzer").await else {
        return;
    };
    let server = Server::start().await;
    let mut command = server.command(&python, &["fuzz.py", "--requests", "10000", "--seed", "1"]);
    if let Some(cluster) = &server.cluster {
        command.arg("--state").arg(cluster.rookery().home());
        command.arg("--pid").arg(cluster.driver_pid().to_string());
    }
    succeeds(command).await;
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_when_the_driver_is_killed() {
    let Some(python) = python("the crash").await else {
        return;
    };
    let home = TempDir::new().unwrap();
    let port = free_port();
    let mut command = python.command();
    command
        .current_dir(folder())
        .args([
            "crash.py",
            "--seconds",
            "6",
            "--kills",
            "2",
            "--port",
            &port,
            "--state",
        ])
        .arg(home.path())
        .args(["--", BINARY, "driver", "--listen", &format!("127.0.0.1:{port}")])
        .env("ROOKERY_HOME", home.path())
        .env_remove("ROOKERY_URL")
        .env_remove("RUST_LOG");
    succeeds(command).await;
}

#[tokio::test]
async fn the_benchmark_runs() {
    let Some(python) = python("the benchmark").await else {
        return;
    };
    let server = Server::start().await;
    let quick = [
        "--seconds",
        "0.1",
        "--rounds",
        "1",
        "--runs",
        "50",
        "--many-runs",
        "100",
        "--points",
        "3",
        "--artifact-mib",
        "4",
    ];
    let mut command = server.command(&python, &[&["bench.py"], quick.as_slice()].concat());
    if let Some(cluster) = &server.cluster {
        command.arg("--pid").arg(cluster.driver_pid().to_string());
    }
    succeeds(command).await;
}

/// A port that was free a moment ago: the driver must come back on the one it had.
fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}
