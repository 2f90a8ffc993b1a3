//! [`RunningJob`]: a submitted job that is followed while it runs, so that a test can strike at a moment of its choice.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::DEADLINE;
use crate::process::Output;

/// A client that waits for its job.
#[derive(Debug)]
pub struct RunningJob {
    client: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: String,
}

impl RunningJob {
    pub(crate) fn start(mut command: Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = command.spawn().expect("the client starts");
        let stdout = client.stdout.take().expect("a pipe");
        Self {
            client,
            lines: BufReader::new(stdout).lines(),
            seen: String::new(),
        }
    }

    /// Waits for an event of the job that `is_it` recognises; `false` if the job ended without one.
    pub async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> bool {
        let found = async {
            while let Some(line) = self.lines.next_line().await.expect("text") {
                self.seen.push_str(&line);
                self.seen.push('\n');
                if serde_json::from_str(&line).is_ok_and(|event: Value| is_it(&event)) {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(DEADLINE, found)
            .await
            .expect("the job goes on")
    }

    /// Waits until a phase begins.
    pub async fn until_phase(&mut self, phase: &str) {
        let begun = self.until(|event| event["phase"] == phase).await;
        assert!(begun, "the job ended before {phase}\n{}", self.seen);
    }

    /// Waits until an iteration of any run was reported.
    pub async fn until_iteration(&mut self, iteration: u64) {
        let done = self.until(|event| event["iteration"] == iteration).await;
        assert!(done, "the job ended before iteration {iteration}\n{}", self.seen);
    }

    /// Waits for the job's end.
    pub async fn end(mut self) -> Output {
        self.until(|_| false).await;
        let mut stderr = String::new();
        let mut pipe = self.client.stderr.take().expect("a pipe");
        let ended = async {
            pipe.read_to_string(&mut stderr).await.expect("text");
            self.client.wait().await.expect("a status")
        };
        let status = tokio::time::timeout(DEADLINE, ended)
            .await
            .expect("the client ends");
        Output {
            code: status.code().unwrap_or(-1),
            stdout: self.seen,
            stderr,
        }
    }
}
