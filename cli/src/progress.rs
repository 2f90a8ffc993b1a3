//! Live progress for a person at a terminal: the phase, then the iteration and its loss. On stderr.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// A line that changes while a job runs.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(TICK);
        Self { bar }
    }

    /// Says what is being done.
    pub(crate) fn phase(&self, phase: &str, detail: &str) {
        self.bar.set_style(ProgressStyle::default_spinner());
        self.bar.set_message(format!("{phase}  {detail}"));
    }

    /// Says how far a training has come, by its name if there are several.
    pub(crate) fn iteration(&self, run: Option<&str>, iteration: u64, max_iterations: u64, loss: f64) {
        self.bar.set_length(max_iterations);
        self.bar.set_position(iteration);
        self.bar.set_message(match run {
            Some(run) => format!("loss {loss:.6}  {run}"),
            None => format!("loss {loss:.6}"),
        });
        // Last, so that no frame shows the bar with the words of the phase before.
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:30}] iteration {pos}/{len}  {msg}") {
            self.bar.set_style(style);
        }
    }

    /// Runs `write` while the line is off the screen.
    pub(crate) fn suspended(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    pub(crate) fn end(self) {
        self.bar.finish_and_clear();
    }
}
