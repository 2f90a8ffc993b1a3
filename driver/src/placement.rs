//! [`Placement`]: which worker holds which partitions of a dataset, and asking all of them at once. What is to be done when
//! workers are lost, lag, join or want to go is decided by [`Pass`]; here it is carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::try_join_all;
use futures::stream::FuturesUnordered;
use rookery_data::{Dataset, IngestPlan, PartitionInfo};
use rookery_ml::MlError;
use rookery_ml::tree::{Node, merge_nodes};
use rookery_proto::{ErrorClass, Failure};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::error::{internal, of_data, of_ml};
use crate::lag::TIMES;
use crate::materialize::Materialized;
use crate::members::{Members, is_recoverable};
use crate::pass::{Action, Numbers, Pass, Standing, Why};
use crate::reduction::Trees;
use crate::watching::{Trouble, watched};
use crate::worker_channel::{BlockSpec, Holding, Task, WorkerChannel};
use crate::workers::WorkerInfo;

mod rounds;

pub(crate) use rounds::Round;

/// The partitions of a dataset on the workers of a cluster.
pub(crate) struct Placement {
    members: Arc<Members>,
    plan: IngestPlan,
    /// The leaf of each partition.
    leaves: BTreeMap<u32, u32>,
    /// How long moving partitions may take, which hold the job up meanwhile.
    move_deadline: Duration,
    /// Which way the partials of rounds take.
    trees: Trees,
    state: Mutex<State>,
    tell: Box<dyn Fn(String) + Send + Sync>,
}

/// What was answered before the holders themselves were asked.
struct Early<T> {
    answers: Vec<T>,
    /// Who is still to be asked, and for what.
    rest: BTreeMap<Url, Holding>,
}

impl<T> Early<T> {
    /// Nothing was.
    fn nothing(rest: BTreeMap<Url, Holding>) -> Self {
        Self {
            answers: Vec::new(),
            rest,
        }
    }
}

struct State {
    dataset: Dataset,
    standing: Standing,
    /// Where blocks were made of the partitions, so that lost ones can be made again.
    blocks: Option<(Task, BlockSpec)>,
    /// What each holder was asked for last, and of which partitions it was made.
    holders: BTreeMap<Url, (Numbers, Holding)>,
}

