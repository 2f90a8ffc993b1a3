//! A journal keeps what it was told, for one driver at a time.

use rookery_ml::{Ask, LogisticRegressionParams, Summary};
use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::{JobFinished, Warning};

use super::*;

fn request(text: &str) -> SubmitJobRequest {
    SubmitJobRequest {
        job_toml: text.to_string(),
        idempotency_key: "k".to_string(),
        ..SubmitJobRequest::default()
    }
}

fn warning(text: &str) -> Event {
    Event::Warning(Warning {
        message: text.to_string(),
    })
}

fn log(journal: &Journal, id: &str) -> Arc<EventLog> {
    Arc::new(EventLog::new(id, Vec::new(), Some(journal.clone())))
}

#[tokio::test]
async fn what_was_noted_is_there_for_the_next_driver_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let (journal, none) = Journal::open(&path).unwrap();
    assert!(none.is_empty());
    for id in ["job-b", "job-a", "job-c"] {
        journal.job(id, 7, request(id));
    }
    let events = log(&journal, "job-a");
    for i in 0..50 {
        events.push(warning(&i.to_string()));
    }
    journal.forget("job-c");
    journal.sync().await.unwrap();
    assert_eq!(events.so_far(0).len(), 50);
    drop((journal, events));

    let (_journal, jobs) = reopened(&path).await;
    let ids: Vec<&str> = jobs.iter().map(|job| job.job_id.as_str()).collect();
    assert_eq!(ids, ["job-b", "job-a"]);
    assert_eq!(jobs[1].request, request("job-a"));
    assert_eq!(jobs[1].submitted_ms, 7);
    let sequences: Vec<u64> = jobs[1].events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=50).collect::<Vec<_>>());
    assert!(jobs[0].events.is_empty());
}

#[tokio::test]
async fn an_event_is_seen_once_it_is_written_and_a_log_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let (journal, _) = Journal::open(&path).unwrap();
    journal.job("job", 0, request(""));
    let events = log(&journal, "job");
    events.push(warning("one"));
    assert_eq!(events.after(0).await.len(), 1);
    drop((journal, events));

    let (journal, mut jobs) = reopened(&path).await;
    let before = jobs.remove(0).events;
    let events = Arc::new(EventLog::new("job", before, Some(journal)));
    events.push(warning("two"));
    let seen = events.after(1).await;
    assert_eq!(seen.iter().map(|event| event.sequence).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn the_last_checkpoint_counts_until_the_job_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let (journal, _) = Journal::open(&path).unwrap();
    journal.job("job", 0, request(""));
    let checkpoints = journal.checkpoints("job");
    let (mut training, other) = (training(2), training(2));
    for _ in 0..3 {
        checkpoints.note([(1, &training), (2, &other)].into_iter());
        journal.sync().await.unwrap();
        step(&mut training);
    }
    checkpoints.note([(1, &training), (2, &other)].into_iter());
    journal.sync().await.unwrap();
    drop((journal, checkpoints));

    let (journal, jobs) = reopened(&path).await;
    assert_eq!(jobs[0].checkpoint, [(1, training), (2, other)], "bit for bit");
    let events = log(&journal, "job");
    events.push(Event::Finished(JobFinished::default()));
    journal.sync().await.unwrap();
    drop((journal, events));
    let (_journal, jobs) = reopened(&path).await;
    assert_eq!(jobs[0].checkpoint, []);
}

#[tokio::test]
async fn a_second_driver_is_refused_and_so_is_a_later_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let (journal, _) = Journal::open(&path).unwrap();
    let failure = Journal::open(&path).unwrap_err();
    assert_eq!(failure.class, ErrorClass::Config);
    assert!(failure.message.contains("another driver"), "{failure}");
    drop(journal);

    let (journal, _) = reopened(&path).await;
    drop(journal);
    let later = rusqlite::Connection::open(&path).unwrap();
    let set = || later.pragma_update(None, "user_version", 99);
    while set().is_err() {
        tokio::task::yield_now().await;
    }
    drop(later);
    let failure = Journal::open(&path).unwrap_err();
    assert!(failure.message.contains("version 99"), "{failure}");
}

