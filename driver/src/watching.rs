//! Looking after workers while rows are read: those that let the others wait are given up on.

use std::collections::BTreeSet;
use std::time::Duration;

use rookery_proto::{ErrorClass, Failure};
use tokio::time::Instant;
use url::Url;

use crate::lag::Lag;
use crate::members::Members;

/// How often workers are asked how far they are: this part of the time for which slow ones are borne with, within these
/// bounds.
const LOOKS: u32 = 10;
const LOOK_EVERY_MIN: Duration = Duration::from_millis(50);
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);

/// Why rows were not read to the end.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) failure: Failure,
    /// Those that let the others wait, if that is why.
    pub(crate) slow: BTreeSet<Url>,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            slow: BTreeSet::new(),
        }
    }
}

impl Trouble {
    fn slow(slow: BTreeSet<Url>, waited: Duration) -> Self {
        let urls: Vec<&str> = slow.iter().map(Url::as_str).collect();
        let message = format!(
            "worker {} let the others wait for its rows, {:.1} s after reading began",
            urls.join(", "),
            waited.as_secs_f64()
        );
        Self {
            failure: Failure::new(ErrorClass::Unreachable, message),
            slow,
        }
    }
}

/// The result of `work`, in which these workers read rows; given up as soon as some are slow. With `shuffles` each may wait
/// for the others' rows.
pub(crate) async fn watched<T>(
    members: &Members,
    urls: &[Url],
    shuffles: bool,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Trouble> {
    tokio::select! {
        biased;
        done = work => Ok(done?),
        slow = watch(members, urls, shuffles) => Err(slow),
    }
}

async fn watch(members: &Members, urls: &[Url], shuffles: bool) -> Trouble {
    if urls.len() < 2 {
        // There is nobody to do it instead.
        return std::future::pending().await;
    }
    let (began, straggler_after) = (Instant::now(), members.config().straggler_after);
    let every = (straggler_after / LOOKS).clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX);
    let mut lag = Lag::new(urls.iter().cloned(), shuffles, straggler_after, began);
    loop {
        tokio::time::sleep(every).await;
        for (url, progress) in members.progress(urls).await {
            lag.note(&url, progress, Instant::now());
        }
        let slow = lag.slow(Instant::now());
        if !slow.is_empty() {
            return Trouble::slow(slow, began.elapsed());
        }
    }
}
