//! Data larger than the workers' memory limit: the same model as in memory, bit for bit, whatever the cluster, and nothing is
//! left on the disk.

use std::fs;
use std::path::{Path, PathBuf};

use rookery_tests::{Dataset, Output, Rookery, TestCluster, write_jobs};
use serde_json::Value;
use tempfile::TempDir;

use crate::BINARY;
use crate::recovery::{IMPATIENT, UNHURRIED, check};

const INTERNAL: i32 = 1;

const POINTS: Dataset = Dataset {
    rows: 130_000,
    classes: 3,
    seed: 47,
};
/// A quarter of what the rows of [`POINTS`] take in memory: some 57 bytes each, and a join's a few more.
const LIMIT: u64 = 1_800_000;
const SMALL_PARTITIONS: &str = "data.partition_bytes=200000";

struct Jobs {
    folder: TempDir,
    shared: PathBuf,
    one_hot: PathBuf,
    join: PathBuf,
}

/// Two jobs over a CSV file, one whose scaled columns blocks share and one whose one-hot vectors they can't, and one over a join.
fn jobs() -> Jobs {
    let folder = TempDir::new().unwrap();
    let [csv, _, join] = write_jobs(folder.path(), POINTS);
    let text = fs::read_to_string(&csv).unwrap();
    let (before, _) = text.split_once("[[stages]]").unwrap();
    let (_, after) = text.split_once("[training]").unwrap();
    let shared = "[[stages]]\ntype = \"VectorAssembler\"\ninputs = [\"x0\", \"x1\", \"x2\", \"x3\"]\noutput = \"raw\"\n\n\
                  [[stages]]\ntype = \"MinMaxScaler\"\ninput = \"raw\"\noutput = \"features\"\n\n";
    let one_hot = "[[stages]]\ntype = \"StringIndexer\"\ninputs = [\"category\", \"key\"]\n\
                  outputs = [\"category_index\", \"key_index\"]\nhandle_invalid = \"keep\"\n\n\
                  [[stages]]\ntype = \"OneHotEncoder\"\ninputs = [\"category_index\", \"key_index\"]\n\
                  outputs = [\"category_vector\", \"key_vector\"]\n\n\
                  [[stages]]\ntype = \"VectorAssembler\"\n\
                  inputs = [\"category_vector\", \"key_vector\", \"x0\", \"x1\", \"x2\", \"x3\"]\noutput = \"features\"\n\n";
    let job = |name: &str, stages: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("{before}{stages}[training]{after}")).unwrap();
        path
    };
    let one_hot = job("one_hot.toml", one_hot);
    let shared = job("shared.toml", shared);
    Jobs {
        folder,
        shared,
        one_hot,
        join,
    }
}

/// A cluster whose workers have little memory, and where they put the rest.
fn limited(spill: &Path) -> rookery_tests::Builder {
    let (limit, spill) = (LIMIT.to_string(), spill.display().to_string());
    TestCluster::new(BINARY).worker_arguments(&["--memory-limit", &limit, "--spill-dir", &spill])
}

/// Every file below a folder, and how large it is. Files may go meanwhile.
fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let below = entries.flatten().flat_map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => files(&entry.path()),
        Ok(metadata) => vec![(entry.path(), metadata.len())],
        Err(_) => Vec::new(),
    });
    below.collect()
}

fn bytes(folder: &Path) -> u64 {
    files(folder).iter().map(|(_, bytes)| bytes).sum()
}