/// The writer's thread lets go of the file when it has seen that nobody notes anything any more.
async fn reopened(path: &Path) -> (Journal, Vec<JournalledJob>) {
    tokio::task::spawn_blocking({
        let path = path.to_path_buf();
        move || Journal::open(&path).unwrap()
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_large_training_is_written_now_and_then_and_a_huge_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let (journal, _) = Journal::open(&path).unwrap();
    for job in ["large", "huge"] {
        journal.job(job, 0, request(""));
    }
    let (large, huge) = (journal.checkpoints("large"), journal.checkpoints("huge"));
    let (first, mut later) = (training(60_000), training(60_000));
    assert!(first.state_values() > WRITTEN_EACH_ROUND);
    step(&mut later);
    large.note([(0, &first)].into_iter());
    journal.sync().await.unwrap();
    large.note([(0, &later)].into_iter());
    huge.note([(0, &training(3_000_000))].into_iter());
    journal.sync().await.unwrap();
    let took = large.slot.pace.lock().unwrap().unwrap().1;
    tokio::time::sleep(took * REST).await;
    drop((journal, huge));
    let written = |jobs: &[JournalledJob], job: usize| {
        jobs[job].checkpoint.first().map(|(_, training)| training.clone())
    };

    let journal = large.journal.clone();
    large.note([(0, &later)].into_iter());
    journal.sync().await.unwrap();
    drop((journal, large));
    let (_journal, jobs) = reopened(&path).await;
    assert!(written(&jobs, 0) == Some(later), "the one after the pause");
    assert!(written(&jobs, 1).is_none());
}

#[tokio::test]
async fn a_journal_of_the_release_before_is_read_with_a_training_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let (journal, _) = Journal::open(&path).unwrap();
    journal.job("job", 0, request(""));
    journal.sync().await.unwrap();
    drop(journal);
    let (journal, _) = reopened(&path).await;
    drop(journal);
    let before = rusqlite::Connection::open(&path).unwrap();
    while before.pragma_update(None, "user_version", 2).is_err() {
        tokio::task::yield_now().await;
    }
    let mut alone = training(2);
    step(&mut alone);
    let text = serde_json::to_string(&alone).unwrap();
    let insert = "INSERT INTO checkpoints (job_id, run, training) VALUES ('job', 3, ?1)";
    before.execute(insert, [text]).unwrap();
    drop(before);
    let (_journal, jobs) = reopened(&path).await;
    assert_eq!(jobs[0].job_id, "job");
    assert_eq!(jobs[0].checkpoint, [(3, alone)]);
}

fn training(features: usize) -> Training {
    let params = LogisticRegressionParams::default().check().unwrap();
    let summary = Summary {
        rows: 6,
        weight_sum: 6.0,
        weight_square_sum: 6.0,
        mean: [0.5, -1.0].repeat(features / 2),
        m2: [2.0, 3.0].repeat(features / 2),
        label_weights: vec![2.0, 4.0],
        class_weights: Vec::new(),
    };
    Training::new(&params, &summary).unwrap()
}

/// A round over rows that never were: an answer of the right shape is all it takes.
fn step(training: &mut Training) {
    let Ask::Evaluate(coefficients) = training.ask() else {
        panic!("it has finished");
    };
    let mut partial = coefficients.zero_partial();
    partial.rows = 6;
    partial.weight_sum = 6.0;
    partial.loss_sum = 4.0 / (1.0 + training.evaluations() as f64 / 3.0);
    for (i, gradient) in partial.gradient_sum.iter_mut().enumerate() {
        *gradient = 0.1 * (i as f64 + 1.0);
    }
    training.tell(&partial).unwrap();
}
