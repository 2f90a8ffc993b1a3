//! Secrets stay where they belong, however much is logged.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rookery_tests::{Output, Rookery};

use crate::{BINARY, lab};

/// What must be found nowhere, and what to call it when it is.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn found_in(&self, bytes: &[u8]) -> Option<&'static str> {
        let holds = |secret: &str| {
            bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        };
        self.0
            .iter()
            .find(|(_, secret)| holds(secret))
            .map(|(name, _)| *name)
    }
}

/// Files of secrets, in a state directory.
const THEIR_PLACES: [&str; 3] = ["token", "tls/ca.key", "tls/worker/identity.json"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// The second line of a PEM file: no other file has it by chance.
fn key_line(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines().nth(1).unwrap().to_string()
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_outside_its_own_file() {
    let machine = Rookery::new(BINARY).with_env("RUST_LOG", "trace");
    let up = [
        "up",
        "--detach",
        "--tls",
        "--workers",
        "2",
        "--listen",
        "127.0.0.1:0",
    ];
    let started = machine.run_json(&up).await.succeeded().last_json();
    let created = machine.run_json(&["token", "create"]).await.succeeded();
    let outputs = carry_out(&machine).await;

    let secret = |token: &str| {
        let (_, parts) = token.split_once("rookery_join_v1.").unwrap();
        parts.split('.').nth(1).unwrap().to_string()
    };
    let home = machine.home().to_path_buf();
    let secrets = Secrets(vec![
        ("the token", machine.token()),
        ("the first join token", secret(&text(&started["join_command"]))),
        (
            "the second join token",
            secret(&text(&created.last_json()["join_token"])),
        ),
        ("the authority's key", key_line(&home.join("tls/ca.key"))),
        ("a private key", "PRIVATE KEY-----".to_string()),
    ]);
    for output in &outputs {
        let found = secrets.found_in(output.to_string().as_bytes());
        assert_eq!(found, None, "printed");
    }
    assert_eq!(secrets.found_in(created.stderr.as_bytes()), None, "logged");
    let driver_pid = fs::read_dir(home.join("logs")).unwrap().find_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_prefix("worker-")?
            .split_once('-')
            .map(|(pid, _)| pid.to_string())
    });
    let workers = started["workers"].as_array().unwrap().iter();
    let pids: Vec<String> = workers
        .map(|worker| worker["pid"].to_string())
        .chain(driver_pid)
        .collect();
    for pid in &pids {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        assert_eq!(secrets.found_in(&line), None, "in the list of processes");
    }
    machine.run(&["down"]).await.succeeded();
    // The driver is the last to end, and its database is tidied up as it does.
    let gone = async {
        while pids.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(rookery_tests::DEADLINE, gone)
        .await
        .expect("driver and workers end");
    let mut logs = 0;
    for file in files(&home) {
        let name = file.strip_prefix(&home).unwrap().to_str().unwrap();
        let bytes = fs::read(&file).unwrap();
        logs += usize::from(name.starts_with("logs/") && bytes.len() > 10_000);
        if THEIR_PLACES.contains(&name) {
            let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
        } else {
            assert_eq!(secrets.found_in(&bytes), None, "in {name}");
        }
    }
    assert_eq!(logs, 3, "driver and workers have logged much");
}

/// Uses the cluster: a job, its records, all with the most talkative logs.
async fn carry_out(machine: &Rookery) -> Vec<Output> {
    let job = machine.run_json(&["submit", &lab(), "--wait"]).await.succeeded();
    let run = text(&job.last_json()["runs"][0]["run_id"]);
    let url = fs::read_to_string(machine.home().join("driver.url")).unwrap();
    let driver = ["--driver", url.trim()];
    let mut outputs = vec![job];
    for command in [
        &["token", "list"][..],
        &["workers", "list"],
        &["runs", "show", &run],
        &["artifacts", "list", &run],
        &["jobs", "list"],
    ] {
        let command = [command, &driver].concat();
        outputs.push(machine.run(&command).await.succeeded());
    }
    outputs
}
