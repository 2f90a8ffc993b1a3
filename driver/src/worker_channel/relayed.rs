//! The call of a round that a worker passes on to others.

use std::collections::BTreeSet;
use std::time::Duration;

use rookery_ml::tree::Node;
use rookery_ml::{KernelCoefficients, Partial};
use rookery_proto::{Failure, v1};
use url::Url;

use super::subtrees::{kernel_coefficients, subtree_partials};
use super::{Task, WorkerChannel, key, set};
use crate::error::internal;
use crate::reduction::Branch;

/// What a worker's relays are given of the time that the driver waits for it: it needs the rest to merge and to answer.
const GIVEN_ON: (u32, u32) = (9, 10);

/// What came of a branch.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) partials: Vec<(Node, Vec<Partial>)>,
    /// Those of the branch whose partitions are not in it.
    pub(crate) failed: BTreeSet<Url>,
    /// Why not, of the first of them.
    pub(crate) why: Option<Failure>,
}

impl WorkerChannel {
    /// Losses and gradients of what a branch holds, at each of the coefficients, in one answer.
    pub(crate) async fn evaluate_branch(
        &self,
        task: &Task,
        branch: &Branch,
        blocks_id: &str,
        coefficients: &[KernelCoefficients],
    ) -> Result<Relayed, Failure> {
        let (times, of) = GIVEN_ON;
        let request = v1::EvaluateObjectiveRequest {
            task: key(task),
            partitions: set(&branch.holding),
            blocks_id: blocks_id.to_string(),
            coefficients: coefficients.iter().map(kernel_coefficients).collect(),
            relays: branch.below.iter().map(relay).collect(),
            relay_deadline_ms: millis(self.deadline * times / of),
        };
        let mut client = self.client.clone();
        let call = client.evaluate_objective(request);
        let response = self.bounded("evaluate_objective", Some(task), call).await?;
        let mut failures = response.failures.into_iter().peekable();
        let why = failures.peek().and_then(|first| first.error.clone());
        let named = |failed: v1::RelayFailure| {
            Url::parse(&failed.url).map_err(|e| internal(format!("a relay {}: {e}", failed.url)))
        };
        Ok(Relayed {
            partials: subtree_partials(response.partials, coefficients.len())?,
            failed: failures.map(named).collect::<Result<_, _>>()?,
            why: why.map(Failure::from),
        })
    }
}

fn relay(branch: &Branch) -> v1::Relay {
    v1::Relay {
        url: branch.url.to_string(),
        partitions: set(&branch.holding),
        relays: branch.below.iter().map(relay).collect(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
