//! [`Placement`]: which worker holds which partitions of a dataset, and asking all of them at once. When a worker is
//! lost, its partitions are made again on the others and only they are asked for again: what comes out does not tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::try_join_all;
use futures::stream::FuturesUnordered;
use rookery_data::{Dataset, IngestPlan, PartitionInfo};
use rookery_ml::MlError;
use rookery_ml::tree::{Node, merge_nodes};
use rookery_proto::Failure;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::error::{internal, of_data, of_ml};
use crate::materialize::lost_too_often;
use crate::members::{MAX_RECOVERIES, Members, is_recoverable};
use crate::rebalance;
use crate::worker_channel::{BlockSpec, Holding, Task, WorkerChannel};
use crate::workers::WorkerInfo;

/// The partitions of a dataset on the workers of a cluster.
pub(crate) struct Placement {
    members: Arc<Members>,
    plan: IngestPlan,
    /// The leaf of each partition.
    leaves: BTreeMap<u32, u32>,
    state: Mutex<State>,
    tell: Box<dyn Fn(String) + Send + Sync>,
}

struct State {
    dataset: Dataset,
    /// Who holds each partition: the dataset's owners.
    owners: BTreeMap<u32, Url>,
    /// Where blocks were made of the partitions, so that lost ones can be made again.
    blocks: Option<(Task, BlockSpec)>,
    recoveries: u32,
    /// Whether partitions are moved to workers that join; not if that failed once.
    rebalances: bool,
}

/// What came of asking some workers.
struct Batch<T> {
    answers: Vec<T>,
    /// Partitions that nobody answered for.
    lost: BTreeSet<u32>,
    /// The workers that held them.
    holders: Vec<Url>,
    reason: String,
}

impl Placement {
    /// The dataset as it was materialised by `plan`; `tell` hears of the workers that are lost.
    pub(crate) fn new(
        members: Arc<Members>,
        plan: &IngestPlan,
        dataset: &Dataset,
        tell: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let numbers = dataset.partitions.iter().map(|partition| partition.number);
        Ok(Self {
            members,
            plan: plan.clone(),
            leaves: numbers.zip(0..).collect(),
            state: Mutex::new(State {
                dataset: dataset.clone(),
                owners: owners(dataset)?,
                blocks: None,
                recoveries: 0,
                rebalances: true,
            }),
            tell: Box::new(tell),
        })
    }

    /// Counts a round.
    pub(crate) fn count_round(&self) {
        self.members.counters().rounds.inc();
    }

    /// Notes that blocks were made, which a lost partition will need too.
    pub(crate) async fn set_blocks(&self, task: &Task, spec: &BlockSpec) {
        self.state.lock().await.blocks = Some((task.clone(), spec.clone()));
    }

