//! The files under `deploy`: systemd takes the units, and their commands make a cluster; Kubernetes' schemas take the
//! manifests; what the image copies is there. A check whose tool is missing is skipped, visibly, unless `CI=true`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rookery_tests::{DEADLINE, Python, Rookery, say};
use tempfile::TempDir;

use crate::{BINARY, lab, repository};

/// Where the files expect the binary.
const INSTALLED: &str = "/usr/local/bin/rookery";
const UNITS: [&str; 2] = ["rookery-driver.service", "rookery-worker@.service"];

fn folder() -> PathBuf {
    repository().join("deploy")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = folder().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn skipped(test: &str, why: &str) {
    assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{why}");
    say(&format!("SKIPPED: {test}: {why}"));
}

#[test]
fn systemd_takes_the_units() {
    let units = TempDir::new().unwrap();
    for unit in UNITS {
        let text = read(Path::new("systemd").join(unit)).replace(INSTALLED, BINARY);
        assert!(text.contains(BINARY), "{unit} starts another program");
        std::fs::write(units.path().join(unit), text).unwrap();
    }
    let verify = |unit: &str| {
        let mut command = Command::new("systemd-analyze");
        command.arg("verify").arg(units.path().join(unit));
        command.output()
    };
    for unit in UNITS {
        let output = match verify(unit) {
            Ok(output) => output,
            Err(e) => return skipped("systemd_takes_the_units", &format!("systemd-analyze: {e}")),
        };
        // It passes over lines that it does not understand, and says so.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said: Vec<_> = said.lines().filter(|line| line.contains("rookery")).collect();
        assert!(output.status.success() && said.is_empty(), "{unit}: {said:?}");
    }
    let worker = units.path().join(UNITS[1]);
    let text = std::fs::read_to_string(&worker).unwrap();
    std::fs::write(&worker, text.replace("Restart=on-failure", "Restart=perhaps")).unwrap();
    let output = verify(UNITS[1]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("perhaps"), "a mistake is found: {said}");
}

/// What a unit starts: the arguments, with the variables that it sets itself or that `environment` sets.
fn arguments(unit: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let text = read(Path::new("systemd").join(unit));
    let values = |key: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(key));
        lines.map(str::to_string).collect::<Vec<_>>()
    };
    let mut variables: BTreeMap<String, String> = values("Environment=")
        .iter()
        .map(|pair| pair.split_once('=').expect("NAME=VALUE"))
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    variables.extend(
        environment
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string())),
    );
    let start = values("ExecStart=");
    let words = start[0]
        .strip_prefix(INSTALLED)
        .expect("the installed binary")
        .split_whitespace();
    words
        .filter_map(
            |word| match word.strip_prefix("${").and_then(|name| name.strip_suffix('}')) {
                Some(name) => Some(variables[name].clone()),
                // `$NAME` without a value is no argument at all.
                None if word.starts_with('$') => None,
                None => Some(word.to_string()),
            },
        )
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_units_make_a_cluster() {
    let rookery = Rookery::new(BINARY);
    let _driver = rookery.start(&arguments(UNITS[0], &[("ROOKERY_LISTEN", "127.0.0.1:0")]));
    let url = rookery.driver_url().await;
    let _worker = rookery.start(&arguments(UNITS[1], &[("ROOKERY_DRIVER", &url)]));
    let joined = async {
        loop {
            let status = rookery.run_json(&["status"]).await.succeeded().last_json();
            match status["workers"]["active"].as_u64() {
                Some(1) => return,
                _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    };
    tokio::time::timeout(DEADLINE, joined)
        .await
        .expect("the worker joins");
    rookery.run(&["submit", &lab(), "--wait"]).await.succeeded();
    rookery.run(&["down"]).await.succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_takes_the_manifests() {
    let checks = repository().join("tests/deploy");
    let python = match Python::with_requirements(&checks.join("requirements.txt")).await {
        Ok(python) => python,
        Err(why) => return skipped("kubernetes_takes_the_manifests", &why),
    };
    let check = async |manifests: &Path| {
        let mut command = python.command();
        command.arg(checks.join("check.py")).arg(manifests);
        let output = tokio::time::timeout(DEADLINE, command.output()).await;
        let output = output.expect("the check ends").unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    };
    let (is_good, said) = check(&folder().join("kubernetes")).await;
    assert!(is_good && said.starts_with("5 resources"), "{said}");

    // What the containers run are commands of this binary.
    let mut command = python.command();
    command
        .arg(checks.join("check.py"))
        .arg(folder().join("kubernetes"))
        .arg("--commands");
    let commands = command.output().await.unwrap().stdout;
    let commands = String::from_utf8(commands).unwrap();
    assert_eq!(commands.lines().count(), 2, "{commands}");
    for line in commands.lines() {
        let mut words: Vec<String> = serde_json::from_str(&line.replace("$(POD_IP)", "10.0.0.7")).unwrap();
        words.push("--help".to_string());
        Rookery::new(BINARY).run(&words).await.succeeded();
    }

    let broken = TempDir::new().unwrap();
    for file in ["secrets.yaml", "driver.yaml", "workers.yaml"] {
        let text = read(Path::new("kubernetes").join(file));
        let text = text
            .replace("replicas: 2", "replicas: two")
            .replace("path: /health", "path: /metrics");
        std::fs::write(broken.path().join(file), text).unwrap();
    }
    let (is_good, said) = check(broken.path()).await;
    assert!(
        !is_good && said.contains("'two'") && said.contains("/health"),
        "mistakes are found: {said}"
    );
}

/// The instructions of a Dockerfile, continued lines joined, comments left out.
fn instructions(text: &str) -> Vec<(String, String)> {
    let text = text.replace("\\\n", " ");
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, rest) = line
                .split_once(' ')
                .unwrap_or_else(|| panic!("no instruction: {line}"));
            (name.to_string(), rest.trim().to_string())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_holds_the_binary_that_is_built_and_runs_it_as_nobody() {
    let instructions = instructions(&read("docker/Dockerfile"));
    let of = |name: &str| {
        let found = instructions.iter().filter(|(instruction, _)| instruction == name);
        found.map(|(_, rest)| rest.clone()).collect::<Vec<_>>()
    };
    let stages: Vec<_> = of("FROM")
        .iter()
        .filter_map(|from| Some(from.split_once(" AS ")?.1.to_string()))
        .collect();
    let installed = of("COPY").into_iter().filter_map(|copy| {
        let words: Vec<_> = copy.split_whitespace().map(str::to_string).collect();
        match words[0].strip_prefix("--from=") {
            Some(stage) => {
                assert!(stages.iter().any(|name| name == stage), "no stage {stage}");
                Some((words[1].clone(), words[2].clone()))
            }
            None => {
                assert!(repository().join(&words[0]).exists(), "COPY {copy}");
                None
            }
        }
    });
    let installed: Vec<_> = installed.collect();
    assert_eq!(
        installed,
        [("/src/target/release/rookery".to_string(), INSTALLED.to_string())]
    );
    assert_eq!(of("ENTRYPOINT"), ["[\"rookery\"]"]);
    let user = of("USER").pop().unwrap();
    assert!(
        user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)),
        "{user}"
    );
    // What the container runs are commands of this binary.
    let rookery = Rookery::new(BINARY);
    let (health, default) = (of("HEALTHCHECK").pop().unwrap(), of("CMD").pop().unwrap());
    for command in [health.split_once("CMD ").unwrap().1, default.as_str()] {
        let words: Vec<String> = serde_json::from_str(command).unwrap();
        let mut words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| *word != "rookery")
            .collect();
        words.push("--help");
        rookery.run(&words).await.succeeded();
    }
    // The build is of the release that the toolchain file pins.
    let toolchain = std::fs::read_to_string(repository().join("rust-toolchain.toml")).unwrap();
    let image = of("FROM")[0].clone();
    let version = image
        .trim_start_matches("rust:")
        .split('-')
        .next()
        .unwrap()
        .to_string();
    assert!(toolchain.contains(&format!("channel = \"{version}")), "{image}");
}

#[test]
fn the_image_is_built_from_all_that_the_build_reads() {
    let ignored = std::fs::read_to_string(repository().join(".dockerignore")).unwrap();
    let ignored: Vec<_> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members")).unwrap();
    let members = members.split('"').skip(1).step_by(2);
    let mut needed: Vec<&str> = members.collect();
    assert!(needed.len() > 5);
    needed.extend(["Cargo.toml", "Cargo.lock"]);
    for path in needed {
        assert!(repository().join(path).exists(), "{path}");
        let hidden = ignored
            .iter()
            .find(|line| **line == path || (**line == "*.md" && path.ends_with(".md")));
        assert_eq!(hidden, None, "{path} is kept from the build");
    }
}
