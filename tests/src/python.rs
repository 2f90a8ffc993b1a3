//! [`Python`]: a virtual environment with pinned packages, made once a machine.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output as ProcessOutput, Stdio};
use std::time::Duration;

use tokio::process::Command;

/// How long the packages may take to install.
const INSTALL: Duration = Duration::from_secs(600);

/// An interpreter that has the packages.
#[derive(Debug, Clone)]
pub struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// The environment for a `requirements.txt`, made if it isn't there yet; or why there can't be one.
    pub async fn with_requirements(requirements: &Path) -> Result<Self, String> {
        let version = system_python().await?;
        let text =
            std::fs::read_to_string(requirements).map_err(|e| format!("{}: {e}", requirements.display()))?;
        let folder = cache()?.join(format!("venv-{:016x}", digest(&[&text, &version])));
        let lock = File::create(folder.with_extension("lock")).map_err(|e| e.to_string())?;
        // Other test processes may want the same environment at the same time.
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
            .await
            .expect("no panic")
            .map_err(|e| e.to_string())?;
        let python = Self {
            interpreter: folder.join("bin/python"),
        };
        let complete = folder.join("complete");
        if !complete.exists() {
            say(&format!(
                "installing {} into {}",
                requirements.display(),
                folder.display()
            ));
            install(&folder, &python.interpreter, requirements).await?;
            File::create(complete).map_err(|e| e.to_string())?;
        }
        drop(lock);
        Ok(python)
    }

    /// A command that runs the interpreter, and is killed with its value.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.interpreter);
        command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// Writes a line that is seen even when the test passes: what the print macros write, the test harness keeps back.
pub fn say(line: &str) {
    // A closed standard error is no reason to fail a test.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The version of `python3`, which must be 3.10 or newer.
async fn system_python() -> Result<String, String> {
    let check = "import sys, ensurepip; assert sys.version_info >= (3, 10), sys.version; print(sys.version)";
    let mut command = Command::new("python3");
    command.args(["-c", check]).stdin(Stdio::null());
    let output = finished(command, Duration::from_secs(30)).await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn install(folder: &Path, interpreter: &Path, requirements: &Path) -> Result<(), String> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(folder);
    finished(venv, INSTALL).await?;
    let mut pip = Command::new(interpreter);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ])
    .arg(requirements);
    finished(pip, INSTALL).await.map(drop)
}

/// What the command printed, if it succeeded in time.
async fn finished(mut command: Command, limit: Duration) -> Result<ProcessOutput, String> {
    let shown = format!("{:?}", command.as_std());
    let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(limit, run)
        .await
        .map_err(|_| format!("{shown} took longer than {limit:?}"))?
        .map_err(|e| format!("{shown}: {e}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{shown}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// `rookery-tests` in the user's cache folder.
fn cache() -> Result<PathBuf, String> {
    let folder = match std::env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").ok_or("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    }
    .join("rookery-tests");
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

/// The same in every run of the same toolchain, which is all that a cache needs.
fn digest(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}
