use std::collections::BTreeMap;

use rookery_proto::ErrorClass;
use rookery_serving::endpoints::{
    Act, Action, Config, EndpointRecord, EndpointStore as _, LastUpdate, ServedEntity, Share, WorkloadSize,
};

use super::file::EndpointFile;

fn record(name: &str, version: u32) -> EndpointRecord {
    let config = Config {
        version,
        entities: vec![ServedEntity {
            name: "a".to_string(),
            model: "Pronosticador de pingüinos".to_string(),
            version: 1,
            alias: Some("champion".to_string()),
            percent: 100,
            shadow: false,
            size: WorkloadSize::Medium,
            idle_ms: Some(1),
        }],
        previous: None,
    };
    EndpointRecord {
        name: name.to_string(),
        id: "id".to_string(),
        creator: "ñandú".to_string(),
        created_ms: 1,
        updated_ms: 2,
        tags: BTreeMap::from([("k".to_string(), "v".to_string())]),
        active: Some(config.clone()),
        pending: None,
        last_update: LastUpdate::Failed {
            config: config.clone(),
            message: "no".to_string(),
        },
        next_config: version + 1,
        history: vec![config],
    }
}

fn act(endpoint: &str, action: Action) -> Act {
    Act {
        timestamp_ms: 5,
        endpoint: endpoint.to_string(),
        endpoint_id: "id".to_string(),
        action,
        user: "ada".to_string(),
        reason: "porque sí".to_string(),
        from: None,
        to: Some(1),
        serving: vec![Share {
            name: "a".to_string(),
            model: "m".to_string(),
            version: 1,
            percent: 100,
            shadow: false,
        }],
        detail: None,
    }
}

#[tokio::test]
async fn endpoints_and_acts_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endpoints.db");
    let file = EndpointFile::open(&path).unwrap();
    file.keep(&record("b", 1), Some(&act("b", Action::Created)))
        .await
        .unwrap();
    file.keep(&record("a", 1), Some(&act("a", Action::Created)))
        .await
        .unwrap();
    file.keep(&record("a", 2), None).await.unwrap();
    file.forget("b", &act("b", Action::Deleted)).await.unwrap();
    drop(file);

    let file = EndpointFile::open(&path).unwrap();
    assert_eq!(file.load().await.unwrap(), [record("a", 2)]);
    let actions = |acts: Vec<Act>| acts.iter().map(|act| act.action).collect::<Vec<_>>();
    let of_b = file.acts("b", 10).await.unwrap();
    assert_eq!(of_b[1], act("b", Action::Created));
    assert_eq!(actions(of_b), [Action::Deleted, Action::Created], "newest first");
    assert_eq!(actions(file.acts("b", 1).await.unwrap()), [Action::Deleted]);
    assert!(file.acts("c", 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn acts_are_neither_changed_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endpoints.db");
    let file = EndpointFile::open(&path).unwrap();
    file.keep(&record("a", 1), Some(&act("a", Action::Created)))
        .await
        .unwrap();
    drop(file);
    let file = rusqlite::Connection::open(&path).unwrap();
    assert!(file.execute("DELETE FROM acts", []).is_err());
    assert!(file.execute("UPDATE acts SET act = '{}'", []).is_err());
}

#[test]
fn one_driver_at_a_time_holds_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endpoints.db");
    let _held = EndpointFile::open(&path).unwrap();
    let refused = EndpointFile::open(&path).unwrap_err();
    assert_eq!(refused.class, ErrorClass::Config);
    assert!(refused.message.contains("another driver"), "{refused}");
}

#[test]
fn a_file_of_a_later_release_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endpoints.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch("PRAGMA user_version = 9;").unwrap();
    drop(file);
    let refused = EndpointFile::open(&path).unwrap_err();
    assert!(refused.message.contains("version 9"), "{refused}");
}
