//! [`WorkerProcesses`]: workers on this machine, as child processes that never outlive this one.
//!
//! Each child watches its standard input, a pipe that only this process holds. Closing it asks for an orderly end,
//! and the operating system closes it when this process dies, however it dies.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rookery_proto::{ErrorClass, Failure, Token};
use rookery_tls::JoinToken;
use rookery_worker::MemoryConfig;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::Instant;
use url::Url;

use crate::client::DriverClient;
use crate::diagnostic::internal;
use crate::driver_port::WorkersAt;
use crate::listen;
use crate::token::TOKEN_VARIABLE;
use crate::worker_identity::JOIN_TOKEN_VARIABLE;

/// How long workers may take from their start to their registration.
const REGISTER_WITHIN: Duration = Duration::from_secs(60);
/// How often the driver is asked who has registered.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// How long a worker may take to end in order before it is killed: its own grace period, and some more.
const STOP_WITHIN: Duration = Duration::from_secs(8);
/// How long the operating system may take to end a killed worker.
const KILL_WITHIN: Duration = Duration::from_secs(2);
/// Lines of a log that are shown when its worker dies, and how much of its end is looked at for them.
const LOG_LINES: usize = 8;
const LOG_BYTES: usize = 4096;
/// Logs that nothing was written to for this long are removed.
const KEEP_LOGS: Duration = Duration::from_secs(7 * 24 * 3600);

/// What workers are started with.
#[derive(Debug, Clone)]
pub(crate) struct WorkerPlan {
    /// How many.
    pub(crate) count: usize,
    /// Threads of each.
    pub(crate) threads: usize,
    /// How much memory each may take.
    pub(crate) memory: Option<MemoryConfig>,
    /// How much later than it could each answers a round; for tests.
    pub(crate) answer_delay_ms: Option<u64>,
}

/// How workers find their driver, and how they prove who they are.
#[derive(Debug, Clone)]
pub(crate) struct WorkerAccess {
    pub(crate) driver: Url,
    pub(crate) proof: WorkerProof,
}

/// What a driver lets workers in with.
#[derive(Debug, Clone)]
pub(crate) enum WorkerProof {
    /// The token of its state directory, if it asks for one.
    Token(Option<Token>),
    /// On TLS: each joins, and keeps its identity to itself.
    Join { at: WorkersAt, token: JoinToken },
}

/// The running workers.
#[derive(Debug)]
pub(crate) struct WorkerProcesses {
    workers: Vec<WorkerProcess>,
    launch: Launch,
}

/// How workers are started.
#[derive(Debug)]
struct Launch {
    plan: WorkerPlan,
    logs: PathBuf,
}

/// A worker that has ended.
#[derive(Debug)]
pub(crate) struct EndedWorker {
    pub(crate) pid: u32,
    /// `exit code 1`, or `killed by signal 9`.
    pub(crate) how: String,
    /// The same with the end of its log.
    pub(crate) failure: Failure,
}

/// One worker.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) pid: u32,
    pub(crate) log: PathBuf,
    child: Child,
    /// Dropping it asks the worker to end.
    lifeline: Option<ChildStdin>,
    reported: bool,
    /// It was told to go.
    is_let_go: bool,
}

impl WorkerProcesses {
    /// Starts the workers; they register in their own time.
    pub(crate) fn start(plan: &WorkerPlan, access: &WorkerAccess, logs: &Path) -> Result<Self, Failure> {
        remove_old_logs(logs);
        let launch = Launch {
            plan: plan.clone(),
            logs: logs.to_path_buf(),
        };
        let mut processes = Self {
            workers: Vec::new(),
            launch,
        };
        processes.add(plan.count, access)?;
        Ok(processes)
    }

    /// Starts more of them.
    pub(crate) fn add(&mut self, count: usize, access: &WorkerAccess) -> Result<(), Failure> {
        let Launch { plan, logs } = &self.launch;
        for _ in 0..count {
            let number = self.workers.len() + 1;
            let worker = WorkerProcess::start(number, plan, access, logs)?;
            self.workers.push(worker);
        }
        Ok(())
    }

