//! [`Output`]: the one place that writes to stdout and stderr.

use std::io::{IsTerminal as _, Write as _};

use rookery_proto::Failure;
use serde::Serialize;

use crate::diagnostic;
use crate::progress::Progress;

/// Where a command's words go, and in which form.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    /// Lines must not tear a live progress display.
    progress: Option<Progress>,
    /// Whether the last JSON object said how the command failed.
    told_failure: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            progress: None,
            told_failure: false,
        }
    }

    /// Whether stdout is for programs.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Shows live progress from here on, if a person is watching.
    pub(crate) fn start_progress(&mut self) {
        let watched = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        if !self.json && watched {
            self.progress = Some(Progress::start());
        }
    }

    /// The live progress, if one is shown.
    pub(crate) fn progress(&self) -> Option<&Progress> {
        self.progress.as_ref()
    }

    /// Takes the live progress off the screen.
    pub(crate) fn end_progress(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.end();
        }
    }

    /// Writes a line of text to stdout.
    pub(crate) fn line(&self, line: &str) {
        match &self.progress {
            Some(progress) => progress.suspended(|| write_stdout(line)),
            None => write_stdout(line),
        }
    }

    /// Writes one JSON object to stdout.
    pub(crate) fn object(&self, object: &impl Serialize) {
        match serde_json::to_string(object) {
            Ok(line) => self.line(&line),
            Err(error) => tracing::error!(%error, "a line of output can't be written as JSON"),
        }
    }

    /// Writes bytes to stdout as they are.
    ///
    /// # Errors
    /// Nobody reads them, or the disk behind stdout is full.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// Writes a line to stderr: beside the result, for people.
    pub(crate) fn note(&self, line: &str) {
        match &self.progress {
            Some(progress) => progress.suspended(|| write_stderr(line)),
            None => write_stderr(line),
        }
    }

    /// Remembers that the failure is in the last JSON object already.
    pub(crate) fn failure_is_told(&mut self) {
        self.told_failure = true;
    }

    /// Says why the command failed: to people on stderr, to programs on stdout as well.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        self.end_progress();
        if self.json && !self.told_failure {
            self.object(&diagnostic::ErrorObject::new(failure));
        }
        write_stderr(&diagnostic::text(failure));
    }
}

/// Not `println!`, which panics when the reader has gone away (`rookery runs list | head`). Output nobody reads
/// is no reason to stop a job.
fn write_stdout(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn write_stderr(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
