//! How long endpoints wait for what.

use std::time::Duration;

/// The bounds of every wait.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long a request waits for its turn when as many are scored as the workload size allows.
    pub turn_wait: Duration,
    /// How long loading one model may take.
    pub load: Duration,
    /// How long the answer to a change waits for it to take effect. It goes on behind the answer.
    pub answer: Duration,
    /// How often aliases are looked up.
    pub alias_check: Duration,
    /// How often idle models are looked for.
    pub tend: Duration,
    /// How soon a model that did not load is tried again.
    pub retry: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            turn_wait: Duration::from_secs(10),
            load: Duration::from_secs(60),
            answer: Duration::from_secs(1),
            alias_check: Duration::from_secs(1),
            tend: Duration::from_millis(200),
            retry: Duration::from_secs(5),
        }
    }
}
