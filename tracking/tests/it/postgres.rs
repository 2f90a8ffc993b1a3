//! A real PostgreSQL server for the contract, from the system's packages: one for all tests, a database for each.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use postgres::{Client, NoTls};
use tempfile::TempDir;

/// How long the server may take to start.
const START_WITHIN: Duration = Duration::from_secs(60);
/// The user as whom a server is run when the tests run as root, which PostgreSQL refuses to be.
const USER: &str = "postgres";

struct Server {
    folder: TempDir,
    databases: AtomicU32,
    /// Two databases are not made at once: both would copy the same template.
    creating: Mutex<()>,
}

/// Returns the URL of a new, empty database, or `None`, said aloud, where there is no server to start.
pub(crate) fn new_database() -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(start).as_ref()?;
    let name = format!("test_{}", server.databases.fetch_add(1, Ordering::Relaxed));
    let _one_at_a_time = server.creating.lock().unwrap_or_else(PoisonError::into_inner);
    let mut client = Client::connect(&url(server.folder.path(), "postgres"), NoTls).unwrap();
    client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    Some(url(server.folder.path(), &name))
}

fn url(folder: &Path, database: &str) -> String {
    let host = utf8_percent_encode(folder.to_str().unwrap(), NON_ALPHANUMERIC);
    format!("postgres://{USER}@{host}/{database}")
}

fn start() -> Option<Server> {
    let Some(programs) = programs() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "no PostgreSQL server is installed"
        );
        // Past the test harness, which hides what a passing test prints.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no PostgreSQL server is installed (Debian: apt-get install postgresql)"
        );
        return None;
    };
    let folder = tempfile::Builder::new().prefix("rookery-pg").tempdir().unwrap();
    let data = folder.path().join("data");
    if is_root() {
        run(Command::new("chown").arg(USER).arg(folder.path()));
    }
    let mut initdb = as_user(&programs.join("initdb"));
    run(initdb
        .args([
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--username",
            USER,
            "--pgdata",
        ])
        .arg(&data));

    let mut postgres = as_user(&programs.join("postgres"));
    postgres
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(folder.path())
        .args([
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=500",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    keep(postgres);
    wait_for(folder.path());
    Some(Server {
        folder,
        databases: AtomicU32::new(0),
        creating: Mutex::default(),
    })
}

/// The newest installed server's programs.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("postgres").exists())
        .collect();
    found.sort();
    found.pop()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// A command that ends with this process, run as a user who may run a server.
fn as_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if is_root() {
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    }
    command.arg(program);
    command.current_dir("/");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Starts the server on a thread that never ends: the signal for a dead parent is about the thread that started it.
fn keep(mut command: Command) {
    let (started, is_started): (Sender<()>, _) = mpsc::channel();
    std::thread::spawn(move || {
        let mut server: Child = command.spawn().unwrap();
        started.send(()).unwrap();
        let _ = server.wait();
    });
    is_started.recv_timeout(START_WITHIN).unwrap();
}

fn wait_for(folder: &Path) {
    let deadline = Instant::now() + START_WITHIN;
    while let Err(error) = Client::connect(&url(folder, "postgres"), NoTls) {
        assert!(Instant::now() < deadline, "the server does not answer: {error}");
        #[expect(
            clippy::disallowed_methods,
            reason = "a server of others can only be asked again and again"
        )]
        std::thread::sleep(Duration::from_millis(20));
    }
}
