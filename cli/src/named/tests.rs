use std::path::Path;

use rookery_data::spec::ByteSize;
use rookery_proto::ErrorClass;

use super::*;

fn clusters(folder: &Path) -> Clusters {
    Clusters::of(&StateDir::resolve(Some(folder)).unwrap())
}

fn configured(name: &str) -> ClusterConfig {
    ClusterConfig {
        name: name.to_string(),
        mode: Mode::MultiNode,
        min_workers: 2,
        max_workers: 4,
        threads: None,
        memory_limit: Some(ByteSize(64 << 20)),
        spill_dir: None,
        auto_terminate_minutes: Some(30.0),
        scale_down_minutes: 5.0,
        listen: "127.0.0.1:0".to_string(),
        tls: false,
        advertise: None,
        runtime_version: "0.1.0".to_string(),
        created_ms: 1,
        created_by: "ana".to_string(),
    }
}

#[tokio::test]
async fn a_configuration_is_kept_found_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let clusters = clusters(folder.path());
    assert!(clusters.all().unwrap().is_empty());
    let made = clusters.create(&configured("Pingüinos 1")).unwrap();
    assert_eq!(
        clusters.find("Pingüinos 1").unwrap().config,
        configured("Pingüinos 1")
    );
    let again = clusters.create(&configured("Pingüinos 1")).unwrap_err();
    assert!(again.message.contains("already"), "{again}");

    let unknown = clusters.find("lab").unwrap_err();
    assert_eq!(unknown.class, ErrorClass::Config);
    assert_eq!(unknown.hint.as_deref(), Some("there are: Pingüinos 1"));
    made.delete().await.unwrap();
    assert!(clusters.all().unwrap().is_empty());
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let clusters = clusters(folder.path());
    clusters.create(&configured("lab")).unwrap();
    let file = folder.path().join("clusters/lab/cluster.toml");
    let good = fs::read_to_string(&file).unwrap();
    for (from, to) in [
        ("max_workers = 4", "max_workers = 1"),
        ("min_workers = 2", "min_workers = 0"),
        ("auto_terminate_minutes = 30.0", "auto_terminate_minutes = -1.0"),
        ("mode = \"multi-node\"", "mode = \"no-node\""),
        ("memory_limit = 67108864", "memory_limit = \"12 bytes\""),
        ("memory_limit = 67108864", "memory_limit = 12"),
        ("created_by", "created_bye"),
        ("tls = false", "advertise = \"two words\""),
    ] {
        assert!(good.contains(from), "{good}");
        fs::write(&file, good.replace(from, to)).unwrap();
        let failure = clusters.find("lab").unwrap_err();
        assert_eq!(failure.class, ErrorClass::Config, "{to}");
        assert!(failure.location.unwrap().ends_with("lab/cluster.toml"));
    }
}

#[tokio::test]
async fn how_far_it_is_follows_from_who_holds_it_and_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = clusters(folder.path()).create(&configured("lab")).unwrap();
    let events = cluster.events();
    let add = |kind| events.add(kind, ClusterEvent::default()).unwrap();
    add(Kind::Created);
    assert_eq!(cluster.lifecycle().unwrap(), Lifecycle::Terminated);

    let held = cluster.hold().await.unwrap();
    assert!(cluster.hold().await.is_err(), "one process runs it");
    for (kind, state) in [
        (Kind::Starting, Lifecycle::Pending),
        (Kind::Running, Lifecycle::Running),
        (Kind::WorkerLost, Lifecycle::Running),
        (Kind::Terminating, Lifecycle::Terminating),
    ] {
        add(kind);
        assert_eq!(cluster.lifecycle().unwrap(), state);
    }
    // Its process ends without a word: that is noted, once.
    drop(held);
    for _ in 0..2 {
        assert_eq!(cluster.lifecycle().unwrap(), Lifecycle::Terminated);
    }
    let ends = events.read().unwrap();
    let ends: Vec<_> = ends
        .iter()
        .filter(|line| line.event == Kind::Terminated)
        .collect();
    assert_eq!(ends.len(), 1);
    assert!(
        ends[0].what.reason.as_deref().unwrap().starts_with("crashed"),
        "{ends:?}"
    );
}

#[test]
fn a_torn_line_hides_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = clusters(folder.path()).create(&configured("lab")).unwrap();
    let events = cluster.events();
    events
        .add(Kind::Created, ClusterEvent::by("ana".to_string()))
        .unwrap();
    let file = folder.path().join("clusters/lab/events.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}{{\"event\":\"run\n")).unwrap();
    events.add(Kind::Starting, ClusterEvent::default()).unwrap();
    let kinds: Vec<_> = events.read().unwrap().iter().map(|line| line.event).collect();
    assert_eq!(kinds, [Kind::Created, Kind::Starting]);
}