    /// How many have neither ended nor been told to go.
    pub(crate) fn living(&self) -> usize {
        self.workers.iter().filter(|worker| worker.is_living()).count()
    }

    /// The process ids of those that live, those that came last first.
    pub(crate) fn newest(&self) -> Vec<u32> {
        let living = self.workers.iter().rev().filter(|worker| worker.is_living());
        living.map(|worker| worker.pid).collect()
    }

    /// Notes that a worker was told to go: its end is no news.
    pub(crate) fn let_go(&mut self, pid: u32) {
        for worker in self.workers.iter_mut().filter(|worker| worker.pid == pid) {
            worker.is_let_go = true;
        }
    }

    /// The workers that were started.
    pub(crate) fn all(&self) -> &[WorkerProcess] {
        &self.workers
    }

    /// Waits until all of them have registered with the driver.
    ///
    /// # Errors
    /// One ended before, with the end of its log; or the time is up.
    pub(crate) async fn registered(&mut self, client: &mut DriverClient) -> Result<(), Failure> {
        let deadline = Instant::now() + REGISTER_WITHIN;
        loop {
            if let Some(ended) = self.newly_ended()?.into_iter().next() {
                return Err(ended.failure);
            }
            let active = client.active_workers().await?;
            if active >= self.workers.len() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let (count, seconds) = (self.workers.len(), REGISTER_WITHIN.as_secs());
                let message = format!("{active} of {count} workers registered within {seconds} s");
                let log = self
                    .workers
                    .first()
                    .map(|worker| worker.log.display().to_string());
                return Err(Failure {
                    location: log,
                    ..Failure::new(ErrorClass::TimedOut, message)
                });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The workers that have ended since the last call, each with the end of its log.
    pub(crate) fn newly_ended(&mut self) -> Result<Vec<EndedWorker>, Failure> {
        let mut ended = Vec::new();
        for worker in self.workers.iter_mut().filter(|worker| !worker.reported) {
            let status = worker.child.try_wait();
            let status =
                status.map_err(|e| internal(format!("worker {} can't be waited for: {e}", worker.pid)))?;
            if let Some(status) = status {
                worker.reported = true;
                if worker.is_let_go && status.success() {
                    continue;
                }
                let mut message = format!("worker {} (pid {}) ended: {status}", worker.number, worker.pid);
                for line in last_lines(&worker.log) {
                    message.push_str(&format!("\n    {line}"));
                }
                ended.push(EndedWorker {
                    pid: worker.pid,
                    how: in_words(status),
                    failure: Failure::new(ErrorClass::Unreachable, message)
                        .at(worker.log.display().to_string()),
                });
            }
        }
        Ok(ended)
    }

    /// Asks all of them to end, and kills those that take too long.
    pub(crate) async fn stop(mut self) {
        for worker in &mut self.workers {
            worker.lifeline.take();
        }
        let deadline = Instant::now() + STOP_WITHIN;
        for worker in &mut self.workers {
            if tokio::time::timeout_at(deadline, worker.child.wait())
                .await
                .is_err()
            {
                tracing::warn!(pid = worker.pid, "the worker did not end in time and is killed");
                let killed = worker.child.start_kill();
                let gone = tokio::time::timeout(KILL_WITHIN, worker.child.wait()).await;
                if killed.is_err() || gone.is_err() {
                    tracing::warn!(pid = worker.pid, "the worker can't be killed");
                }
            }
        }
    }
}

impl WorkerProof {
    /// Secrets go by the environment: everybody on the machine sees flags.
    fn give(&self, command: &mut Command) {
        command.env_remove(JOIN_TOKEN_VARIABLE);
        match self {
            Self::Token(None) => {}
            Self::Token(Some(token)) => {
                command.env(TOKEN_VARIABLE, token.expose());
            }
            Self::Join { at, token } => {
                command
                    .env_remove(TOKEN_VARIABLE)
                    .env(JOIN_TOKEN_VARIABLE, token.expose())
                    .args(["--identity-in-memory", "--listen", &at.listen]);
                if let Some(host) = &at.advertise {
                    command.args(["--advertise", host]);
                }
            }
        }
    }
}

impl WorkerProcess {
    fn is_living(&self) -> bool {
        !self.reported && !self.is_let_go
    }

    fn start(number: usize, plan: &WorkerPlan, access: &WorkerAccess, logs: &Path) -> Result<Self, Failure> {
        let log = logs.join(format!("worker-{}-{number}.log", std::process::id()));
        let failed = |what: &str, e: std::io::Error| {
            internal(format!("worker {number}: {what}: {e}")).at(log.display().to_string())
        };
        let log_file = File::create(&log).map_err(|e| failed("its log can't be opened", e))?;
        let log_too = log_file
            .try_clone()
            .map_err(|e| failed("its log can't be opened", e))?;
        let program = std::env::current_exe().map_err(|e| failed("this program can't be found", e))?;
        let mut command = Command::new(program);
        command
            .args([
                "worker",
                "--exit-with-stdin",
                "--verbose",
                "--driver",
                listen::display(&access.driver),
            ])
            .args(["--threads", &plan.threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(log_file)
            .stderr(log_too)
            // Ctrl-C at a terminal reaches this process only, which then ends the workers after their work.
            .process_group(0)
            .kill_on_drop(true);
        access.proof.give(&mut command);
        if let Some(memory) = &plan.memory {
            command
                .args(["--memory-limit", &memory.limit.to_string()])
                .arg("--spill-dir")
                .arg(&memory.spill_dir);
        }
        if let Some(delay) = plan.answer_delay_ms {
            command.args(["--answer-delay-ms", &delay.to_string()]);
        }
        let mut child = command.spawn().map_err(|e| failed("can't be started", e))?;
        let lifeline = child.stdin.take();
        Ok(Self {
            number,
            pid: child.id().unwrap_or_default(),
            log,
            child,
            lifeline,
            reported: false,
            is_let_go: false,
        })
    }
}

/// How a process ended, as the reason why a worker is lost.
fn in_words(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("killed by signal {signal}"),
        (None, Some(code)) => format!("it ended with exit code {code}"),
        (None, None) => status.to_string(),
    }
}

/// The last lines of a log; none if it can't be read.
fn last_lines(log: &Path) -> Vec<String> {
    let Ok(bytes) = std::fs::read(log) else {
        return Vec::new();
    };
    let end = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_BYTES)..]).into_owned();
    let lines: Vec<&str> = end.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_LINES)..]
        .iter()
        .map(|line| (*line).to_string())
        .collect()
}