/// Digests and metrics of each run.
fn results(ended: &Output) -> Vec<Value> {
    let last = ended.last_json();
    let runs = last["runs"].as_array().unwrap().iter();
    runs.map(|run| serde_json::json!([run["coefficients_sha256"], run["metrics"], run["loss"]]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_set_four_times_the_limit_gives_the_same_model() {
    let jobs = jobs();
    let enough = TestCluster::new(BINARY).workers(2).start().await;
    let all = [&jobs.shared, &jobs.one_hot, &jobs.join];
    let mut expected = Vec::new();
    for job in all {
        let ended = enough.submit(job, &[SMALL_PARTITIONS]).await.succeeded();
        assert_eq!(results(&ended).len(), 2);
        expected.push(results(&ended));
    }
    assert!(
        !enough.rookery().home().join("spill").exists(),
        "without a limit nothing is put on disk"
    );
    for (workers, threads) in [(1, 3), (3, 1)] {
        let spill = TempDir::new().unwrap();
        let cluster = limited(spill.path())
            .workers(workers)
            .threads(threads)
            .start()
            .await;
        for (job, expected) in all.iter().zip(&expected) {
            let what = format!("{}, {workers} workers, {threads} threads", job.display());
            let mut running = cluster.start_job(job, &[SMALL_PARTITIONS]);
            running.until_phase("train").await;
            let (on_disk, limits) = (bytes(spill.path()), LIMIT * workers as u64);
            assert!(
                on_disk + limits / 2 > 4 * LIMIT,
                "{what}: {on_disk} bytes on disk"
            );
            let ended = running.end().await.succeeded();
            assert_eq!(&results(&ended), expected, "{what}");
            cluster.wait_until_nothing_is_held().await;
            assert_eq!(files(spill.path()), [], "{what}");
        }
        cluster.stop().await;
        assert_eq!(
            fs::read_dir(spill.path()).unwrap().count(),
            0,
            "the workers' folders are gone"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_say_what_is_in_memory_and_what_is_on_disk() {
    let (jobs, spill) = (jobs(), TempDir::new().unwrap());
    let cluster = limited(spill.path())
        .unhurried(UNHURRIED)
        .driver_arguments(IMPATIENT)
        .start()
        .await;
    let mut running = cluster.start_job(&jobs.shared, &[SMALL_PARTITIONS]);
    running.until_iteration(8).await;
    let listed = cluster.rookery().run_json(&["workers", "list"]).await.succeeded();
    let worker = listed.last_json();
    let (memory, disk) = (
        worker["memory_bytes"].as_u64().unwrap(),
        worker["disk_bytes"].as_u64().unwrap(),
    );
    assert!(memory > LIMIT / 3 && memory <= LIMIT, "{worker}");
    assert!(disk > 3 * LIMIT && disk <= bytes(spill.path()), "{worker}");
    let token = cluster.rookery().token();
    let url = cluster.worker_url(0).await;
    let of_worker = rookery_tests::http::get(&url, "/metrics", Some(&token))
        .await
        .body;
    assert!(
        of_worker.contains(&format!("rookery_worker_spilled_bytes {disk}")),
        "{of_worker}"
    );
    let of_driver = rookery_tests::http::get(cluster.url(), "/metrics", Some(&token))
        .await
        .body;
    let series = format!("rookery_worker_disk_bytes{{worker=\"w1\"}} {disk}");
    assert!(of_driver.contains(&series), "{of_driver}");
    running.end().await.succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_leaves_no_trace_in_the_model_nor_on_the_disk() {
    let jobs = jobs();
    let expected = TestCluster::new(BINARY).start().await;
    let expected = expected
        .submit(&jobs.one_hot, &[SMALL_PARTITIONS])
        .await
        .succeeded();
    let spill = TempDir::new().unwrap();
    let mut cluster = limited(spill.path())
        .workers(3)
        .unhurried(UNHURRIED)
        .driver_arguments(IMPATIENT)
        .start()
        .await;
    let mut running = cluster.start_job(&jobs.one_hot, &[SMALL_PARTITIONS]);
    running.until_iteration(3).await;
    cluster.kill_worker(1).await;
    check(running.end().await, &expected.digests(), "out of core");
    cluster.wait_until_nothing_is_held().await;
    assert!(bytes(spill.path()) > 0, "what the killed one had is there");
    cluster.forget_worker(1);
    cluster.add_worker(3).await;
    assert_eq!(bytes(spill.path()), 0, "and whoever comes next removes it");
    cluster.stop().await;
    assert_eq!(fs::read_dir(spill.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_damaged_on_the_disk_is_made_again() {
    let (jobs, spill) = (jobs(), TempDir::new().unwrap());
    let expected = TestCluster::new(BINARY).start().await;
    let expected = expected
        .submit(&jobs.shared, &[SMALL_PARTITIONS])
        .await
        .succeeded();
    let cluster = limited(spill.path())
        .workers(2)
        .unhurried(UNHURRIED)
        .driver_arguments(IMPATIENT)
        .start()
        .await;
    let mut running = cluster.start_job(&jobs.shared, &[SMALL_PARTITIONS]);
    running.until_iteration(2).await;
    for (file, length) in files(spill.path()).into_iter().filter(|(_, length)| *length > 0) {
        let mut content = fs::read(&file).unwrap();
        content[length as usize / 2] ^= 1;
        fs::write(&file, content).unwrap();
    }
    check(running.end().await, &expected.digests(), "damaged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_nothing_ends_the_job_with_its_place_and_nothing_else() {
    let (jobs, spill) = (jobs(), TempDir::new().unwrap());
    let cluster = limited(spill.path()).start().await;
    let own = fs::read_dir(spill.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::remove_dir_all(&own).unwrap();
    let ended = cluster.submit(&jobs.shared, &[SMALL_PARTITIONS]).await;
    assert_eq!(ended.code, INTERNAL, "{ended}");
    let error = &ended.last_json()["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_string();
    assert!(text("message").contains("can't be written to disk"), "{ended}");
    assert!(text("location").contains(own.to_str().unwrap()), "{ended}");
    assert!(text("location").contains(&cluster.worker_url(0).await), "{ended}");
    assert!(text("hint").contains("--spill-dir"), "{ended}");
    // The worker goes on with what has room.
    cluster.wait_until_nothing_is_held().await;
    cluster.submit(crate::lab(), &[]).await.succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_can_not_be_made_is_named_at_the_start() {
    let folder = TempDir::new().unwrap();
    let cluster = TestCluster::new(BINARY).start().await;
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let spill = file.join("spill").display().to_string();
    let worker = [
        "worker",
        "--driver",
        cluster.url(),
        "--memory-limit",
        "1MiB",
        "--spill-dir",
        &spill,
    ];
    let ended = cluster.rookery().run(&worker).await;
    assert_eq!(ended.code, INTERNAL, "{ended}");
    assert!(
        ended.stderr.contains(&spill) && ended.stderr.contains("--spill-dir"),
        "{ended}"
    );
}

/// `run` and `predict` hand the limit on to the workers that they start.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_scored_beyond_memory_as_within_it() {
    let jobs = jobs();
    let rookery = Rookery::new(BINARY);
    let job = jobs.shared.display().to_string();
    let limits = ["--workers", "1", "--memory-limit", "1800kB"];
    let run = async |more: &[&str]| {
        let arguments = [
            "run",
            &job,
            "--set",
            SMALL_PARTITIONS,
            "--set",
            "runs=[{max_iter = 3}]",
        ];
        rookery
            .run_json(&[&arguments[..], more].concat())
            .await
            .succeeded()
    };
    let (enough, little) = (run(&limits[..2]).await, run(&limits).await);
    assert_eq!(results(&enough), results(&little));
    let spill = rookery.home().join("spill");
    assert_eq!(
        fs::read_dir(&spill).unwrap().count(),
        0,
        "it was used, and is empty"
    );
    let run_id = little.last_json()["runs"][0]["run_id"]
        .as_str()
        .unwrap()
        .to_string();
    let model = format!("runs:/{run_id}/model");
    let input = jobs.folder.path().join("points.csv").display().to_string();
    let mut scored = Vec::new();
    for (to, limits) in [("enough", &limits[..2]), ("little", &limits[..])] {
        let to = jobs.folder.path().join(to);
        let output = to.display().to_string();
        let arguments = [
            "predict", "--model", &model, "--input", &input, "--output", &output,
        ];
        rookery.run(&[&arguments[..], limits].concat()).await.succeeded();
        let name = |file: &PathBuf| file.file_name().unwrap().display().to_string();
        let mut parts: Vec<(String, Vec<u8>)> = files(&to)
            .into_iter()
            .map(|(file, _)| (name(&file), fs::read(file).unwrap()))
            // Beside them is a file that names the job.
            .filter(|(name, _)| name.starts_with("part-"))
            .collect();
        parts.sort();
        assert!(!parts.is_empty());
        scored.push(parts);
    }
    assert!(scored[0] == scored[1], "the files differ");
    assert_eq!(fs::read_dir(&spill).unwrap().count(), 0);
}
