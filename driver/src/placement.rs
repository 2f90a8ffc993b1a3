//! [`Placement`]: which worker holds which partitions of a dataset, and asking all of them at once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use rookery_data::Dataset;
use rookery_data::engine::Channels;
use rookery_ml::MlError;
use rookery_ml::tree::{Node, merge_nodes};
use rookery_proto::Failure;
use url::Url;

use crate::error::{internal, of_ml};
use crate::worker_channel::{Holding, WorkerChannel};

/// The workers of a dataset and what each holds.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    leaf_count: u32,
    holders: Vec<(WorkerChannel, Holding)>,
}

impl Placement {
    pub(crate) fn new(dataset: &Dataset, channels: &Channels, deadline: Duration) -> Result<Self, Failure> {
        let leaf_count = dataset.partitions.len() as u32;
        let mut by_owner: BTreeMap<&str, Vec<(u32, u32)>> = BTreeMap::new();
        for (leaf, partition) in dataset.partitions.iter().enumerate() {
            by_owner
                .entry(&partition.owner)
                .or_default()
                .push((partition.number, leaf as u32));
        }
        let holders = by_owner
            .into_iter()
            .map(|(owner, partitions)| {
                let url = Url::parse(owner).map_err(|e| internal(format!("owner {owner}: {e}")))?;
                let holding = Holding {
                    dataset: dataset.id.clone(),
                    leaf_count,
                    partitions,
                };
                Ok((WorkerChannel::new(channels, url, deadline)?, holding))
            })
            .collect::<Result<_, Failure>>()?;
        Ok(Self { leaf_count, holders })
    }

    /// How many workers hold partitions.
    pub(crate) fn holder_count(&self) -> usize {
        self.holders.len()
    }

    /// Asks every holder at once; the answers are in the order of the holders, never of arrival. The first
    /// failure ends the others.
    pub(crate) async fn ask_all<T, F>(
        &self,
        ask: impl Fn(WorkerChannel, Holding) -> F,
    ) -> Result<Vec<T>, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        try_join_all(
            self.holders
                .iter()
                .map(|(channel, holding)| ask(channel.clone(), holding.clone())),
        )
        .await
    }

    /// Merges what the holders returned along the fixed tree. `None` when no partition holds rows.
    pub(crate) fn merge<T>(
        &self,
        answers: Vec<Vec<(Node, T)>>,
        merge: &impl Fn(T, T) -> T,
    ) -> Result<Option<T>, Failure> {
        let mut nodes = BTreeMap::new();
        for (node, value) in answers.into_iter().flatten() {
            if nodes.insert(node, value).is_some() {
                return Err(internal(format!("two workers answered for {node:?}")));
            }
        }
        merge_nodes(self.leaf_count, nodes, merge).map_err(|e: MlError| of_ml(&e))
    }
}

/// How long a worker may take to drop a dataset.
const RELEASE_DEADLINE: Duration = Duration::from_secs(5);

/// Tells workers to drop a dataset. One that can't be told loses it when it ends.
pub(crate) async fn release(workers: &[Url], dataset: &str, channels: &Channels) {
    let release_one = |url: &Url| {
        let worker = WorkerChannel::new(channels, url.clone(), RELEASE_DEADLINE);
        async move { worker?.release(dataset).await }
    };
    for (url, released) in workers
        .iter()
        .zip(join_all(workers.iter().map(release_one)).await)
    {
        if let Err(failure) = released {
            tracing::warn!(worker = %url, %failure, dataset, "the dataset was not released");
        }
    }
}
