//! [`ServedModel`]: a running `rookery serve`.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::http::{self, Answer};
use crate::{DEADLINE, Rookery};

/// A model that is served; it ends with the value.
#[derive(Debug)]
pub struct ServedModel {
    process: Child,
    /// What it said when it was ready.
    pub started: Value,
    token: String,
}

impl ServedModel {
    /// Serves `model` at a free port, and waits until it is ready.
    pub async fn start(rookery: &Rookery, model: &str, arguments: &[&str]) -> Self {
        let mut command = rookery.command();
        command
            .args(["serve", model, "--listen", "127.0.0.1:0", "--json"])
            .args(arguments);
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let line = tokio::time::timeout(DEADLINE, lines.next_line()).await;
        let line = line.expect("it is ready within the deadline").expect("text");
        let started: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        assert_eq!(started["event"], "serving", "{started}");
        Self {
            process,
            token: match started["token_file"].as_str() {
                Some(file) => std::fs::read_to_string(file).expect("a token").trim().to_string(),
                None => String::new(),
            },
            started,
        }
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        self.started["url"].as_str().expect("a URL")
    }

    /// What callers show.
    pub fn token(&self) -> Option<&str> {
        Some(self.token.as_str()).filter(|token| !token.is_empty())
    }

    /// POSTs a body to `/invocations`, with a query or without.
    pub async fn ask(&self, query: &str, content_type: Option<&str>, body: &[u8]) -> Answer {
        let path = format!("/invocations{query}");
        http::post_as(self.url(), &path, self.token(), content_type, body).await
    }

    /// POSTs JSON to `/invocations`.
    pub async fn ask_json(&self, body: &str) -> Answer {
        self.ask("", Some("application/json"), body.as_bytes()).await
    }

    /// Sends SIGTERM; returns what it exits with.
    pub async fn terminate(mut self) -> Option<i32> {
        let pid = self.process.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(sent.expect("kill is there").success(), "TERM to {pid}");
        let ended = tokio::time::timeout(DEADLINE, self.process.wait()).await;
        ended
            .expect("it ends within the deadline")
            .expect("it ran")
            .code()
    }
}
