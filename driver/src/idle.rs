//! A driver that nobody gives work to ends by itself, if it was told to. Requests to serving endpoints are work, too.

use std::sync::Arc;
use std::time::Duration;

use rookery_serving::endpoints::Endpoints;

use crate::events::now_ms;
use crate::jobs::Jobs;
use crate::stop::Stop;

/// How often a driver that works looks whether it still does.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Asks the driver to end once no job has waited or run, and no request has come to an endpoint, for as long as `after`
/// says.
pub(crate) async fn watch(jobs: Arc<Jobs>, endpoints: Arc<Endpoints>, after: Duration, stop: Stop) {
    loop {
        let pause = match jobs.idle_for().map(|idle| idle.min(unasked_for(&endpoints))) {
            Some(idle) if idle >= after => {
                let minutes = after.as_secs_f64() / 60.0;
                return stop.because(format!("no job for {minutes} minutes: terminated automatically"));
            }
            Some(idle) => after - idle,
            None => LOOK_INTERVAL.min(after),
        };
        tokio::time::sleep(pause).await;
    }
}

/// How long no endpoint was asked anything.
fn unasked_for(endpoints: &Endpoints) -> Duration {
    let since = endpoints.last_request_ms().map(|ms| now_ms() - ms);
    since.map_or(Duration::MAX, |ms| {
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    })
}
