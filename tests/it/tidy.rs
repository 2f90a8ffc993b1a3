//! The shape of the repository: which crate may use which, who may print, how long files are.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::repository;

/// Longest source file, in lines. A file above has more than one idea.
const FILE_LINES_MAX: usize = 500;

/// Which of our crates each crate may use.
const ARROWS: [(&str, &[&str]); 11] = [
    ("rookery-proto", &[]),
    ("rookery-ml", &[]),
    ("rookery-tracking", &[]),
    ("rookery-data", &["rookery-ml"]),
    ("rookery-tls", &["rookery-proto"]),
    ("rookery-formats", &["rookery-ml"]),
    ("rookery-serving", &["rookery-proto", "rookery-ml"]),
    (
        "rookery-worker",
        &[
            "rookery-proto",
            "rookery-ml",
            "rookery-data",
            "rookery-tls",
            "rookery-formats",
            "rookery-serving",
        ],
    ),
    (
        "rookery-driver",
        &[
            "rookery-proto",
            "rookery-ml",
            "rookery-data",
            "rookery-tls",
            "rookery-tracking",
            "rookery-formats",
            "rookery-serving",
        ],
    ),
    (
        "rookery-cli",
        &[
            "rookery-proto",
            "rookery-ml",
            "rookery-data",
            "rookery-tls",
            "rookery-tracking",
            "rookery-worker",
            "rookery-driver",
            "rookery-formats",
            "rookery-serving",
        ],
    ),
    ("rookery-tests", &["rookery-proto"]),
];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Names of a package's dependencies, those of its tests left out.
fn dependencies(package: &Value) -> Vec<String> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|d| d["kind"].as_str() != Some("dev"))
        .map(|d| d["name"].as_str().unwrap().to_string())
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    assert_eq!(packages.len(), ARROWS.len());
    for (name, allowed) in ARROWS {
        let package = packages.iter().find(|p| p["name"] == name).unwrap();
        for dependency in dependencies(package).iter().filter(|d| d.starts_with("rookery-")) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} must not use {dependency}"
            );
        }
    }
}

#[test]
fn only_data_names_datafusion() {
    for package in packages().iter().filter(|p| p["name"] != "rookery-data") {
        for dependency in dependencies(package) {
            assert!(
                !dependency.starts_with("datafusion"),
                "{} uses {dependency}",
                package["name"]
            );
        }
    }
}

#[test]
fn the_mathematics_does_no_io() {
    for package in packages()
        .iter()
        .filter(|p| p["name"] == "rookery-ml" || p["name"] == "rookery-formats")
    {
        for dependency in dependencies(package) {
            let io = ["tokio", "tonic", "object_store", "rayon", "tracing"];
            let name = &package["name"];
            assert!(!io.contains(&dependency.as_str()), "{name} uses {dependency}");
            assert!(
                name != "rookery-ml" || dependency != "arrow",
                "{name} uses {dependency}"
            );
        }
    }
}

#[test]
fn every_crate_inherits_the_lints() {
    for package in packages() {
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{}",
            package["name"]
        );
    }
}

#[test]
fn files_have_one_idea() {
    for file in sources(&repository()) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", file.display());
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    found
}