/// Every start leaves a log for each worker; without this they would add up for ever. What can't be removed stays.
fn remove_old_logs(logs: &Path) {
    let Ok(entries) = std::fs::read_dir(logs) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_ours = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("worker-"));
        let modified = path.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|modified| modified.elapsed().ok());
        if is_ours && age.is_some_and(|age| age > KEEP_LOGS) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_short() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("worker.log");
        assert!(last_lines(&log).is_empty());
        std::fs::write(
            &log,
            (0..5000).map(|i| format!("line {i}\n\n")).collect::<String>(),
        )
        .unwrap();
        let lines = last_lines(&log);
        assert_eq!(lines.len(), LOG_LINES);
        assert_eq!(lines.last().map(String::as_str), Some("line 4999"));
    }

    #[test]
    fn only_old_logs_of_workers_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let old = std::time::SystemTime::now() - KEEP_LOGS * 2;
        for (name, is_old) in [
            ("worker-1-1.log", true),
            ("worker-2-1.log", false),
            ("mine.log", true),
        ] {
            let file = File::create(folder.path().join(name)).unwrap();
            if is_old {
                file.set_modified(old).unwrap();
            }
        }
        remove_old_logs(folder.path());
        let left = |name: &str| folder.path().join(name).exists();
        assert_eq!(
            [left("worker-1-1.log"), left("worker-2-1.log"), left("mine.log")],
            [false, true, true]
        );
    }
}
