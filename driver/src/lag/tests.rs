use super::*;

const BOUND: Duration = Duration::from_secs(10);

fn url(worker: u8) -> Url {
    Url::parse(&format!("http://w{worker}/")).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A worker that is at work from the start until it has done its part: bytes and how long it needs for them.
#[derive(Clone, Copy)]
struct Worker {
    bytes: u64,
    needs: Duration,
}

fn worker(bytes: u64, needs: u64) -> Worker {
    Worker {
        bytes,
        needs: seconds(needs),
    }
}

impl Worker {
    fn work(self, passed: Duration) -> Work {
        Work {
            open: u32::from(self.bytes > 0 && passed < self.needs),
            took: passed.min(self.needs),
        }
    }

    /// What it has done when so much time has passed, if nobody waits for anybody.
    fn alone(self, passed: Duration) -> Progress {
        let part = passed.min(self.needs).as_secs_f64() / self.needs.as_secs_f64();
        Progress {
            bytes_read: (self.bytes as f64 * part) as u64,
            reading: self.work(passed),
            keeping: self.work(passed),
        }
    }

    /// The same where rows are shuffled: nobody has all its rows before all have read theirs.
    fn shuffling(self, passed: Duration) -> Progress {
        Progress {
            keeping: Work {
                open: 1,
                took: passed,
            },
            ..self.alone(passed)
        }
    }
}

/// Who is found to be slow when, looking once a second for two minutes.
fn watch(
    shuffles: bool,
    workers: &[Worker],
    progress: impl Fn(Worker, Duration) -> Progress,
) -> Option<(u64, BTreeSet<Url>)> {
    let began = Instant::now();
    let mut lag = Lag::new((0..workers.len() as u8).map(url), shuffles, BOUND, began);
    (1..=120).find_map(|second| {
        let passed = seconds(second);
        for (number, worker) in (0..).zip(workers) {
            lag.note(&url(number), progress(*worker, passed), began + passed);
        }
        let slow = lag.slow(began + passed);
        (!slow.is_empty()).then_some((second, slow))
    })
}

#[test]
fn who_reads_at_a_third_of_the_others_speed_is_slow_when_they_have_waited_for_long_enough() {
    let slow = BTreeSet::from([url(2)]);
    // The others are last seen at work after five seconds: three times that, and ten more.
    let workers = [worker(100, 5), worker(100, 3), worker(100, 100)];
    assert_eq!(watch(false, &workers, Worker::alone), Some((25, slow.clone())));
    assert_eq!(watch(true, &workers, Worker::shuffling), Some((25, slow.clone())));
    // One whose read hangs has read nothing.
    let workers = [worker(100, 5), worker(100, 3), worker(1, 1000)];
    assert_eq!(watch(false, &workers, Worker::alone), Some((25, slow)));
}

#[test]
fn several_can_be_slow_and_never_most() {
    let (quick, slow) = (worker(100, 2), worker(100, 110));
    let workers = [quick, slow, worker(100, 100), quick];
    let found = BTreeSet::from([url(1), url(2)]);
    assert_eq!(watch(false, &workers, Worker::alone), Some((16, found)));
    assert_eq!(watch(false, &[quick, slow, slow], Worker::alone), None);
    let all_alike = [worker(100, 100), worker(100, 100)];
    assert_eq!(watch(false, &all_alike, Worker::alone), None);
    assert_eq!(watch(false, &[worker(100, 100)], Worker::alone), None);
}

#[test]
fn who_has_more_to_read_is_not_slow() {
    for (shuffles, progress) in [
        (false, Worker::alone as fn(Worker, Duration) -> Progress),
        (true, Worker::shuffling),
    ] {
        let more = [worker(100, 2), worker(4000, 80)];
        assert_eq!(watch(shuffles, &more, progress), None);
        // It alone has something to read: there is nobody to compare it with.
        let everything = [worker(0, 1), worker(100, 100)];
        assert_eq!(watch(shuffles, &everything, progress), None);
    }
}

#[test]
fn after_a_shuffle_who_keeps_its_rows_later_than_all_others_is_slow() {
    let keeping = |worker: Worker, passed: Duration| Progress {
        reading: Work {
            open: 0,
            took: seconds(1),
        },
        ..worker.alone(passed)
    };
    let workers = [worker(100, 4), worker(100, 100)];
    assert_eq!(
        watch(true, &workers, keeping),
        Some((22, BTreeSet::from([url(1)])))
    );
}

#[test]
fn waiting_for_another_is_no_work() {
    // All keep, the first one reads on at the speed of the others: what the others wait for is more data, not slowness.
    let workers = [worker(4000, 80), worker(100, 2), worker(100, 2)];
    assert_eq!(watch(true, &workers, Worker::shuffling), None);
}

#[test]
fn one_that_says_nothing_is_what_it_was() {
    let began = Instant::now();
    let mut lag = Lag::new([url(0), url(1)], false, BOUND, began);
    let (quick, slow) = (worker(100, 1), worker(100, 100));
    lag.note(&url(1), slow.alone(seconds(1)), began + seconds(1));
    // Whether the other one is done is not known.
    assert!(lag.slow(began + seconds(60)).is_empty());
    lag.note(&url(0), quick.alone(seconds(1)), began + seconds(1));
    lag.note(&url(0), quick.alone(seconds(2)), began + seconds(2));
    assert_eq!(lag.slow(began + seconds(60)), BTreeSet::from([url(1)]));
    // And one that was never asked about is nobody.
    lag.note(&url(7), slow.alone(seconds(1)), began);
    assert_eq!(lag.seen.len(), 2);
}
