//! Clusters over REST, asked for with the stock Databricks client. What is checked is in `tests/databricks/*.py`. Without
//! Python 3.10 this test is skipped, visibly, unless `CI=true`.

use std::time::{Duration, Instant};

use rookery_tests::{DEADLINE, Python, Rookery, TestCluster, http, say};
use serde_json::Value;

use crate::{BINARY, repository};

/// Longest that the script may take.
const LIMIT: Duration = Duration::from_secs(500);
const POLL: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_client_makes_clusters() {
    let folder = repository().join("tests/databricks");
    let python = match Python::with_requirements(&folder.join("requirements.txt")).await {
        Ok(python) => python,
        Err(why) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{why}"),
        Err(why) => return say(&format!("SKIPPED: the_stock_client_makes_clusters: {why}")),
    };
    let cluster = TestCluster::new(BINARY).workers(0).start().await;
    let mut command = python.command();
    command
        .arg("clusters.py")
        .current_dir(&folder)
        .env("ROOKERY_TEST_URL", cluster.url())
        .env("ROOKERY_TEST_TOKEN", cluster.rookery().token())
        .env_remove("DATABRICKS_HOST")
        .env_remove("DATABRICKS_CONFIG_PROFILE")
        // What the user of this machine has configured is none of the test's.
        .env("DATABRICKS_CONFIG_FILE", folder.join("none"));
    let output = tokio::time::timeout(LIMIT, command.output())
        .await
        .expect("the script ends in time")
        .expect("the script starts");
    let said = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    // They are processes of their own, which would outlive a test that failed.
    let left = match output.status.success() {
        true => left_over(cluster.rookery()).await,
        false => clusters(cluster.rookery()).await,
    };
    for name in &left {
        cluster.rookery().run(&["cluster", "terminate", name]).await;
    }
    assert!(output.status.success(), "{said}");
    assert_eq!(left, Vec::<String>::new(), "all were to be forgotten\n{said}");
}

/// The names by which commands call the clusters.
async fn clusters(rookery: &Rookery) -> Vec<String> {
    let listed = rookery.run_json(&["cluster", "list"]).await.succeeded();
    let name = |cluster: &Value| cluster["name"].as_str().unwrap().to_string();
    listed.json_lines().iter().map(name).collect()
}

/// The clusters that are still there when those that are being forgotten had time to go.
async fn left_over(rookery: &Rookery) -> Vec<String> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let left = clusters(rookery).await;
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_clusters_without_the_token() {
    let cluster = TestCluster::new(BINARY).workers(0).start().await;
    let path = "/api/2.1/clusters/list";
    let refused = http::get(cluster.url(), path, None).await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    assert!(refused.body.contains("UNAUTHENTICATED"), "{}", refused.body);
    let token = cluster.rookery().token();
    let answer = http::get(cluster.url(), path, Some(&token)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"clusters":[]}"#));
}
