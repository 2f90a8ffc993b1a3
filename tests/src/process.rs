//! Running the binary once, and what came of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::running_job::RunningJob;
use crate::{DEADLINE, POLL};

/// The binary with a state directory of its own.
#[derive(Debug)]
pub struct Rookery {
    binary: PathBuf,
    home: TempDir,
    /// Variables beside the caller's.
    environment: Vec<(String, String)>,
    /// What every command is put behind.
    behind: Vec<String>,
}

/// What a command printed, and its exit code.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Rookery {
    /// A fresh state directory for `binary`.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let home = TempDir::new().expect("a temporary folder");
        Self {
            binary: binary.into(),
            home,
            environment: Vec::new(),
            behind: Vec::new(),
        }
    }

    /// Puts every command from here on behind these words, such as those that lead to another machine.
    pub fn on(mut self, behind: Vec<String>) -> Self {
        self.behind = behind;
        self
    }

    /// Starts a command that follows a job, with machine-readable output.
    pub fn follow(&self, arguments: &[&str]) -> RunningJob {
        let mut command = self.command();
        command.arg("--json").args(arguments);
        RunningJob::start(command)
    }

    /// Sets a variable for every command from here on.
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_string(), value.to_string()));
        self
    }

    /// The state directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Waits until a driver of the state directory serves; returns the URL that it has written.
    pub async fn driver_url(&self) -> String {
        let file = self.home().join("driver.url");
        let written = async {
            loop {
                match std::fs::read_to_string(&file) {
                    Ok(url) if !url.trim().is_empty() => return url.trim().to_string(),
                    _ => tokio::time::sleep(POLL).await,
                }
            }
        };
        tokio::time::timeout(DEADLINE, written)
            .await
            .expect("the driver serves")
    }

    /// The token that the state directory's drivers ask for.
    pub fn token(&self) -> String {
        let text = std::fs::read_to_string(self.home().join("token")).expect("a driver was started");
        text.trim().to_string()
    }

    /// The certificate of the authority of the state directory's drivers, PEM form.
    pub fn ca_pem(&self) -> String {
        std::fs::read_to_string(self.home().join("tls/ca.pem")).expect("a driver was started on TLS")
    }

    /// A command with the state directory set, and nothing of the caller's environment that would matter.
    pub(crate) fn command(&self) -> Command {
        self.command_behind(&self.behind)
    }

    /// The same behind other words.
    pub(crate) fn command_behind(&self, behind: &[String]) -> Command {
        let mut command = match behind.split_first() {
            None => Command::new(&self.binary),
            Some((first, others)) => {
                let mut command = Command::new(first);
                command.args(others).arg(&self.binary);
                command
            }
        };
        command
            .env("ROOKERY_HOME", self.home.path())
            .env_remove("ROOKERY_URL")
            .env_remove("ROOKERY_TOKEN")
            .env_remove("ROOKERY_CA")
            .env_remove("ROOKERY_JOIN_TOKEN")
            .env_remove("MLFLOW_TRACKING_URI")
            .env_remove("RUST_LOG")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .env_remove("ROOKERY_CLUSTER");
        // Credentials of whoever runs the tests are none of theirs.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["AWS_", "AZURE_", "GOOGLE_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                command.env_remove(name.as_ref());
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts the binary and returns while it runs; it ends with the value.
    pub fn start<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Child {
        let mut command = self.command();
        command.args(arguments).stdout(Stdio::null());
        command.spawn().expect("the command starts")
    }

    /// Runs the binary to its end.
    pub async fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Output {
        self.run_behind(&self.behind, arguments).await
    }

    /// The same behind other words.
    pub(crate) async fn run_behind<S: AsRef<std::ffi::OsStr>>(
        &self,
        behind: &[String],
        arguments: &[S],
    ) -> Output {
        let run = self.command_behind(behind).args(arguments).output();
        let output = tokio::time::timeout(DEADLINE, run)
            .await
            .expect("the command ends within the deadline")
            .expect("the command starts");
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs the binary to its end, with machine-readable output.
    pub async fn run_json(&self, arguments: &[&str]) -> Output {
        self.run(&[arguments, &["--json"]].concat()).await
    }
}

impl Output {
    /// The JSON objects of standard output, one a line.
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}\n{self}")))
            .collect()
    }

    /// The last JSON object: how a job ended.
    pub fn last_json(&self) -> Value {
        self.json_lines()
            .pop()
            .unwrap_or_else(|| panic!("nothing was printed\n{self}"))
    }

    /// Digests of the coefficients of a job's runs.
    pub fn digests(&self) -> Vec<String> {
        let last = self.last_json();
        let runs = last["runs"]
            .as_array()
            .unwrap_or_else(|| panic!("no runs\n{self}"));
        runs.iter()
            .map(|run| run["coefficients_sha256"].as_str().expect("a digest").to_string())
            .collect()
    }

    /// Fails unless the command succeeded.
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{self}");
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "exit code {}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}
