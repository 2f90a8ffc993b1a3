//! A cluster that goes on when the command that started it has returned: the same command once more, in the background.

use std::ffi::OsString;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use rookery_proto::{ErrorClass, Failure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::diagnostic::internal;
use crate::output::Output;
use crate::state_dir::StateDir;

/// The flag that is left out the second time.
const FLAG: &str = "--detach";
/// How long a cluster may take to start.
const START_WAIT: Duration = Duration::from_secs(120);

/// Starts this very command without `--detach`, but with the `extra` arguments, in the background, and returns when it says
/// that the cluster is there.
///
/// # Errors
/// It ended before, with the reason from its log; it did not say so in time.
pub(crate) async fn start(state: &StateDir, extra: &[&str], output: &Output) -> Result<(), Failure> {
    state.create()?;
    let log = state.logs().join(format!("up-{}.log", std::process::id()));
    let place = || log.display().to_string();
    let file =
        File::create(&log).map_err(|e| internal(format!("the log can't be opened: {e}")).at(place()))?;
    let mut child =
        background(file, extra).map_err(|e| internal(format!("it can't be started: {e}")).at(place()))?;
    let stdout = child
        .stdout
        .take()
        .ok_or_else(|| internal("the child has no standard output"))?;
    let mut lines = BufReader::new(stdout).lines();
    let first = tokio::time::timeout(START_WAIT, lines.next_line()).await;
    let started: Option<Value> = match &first {
        Ok(Ok(Some(line))) => serde_json::from_str(line)
            .ok()
            .filter(|object: &Value| object["event"] == "cluster_started"),
        _ => None,
    };
    match started {
        Some(object) => {
            announce(&object, &place(), state, output);
            Ok(())
        }
        None => Err(why_not(child, &log).await),
    }
}

fn background(log: File, extra: &[&str]) -> std::io::Result<Child> {
    let arguments: Vec<OsString> = std::env::args_os()
        .skip(1)
        .filter(|argument| argument != FLAG)
        .collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).args(extra);
    if !json {
        command.arg("--json");
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        // Ctrl-C at this terminal is not meant for it, nor is the terminal's end.
        .process_group(0)
        .spawn()
}

fn announce(object: &Value, log: &str, state: &StateDir, output: &Output) {
    if output.is_json() {
        return output.object(object);
    }
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_string();
    let workers = object["workers"].as_array().map_or(0, Vec::len);
    output.line(&format!("driver   {}", text("driver")));
    output.line(&format!("workers  {workers}"));
    output.line(&format!("state    {}", text("state_dir")));
    if let Some(file) = object["token_file"].as_str() {
        output.line(&format!("token    {file}"));
    }
    output.line(&format!("log      {log}"));
    output.line("");
    let cluster = state.cluster_flag();
    output.line(&format!("submit a job:  rookery submit JOB.toml --wait{cluster}"));
    output.line(&format!("add a worker:  {}", text("join_command")));
    output.line(&format!("stop:          rookery down{cluster}"));
}

/// The reason in the words of the process that did not start a cluster.
async fn why_not(mut child: Child, log: &std::path::Path) -> Failure {
    let ended = tokio::time::timeout(Duration::from_secs(5), child.wait()).await;
    if ended.is_err() {
        let _ = child.kill().await;
    }
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let said = said
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it said nothing")
        .to_string();
    let said = said.trim_start_matches("error: ").to_string();
    let class = match ended {
        Ok(Ok(status)) => ErrorClass::of_exit_code(status.code().unwrap_or(1)),
        _ => ErrorClass::TimedOut,
    };
    Failure::new(class, format!("the cluster did not start: {said}")).at(log.display().to_string())
}
