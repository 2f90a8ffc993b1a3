//! A driver that nobody gives work to ends by itself, if it was told to.

use std::sync::Arc;
use std::time::Duration;

use crate::jobs::Jobs;
use crate::stop::Stop;

/// How often a driver that works looks whether it still does.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Asks the driver to end once no job has waited or run for as long as `after` says.
pub(crate) async fn watch(jobs: Arc<Jobs>, after: Duration, stop: Stop) {
    loop {
        let pause = match jobs.idle_for() {
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