    /// Asks every holder at once, and others for what was lost; together the answers cover each partition once. Their
    /// order means nothing.
    ///
    /// # Errors
    /// What a worker says of the data or the request; no worker is left and none comes.
    pub(crate) async fn ask_all<T, F>(
        &self,
        ask: impl Fn(WorkerChannel, Holding) -> F,
    ) -> Result<Vec<T>, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut open = {
            let mut state = self.state.lock().await;
            self.rebalance(&mut state).await;
            self.holdings(&state, None)
        };
        let mut answers = Vec::new();
        loop {
            let batch = self.ask_batch(&ask, open).await?;
            answers.extend(batch.answers);
            if batch.lost.is_empty() {
                return Ok(answers);
            }
            open = self.recover(batch.lost, batch.holders, batch.reason).await?;
        }
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
        merge_nodes(self.leaves.len() as u32, nodes, merge).map_err(|e: MlError| of_ml(&e))
    }

    /// Asks these holders. Those that are lost, or let all others wait for too long, leave their partitions over.
    async fn ask_batch<T, F>(
        &self,
        ask: &impl Fn(WorkerChannel, Holding) -> F,
        open: Vec<(Url, Holding)>,
    ) -> Result<Batch<T>, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let started = Instant::now();
        let mut waiting: BTreeMap<Url, Holding> = open.iter().cloned().collect();
        let mut pending: FuturesUnordered<_> = open
            .into_iter()
            .map(|(url, holding)| async {
                let asked = async { ask(self.members.channel(&url)?, holding).await };
                let answer = self.members.with(std::slice::from_ref(&url), asked).await;
                (url, answer)
            })
            .collect();
        let mut batch = Batch {
            answers: Vec::new(),
            lost: BTreeSet::new(),
            holders: Vec::new(),
            reason: String::new(),
        };
        let mut patience_ends = None;
        loop {
            let slow = async {
                match patience_ends {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            let (url, answer) = tokio::select! {
                next = pending.next() => match next {
                    Some(next) => next,
                    None => return Ok(batch),
                },
                () = slow => {
                    self.give_up_on(&waiting, &mut batch, started.elapsed());
                    return Ok(batch);
                }
            };
            let holding = waiting.remove(&url);
            match answer {
                Ok(answer) => batch.answers.push(answer),
                Err(failure) if is_recoverable(&failure) => {
                    let numbers = holding.iter().flat_map(|holding| &holding.partitions);
                    batch.lost.extend(numbers.map(|(number, _)| number));
                    batch.holders.push(url);
                    batch.reason = failure.message;
                }
                Err(failure) => return Err(failure),
            }
            patience_ends = self.patience(&waiting, started);
        }
    }

    /// Until when those who have not answered are waited for: three times as long as the others took, and the configured
    /// bound on top. `None` as long as nobody could do it instead.
    fn patience(&self, waiting: &BTreeMap<Url, Holding>, started: Instant) -> Option<Instant> {
        let others = self.members.active_now();
        let has_other = others.iter().any(|worker| !waiting.contains_key(&worker.url));
        let is_over = waiting.is_empty() || !has_other;
        let so_far = started.elapsed();
        (!is_over).then(|| started + so_far * 3 + self.members.config().straggler_after)
    }

    fn give_up_on<T>(&self, waiting: &BTreeMap<Url, Holding>, batch: &mut Batch<T>, after: Duration) {
        for (url, holding) in waiting {
            self.members.mark_slow(url);
            batch
                .lost
                .extend(holding.partitions.iter().map(|(number, _)| number));
            batch.reason = format!(
                "worker {url} let the others wait for {:.1} s",
                after.as_secs_f64()
            );
        }
    }

    /// Makes lost partitions again on the workers that are left; returns who holds them now.
    async fn recover(
        &self,
        lost: BTreeSet<u32>,
        holders: Vec<Url>,
        mut reason: String,
    ) -> Result<Vec<(Url, Holding)>, Failure> {
        let mut state = self.state.lock().await;
        self.members.probe(&holders).await;
        loop {
            state.recoveries += 1;
            if state.recoveries > MAX_RECOVERIES {
                return Err(lost_too_often());
            }
            let workers = self.members.active().await?;
            (self.tell)(format!(
                "{reason}: {} of {} partitions are made again on {} worker(s)",
                lost.len(),
                self.leaves.len(),
                workers.len()
            ));
            match self.rebuild(&mut state, &workers, &lost).await {
                Ok(()) => return Ok(self.holdings(&state, Some(&lost))),
                Err(failure) if is_recoverable(&failure) => {
                    let urls: Vec<Url> = workers.into_iter().map(|worker| worker.url).collect();
                    self.members.probe(&urls).await;
                    reason = failure.message;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Makes partitions on these workers, with their blocks if there are any.
    async fn rebuild(
        &self,
        state: &mut State,
        workers: &[WorkerInfo],
        numbers: &BTreeSet<u32>,
    ) -> Result<(), Failure> {
        let urls: Vec<Url> = workers.iter().map(|worker| worker.url.clone()).collect();
        let holders = state.owners.values().chain(&urls).cloned().collect();
        self.members.hold(holders);
        let deadline = self.members.config().ingest_deadline;
        let rebuilt = async {
            let engine = self.members.engine(workers).await?;
            let rebuilt = state
                .dataset
                .rebuild(&engine, &self.plan, numbers, deadline)
                .await;
            rebuilt.map_err(of_data)
        };
        self.members.with(&urls, rebuilt).await?;
        self.members
            .counters()
            .partitions_rebuilt
            .inc_by(numbers.len() as u64);
        state.owners = owners(&state.dataset)?;
        self.members.hold(state.owners.values().cloned().collect());
        let Some((task, spec)) = &state.blocks else {
            return Ok(());
        };
        let build = |(url, holding): (Url, Holding)| async move {
            let built = async {
                self.members
                    .channel(&url)?
                    .build_blocks(task, &holding, spec)
                    .await
            };
            self.members.with(std::slice::from_ref(&url), built).await
        };
        try_join_all(self.holdings(state, Some(numbers)).into_iter().map(build)).await?;
        Ok(())
    }

    /// Gives workers that joined their share, and takes everything from those that want to go.
    async fn rebalance(&self, state: &mut State) {
        if !state.rebalances {
            return;
        }
        let active = self.members.active_now();
        let urls: BTreeSet<Url> = active.iter().map(|worker| worker.url.clone()).collect();
        // What lost workers held is made again when it is asked for, which is told.
        let there = self.members.there();
        let owners = state.owners.iter().filter(|(_, owner)| there.contains(owner));
        let Some(step) = rebalance::step(owners, &urls) else {
            return;
        };
        let mut moved: BTreeMap<Url, Vec<u32>> = BTreeMap::new();
        for number in &step.partitions {
            moved
                .entry(state.owners[number].clone())
                .or_default()
                .push(*number);
        }
        let mut targets = active;
        targets.retain(|worker| step.targets.contains(&worker.url));
        match self.rebuild(state, &targets, &step.partitions).await {
            Ok(()) => {
                tracing::info!(
                    dataset = self.members.dataset(),
                    partitions = step.partitions.len(),
                    reason = step.reason,
                    "partitions moved"
                );
                self.members.release_partitions(moved.into_iter().collect()).await;
            }
            // Where they were they still are, or they will be found lost when they are asked for.
            Err(failure) => {
                tracing::warn!(%failure, reason = step.reason, "partitions could not be moved");
                state.rebalances = is_recoverable(&failure);
            }
        }
    }

    /// Who holds which partitions; of those in `only`, if that is given.
    fn holdings(&self, state: &State, only: Option<&BTreeSet<u32>>) -> Vec<(Url, Holding)> {
        let mut by_owner: BTreeMap<&Url, Vec<(u32, u32)>> = BTreeMap::new();
        for (number, url) in &state.owners {
            if only.is_none_or(|only| only.contains(number)) {
                let partitions = by_owner.entry(url).or_default();
                partitions.push((*number, self.leaves[number]));
            }
        }
        let holding = |(url, partitions): (&Url, _)| {
            let holding = Holding {
                dataset: state.dataset.id.clone(),
                leaf_count: self.leaves.len() as u32,
                partitions,
            };
            (url.clone(), holding)
        };
        by_owner.into_iter().map(holding).collect()
    }
}

/// The owners of a dataset's partitions as URLs: a round asks for them, and need not read them from text each time.
fn owners(dataset: &Dataset) -> Result<BTreeMap<u32, Url>, Failure> {
    let owner = |partition: &PartitionInfo| {
        let url = Url::parse(&partition.owner);
        let url = url.map_err(|e| internal(format!("owner {}: {e}", partition.owner)))?;
        Ok((partition.number, url))
    };
    dataset.partitions.iter().map(owner).collect()
}
