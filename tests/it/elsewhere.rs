//! Jobs that are recorded on another server: another driver plays it here; `tests/mlflow` shows that it answers as the
//! real one does.

use rookery_tests::{Rookery, TestCluster};
use serde_json::Value;

use crate::{BINARY, lab};

/// A machine that records at the other driver.
fn recording_at(url: &str, token: &str) -> Rookery {
    Rookery::new(BINARY)
        .with_env("MLFLOW_TRACKING_URI", url)
        .with_env("MLFLOW_TRACKING_TOKEN", token)
}

/// The runs that a driver has, each with its status.
async fn statuses(cluster: &TestCluster) -> Vec<String> {
    let listed = cluster
        .rookery()
        .run_json(&["runs", "list", "--experiment", "penguins"])
        .await
        .succeeded();
    let status = |run: &Value| run["status"].as_str().unwrap_or_default().to_string();
    listed.json_lines().iter().map(status).collect()
}

#[tokio::test]
async fn a_job_is_recorded_on_the_server_that_mlflows_variable_names() {
    let server = TestCluster::new(BINARY).workers(0).start().await;
    let here = recording_at(server.url(), &server.rookery().token());
    let job = here.run(&["run", &lab()]).await.succeeded();
    assert_eq!(statuses(&server).await, ["FINISHED"; 3], "{job}");
    assert!(job.stdout.contains("on that server"), "{job}");
    // The files too, and a model that predicts.
    let best = server
        .rookery()
        .run_json(&["runs", "list", "--experiment", "penguins"])
        .await;
    let run = best
        .json_lines()
        .iter()
        .find(|run| run["params"]["maxIter"] == "10")
        .unwrap()["run_id"]
        .clone();
    let row =
        r#"{"Island":"Biscoe","CulmenLength":48.7,"CulmenDepth":14.1,"FlipperLength":210,"BodyMass":4450}"#;
    let model = format!("runs:/{}", run.as_str().unwrap());
    let predicted = server
        .rookery()
        .run(&["predict", "--model", &model, "--json", row])
        .await
        .succeeded();
    assert!(predicted.stdout.starts_with('1'), "{predicted}");
    let exported = tempfile::tempdir().unwrap();
    let export = ["models", "export", &model, "--format", "mlflow", "--output"];
    let place = exported.path().join("model");
    let export = [export.as_slice(), &[place.to_str().unwrap()]].concat();
    let told = server.rookery().run_json(&export).await.succeeded().last_json();
    assert_eq!(told["as_stored"], true, "every format has arrived: {told}");
    assert!(place.join("parity.json").exists() && place.join("sparkml/metadata/part-00000").exists());
    // Nothing is left behind here, and nothing was recorded here.
    let listed = here.run_json(&["runs", "list"]).await.succeeded();
    assert!(listed.json_lines().is_empty(), "{listed}");
    let synced = here.run(&["runs", "sync"]).await.succeeded();
    assert!(synced.stdout.contains("nothing waits"), "{synced}");
}

#[tokio::test]
async fn what_a_server_that_is_down_could_not_take_waits_for_it() {
    // A server that was there, and will be again on the same port and with the same token.
    let mut server = TestCluster::new(BINARY).workers(0).start().await;
    let here = recording_at(server.url(), &server.rookery().token());
    server.kill_driver().await;
    let job = here
        .run(&["run", &lab(), "--delivery-wait-ms", "500"])
        .await
        .succeeded();
    assert!(job.stdout.contains("records wait for"), "{job}");
    let early = here.run(&["runs", "sync", "--within", "4"]).await;
    assert_eq!(early.code, 4, "{early}");
    assert!(early.stderr.contains("refused"), "the reason is told\n{early}");

    server.start_driver_again().await;
    here.run(&["runs", "sync"]).await.succeeded();
    assert_eq!(statuses(&server).await, ["FINISHED"; 3]);
    here.run(&["runs", "sync"]).await.succeeded();
    assert_eq!(statuses(&server).await.len(), 3, "nothing is delivered twice");
}

#[tokio::test]
async fn a_server_that_only_the_job_names_does_not_get_the_drivers_credentials() {
    let server = TestCluster::new(BINARY).workers(0).start().await;
    let token = server.rookery().token();
    let uri = format!("tracking.uri={}", server.url());
    let run = ["run", &lab(), "--set", &uri, "--delivery-wait-ms", "4000"];
    let here = || Rookery::new(BINARY).with_env("MLFLOW_TRACKING_TOKEN", &token);
    let withheld = here().run(&run).await;
    assert!(withheld.stdout.contains("records wait for"), "{withheld}");
    assert!(
        withheld.stdout.contains("ROOKERY_TRACKING_TOKEN_FOR"),
        "{withheld}"
    );
    assert!(!withheld.to_string().contains(&token), "{withheld}");
    let listed = server.rookery().run_json(&["runs", "list"]).await.succeeded();
    assert!(listed.json_lines().is_empty(), "{listed}");

    let meant = here().with_env("ROOKERY_TRACKING_TOKEN_FOR", server.url());
    meant.run(&run).await.succeeded();
    assert_eq!(statuses(&server).await, ["FINISHED"; 3]);
}