impl Placement {
    /// The dataset as it was materialised by `plan`; `tell` hears of the workers that are lost.
    pub(crate) fn new(
        members: Arc<Members>,
        plan: &IngestPlan,
        made: &Materialized,
        tell: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let dataset = &made.dataset;
        let numbers = dataset.partitions.iter().map(|partition| partition.number);
        let standing = Standing::new(
            owners(dataset)?,
            made.slow.clone(),
            members.config().straggler_after,
        );
        let config = members.config();
        let move_deadline = made.alone.map_or(config.ingest_deadline, |alone| {
            (alone * TIMES + config.straggler_after).min(config.ingest_deadline)
        });
        Ok(Self {
            plan: plan.clone(),
            leaves: numbers.zip(0..).collect(),
            trees: Trees::new(config),
            move_deadline,
            state: Mutex::new(State {
                dataset: dataset.clone(),
                standing,
                blocks: None,
                holders: BTreeMap::new(),
            }),
            members,
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
        self.ask_rest(|holders| std::future::ready(Early::nothing(holders)), ask)
            .await
    }

    /// The same after `early` was asked, once, for what everybody holds.
    async fn ask_rest<T, E, F>(
        &self,
        early: impl FnOnce(BTreeMap<Url, Holding>) -> E,
        ask: impl Fn(WorkerChannel, Holding) -> F,
    ) -> Result<Vec<T>, Failure>
    where
        E: Future<Output = Early<T>>,
        F: Future<Output = Result<T, Failure>>,
    {
        let mut early = Some(early);
        let mut state = self.state.lock().await;
        let mut pass = Pass::new(Instant::now());
        let mut pending = FuturesUnordered::new();
        let mut answers = Vec::new();
        loop {
            match pass.next(&mut state.standing, &self.members.view(), Instant::now()) {
                Action::Ask(asked) => {
                    let urls: Vec<Url> = asked.keys().cloned().collect();
                    let holders = self.holders(&mut state, asked);
                    let early = match early.take() {
                        Some(early) => early(holders).await,
                        None => Early::nothing(holders),
                    };
                    answers.extend(early.answers);
                    for url in urls.iter().filter(|url| !early.rest.contains_key(url)) {
                        pass.answered(url);
                    }
                    for (url, holding) in early.rest {
                        pending.push(self.ask_one(&ask, url, holding));
                    }
                }
                Action::Wait { until } => {
                    let Some((url, answer)) = next_before(&mut pending, until).await else {
                        continue;
                    };
                    match answer {
                        Ok(answer) => {
                            answers.push(answer);
                            pass.answered(&url);
                        }
                        Err(failure) if is_recoverable(&failure) => pass.lost(&url, failure.message),
                        Err(failure) => return Err(failure),
                    }
                }
                Action::Probe(urls) => {
                    pending.clear();
                    self.members.probe(&urls).await;
                }
                Action::AwaitWorker => {
                    self.members.active().await?;
                }
                Action::Make { partitions, on, why } => {
                    let made = self.make(&mut state, &partitions, &on, &why).await;
                    pass.made(&mut state.standing, made);
                }
                Action::Release(moved) => {
                    let moved = moved.into_iter().map(|(url, numbers)| (url, numbers.to_vec()));
                    self.members.release_partitions(moved.collect()).await;
                }
                Action::Done => return Ok(answers),
                Action::Failed(failure) => return Err(failure),
            }
        }
    }

    async fn ask_one<T, F>(
        &self,
        ask: &impl Fn(WorkerChannel, Holding) -> F,
        url: Url,
        holding: Holding,
    ) -> (Url, Result<T, Failure>)
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let asked = async { ask(self.members.channel(&url)?, holding).await };
        let answer = self.members.with(std::slice::from_ref(&url), asked).await;
        (url, answer)
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

    /// Makes partitions again, and says so; returns who holds what then.
    async fn make(
        &self,
        state: &mut State,
        partitions: &BTreeSet<u32>,
        on: &BTreeSet<Url>,
        why: &Why,
    ) -> Result<BTreeMap<u32, Url>, Failure> {
        if let Why::Lost(reason) = why {
            (self.tell)(format!(
                "{reason}: {} of {} partitions are made again on {} worker(s)",
                partitions.len(),
                self.leaves.len(),
                on.len()
            ));
        }
        let mut workers = self.members.active_now();
        workers.retain(|worker| on.contains(&worker.url));
        let deadline = match why {
            Why::Lost(_) => self.members.config().ingest_deadline,
            Why::Moved(_) => self.move_deadline,
        };
        let made = match self.rebuild(state, &workers, partitions, deadline).await {
            Ok(made) => Ok(made),
            Err(trouble) => {
                let trouble = self.blame(trouble, on, why);
                // Others will make, or have, what these have begun.
                let begun = |url: &Url| (url.clone(), partitions.iter().copied().collect());
                let begun = trouble.slow.iter().map(begun).collect();
                self.members.release_partitions(begun).await;
                state.standing.note_slow(trouble.slow);
                Err(trouble.failure)
            }
        };
        if let Why::Moved(reason) = why {
            let dataset = self.members.dataset();
            match &made {
                Ok(_) => tracing::info!(dataset, partitions = partitions.len(), reason, "partitions moved"),
                Err(failure) => tracing::warn!(dataset, %failure, reason, "partitions could not be moved"),
            }
        }
        made
    }

    /// Those who do not come to an end with what was to be moved to them are slow, if there are others.
    fn blame(&self, trouble: Trouble, on: &BTreeSet<Url>, why: &Why) -> Trouble {
        let is_late = matches!(why, Why::Moved(_)) && trouble.failure.class == ErrorClass::TimedOut;
        if !is_late || self.members.view().active.is_subset(on) {
            return trouble;
        }
        let failure = Failure {
            class: ErrorClass::Unreachable,
            ..trouble.failure
        };
        Trouble {
            failure,
            slow: on.clone(),
        }
    }

    /// Makes partitions on these workers within `deadline`, with their blocks if there are any.
    async fn rebuild(
        &self,
        state: &mut State,
        workers: &[WorkerInfo],
        numbers: &BTreeSet<u32>,
        deadline: Duration,
    ) -> Result<BTreeMap<u32, Url>, Trouble> {
        let urls: Vec<Url> = workers.iter().map(|worker| worker.url.clone()).collect();
        let holders = state.standing.owners().values().chain(&urls).cloned().collect();
        self.members.hold(holders);
        let rebuilt = async {
            let engine = self.members.engine(workers).await?;
            let reading = async {
                let rebuilt = state.dataset.rebuild(&engine, &self.plan, numbers, deadline);
                rebuilt.await.map_err(of_data)
            };
            watched(&self.members, &urls, self.plan.shuffles(), reading).await
        };
        self.members.with(&urls, rebuilt).await?;
        self.members
            .counters()
            .partitions_rebuilt
            .inc_by(numbers.len() as u64);
        let owners = owners(&state.dataset)?;
        self.members.hold(owners.values().cloned().collect());
        let Some((task, spec)) = &state.blocks else {
            return Ok(owners);
        };
        let mut made: BTreeMap<&Url, Vec<u32>> = BTreeMap::new();
        for (number, url) in owners.iter().filter(|(number, _)| numbers.contains(number)) {
            made.entry(url).or_default().push(*number);
        }
        let dataset = &state.dataset.id;
        let build = |(url, numbers): (&Url, Vec<u32>)| {
            let (url, holding) = (url.clone(), self.holding(dataset, &numbers));
            async move {
                let built = async {
                    self.members
                        .channel(&url)?
                        .build_blocks(task, &holding, spec)
                        .await
                };
                self.members.with(std::slice::from_ref(&url), built).await
            }
        };
        try_join_all(made.into_iter().map(build)).await?;
        Ok(owners)
    }

    /// What is to be asked of each. It is the same from round to round, as a rule, and then not made again.
    fn holders(&self, state: &mut State, asked: BTreeMap<Url, Numbers>) -> BTreeMap<Url, Holding> {
        let mut holders = BTreeMap::new();
        for (url, numbers) in asked {
            let holding = match state.holders.get(&url) {
                Some((known, holding)) if Arc::ptr_eq(known, &numbers) => holding.clone(),
                _ => {
                    let holding = self.holding(&state.dataset.id, &numbers);
                    state.holders.insert(url.clone(), (numbers, holding.clone()));
                    holding
                }
            };
            holders.insert(url, holding);
        }
        holders
    }

    fn holding(&self, dataset: &str, numbers: &[u32]) -> Holding {
        let with_leaf = |number: &u32| (*number, self.leaves[number]);
        Holding {
            dataset: dataset.to_string(),
            leaf_count: self.leaves.len() as u32,
            partitions: numbers.iter().map(with_leaf).collect(),
        }
    }
}

/// The next of the pending that is there, if one is before `until`.
async fn next_before<F: Future>(
    pending: &mut FuturesUnordered<F>,
    until: Option<Instant>,
) -> Option<F::Output> {
    let Some(until) = until else {
        return pending.next().await;
    };
    tokio::select! {
        next = pending.next() => next,
        () = sleep_until(until) => None,
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
