//! A registry, a store and models that do what a test says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rookery_ml::InputColumn;
use tokio::sync::watch;

use crate::endpoints::{
    Act, Author, Bounds, EndpointError, EndpointRecord, EndpointStore, Endpoints, EntitySpec, Invocation,
    Invoked, LoadedModel, ModelSource, Score, Spec, StoreError, Target, WorkloadSize,
};
use crate::{Answer, Refusal, ScoringRequest};

/// The model of every test: version N predicts N, but for those that a test changes.
pub(super) const MODEL: &str = "Pronosticador de pingüinos";

/// What lets models go on that wait in the middle of a score.
#[derive(Debug, Default)]
pub(super) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(super) fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_open = self.is_open.lock().unwrap();
        let _open = self.opened.wait_while(is_open, |is_open| !*is_open).unwrap();
    }
}

#[derive(Debug)]
struct FakeModel {
    prediction: f64,
    gate: Option<Arc<Gate>>,
}

impl Score for FakeModel {
    fn answer(&self, request: &ScoringRequest<'_>) -> Result<Answer, Refusal> {
        if request.body == b"wrong" {
            return Err(Refusal::new(400, "BAD_REQUEST", "no rows"));
        }
        if let Some(gate) = &self.gate {
            gate.pass();
        }
        Ok(Answer {
            content_type: "application/json",
            body: Bytes::from(self.prediction.to_string()),
            predictions: vec![Some(self.prediction)],
            unseen: 1,
        })
    }

    fn inputs(&self) -> &[InputColumn] {
        &[]
    }
}

#[derive(Debug)]
pub(super) struct FakeSource {
    pub(super) aliases: Mutex<BTreeMap<String, u32>>,
    pub(super) gone: Mutex<Vec<u32>>,
    pub(super) gate: Mutex<Option<Arc<Gate>>>,
    pub(super) loads: AtomicUsize,
    /// Loading waits until this is true.
    pub(super) lets_load: watch::Sender<bool>,
}

#[async_trait]
impl ModelSource for FakeSource {
    async fn resolve(&self, _model: &str, target: &Target) -> Result<u32, EndpointError> {
        match target {
            Target::Version(version) if *version < 100 => Ok(*version),
            Target::Version(version) => Err(EndpointError::not_found(format!("no version {version}"))),
            Target::Alias(alias) => {
                let found = self.aliases.lock().unwrap().get(alias).copied();
                found.ok_or_else(|| EndpointError::not_found(format!("no alias {alias}")))
            }
        }
    }

    async fn load(&self, _model: &str, version: u32) -> Result<LoadedModel, EndpointError> {
        let mut may = self.lets_load.subscribe();
        may.wait_for(|may| *may).await.unwrap();
        self.loads.fetch_add(1, Ordering::SeqCst);
        if self.gone.lock().unwrap().contains(&version) {
            return Err(EndpointError::not_found(format!("version {version} is gone")));
        }
        let gate = self.gate.lock().unwrap().clone();
        let prediction = f64::from(version);
        Ok(LoadedModel {
            scorer: Arc::new(FakeModel { prediction, gate }),
            bytes: 10,
        })
    }
}

/// What one driver has of the store: a driver that was killed has it no more.
#[derive(Debug, Default)]
pub(super) struct MemoryStore {
    kept: Arc<Kept>,
    pub(super) is_full: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    records: Mutex<BTreeMap<String, EndpointRecord>>,
    acts: Mutex<Vec<Act>>,
}

#[async_trait]
impl EndpointStore for MemoryStore {
    async fn load(&self) -> Result<Vec<EndpointRecord>, StoreError> {
        Ok(self.kept.records.lock().unwrap().values().cloned().collect())
    }

    async fn keep(&self, record: &EndpointRecord, act: Option<&Act>) -> Result<(), StoreError> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(StoreError("the disk is full".to_string()));
        }
        self.kept
            .records
            .lock()
            .unwrap()
            .insert(record.name.clone(), record.clone());
        self.kept.acts.lock().unwrap().extend(act.cloned());
        Ok(())
    }

    async fn forget(&self, name: &str, act: &Act) -> Result<(), StoreError> {
        self.kept.records.lock().unwrap().remove(name);
        self.kept.acts.lock().unwrap().push(act.clone());
        Ok(())
    }

    async fn acts(&self, endpoint: &str, most: usize) -> Result<Vec<Act>, StoreError> {
        let acts = self.kept.acts.lock().unwrap();
        Ok(acts
            .iter()
            .rev()
            .filter(|act| act.endpoint == endpoint)
            .take(most)
            .cloned()
            .collect())
    }
}

/// Endpoints and what they stand on.
pub(super) struct World {
    pub(super) source: Arc<FakeSource>,
    pub(super) store: Arc<MemoryStore>,
    pub(super) endpoints: Arc<Endpoints>,
}

/// Nothing is waited for longer than a test can bear.
const BOUNDS: Bounds = Bounds {
    turn_wait: Duration::from_secs(60),
    load: Duration::from_secs(60),
    answer: Duration::from_millis(100),
    alias_check: Duration::from_millis(10),
    tend: Duration::from_millis(5),
    retry: Duration::from_millis(20),
};

impl World {
    pub(super) async fn new() -> Self {
        let source = Arc::new(FakeSource {
            aliases: Mutex::default(),
            gone: Mutex::default(),
            gate: Mutex::default(),
            loads: AtomicUsize::new(0),
            lets_load: watch::Sender::new(true),
        });
        Self::on(source, Arc::default()).await
    }

    async fn on(source: Arc<FakeSource>, store: Arc<MemoryStore>) -> Self {
        let (models, kept) = (Arc::clone(&source), Arc::clone(&store));
        let endpoints = Endpoints::open(kept, models, BOUNDS).await.unwrap();
        Self {
            source,
            store,
            endpoints,
        }
    }

    /// The same after the driver was killed and started again.
    pub(super) async fn restarted(self) -> Self {
        self.store.is_full.store(true, Ordering::SeqCst);
        let store = MemoryStore {
            kept: Arc::clone(&self.store.kept),
            is_full: AtomicBool::new(false),
        };
        Self::on(self.source, Arc::new(store)).await
    }

    pub(super) async fn create(&self, name: &str, spec: Spec) {
        self.endpoints
            .create(name, spec, BTreeMap::new(), by("ada"))
            .await
            .unwrap();
        assert_eq!(self.endpoints.get(name).unwrap().config_update(), "NOT_UPDATING");
    }

    pub(super) async fn ask(&self, name: &str) -> Result<Invoked, EndpointError> {
        self.endpoints.invoke(name, None, request("rows")).await
    }

    /// The version that answers.
    pub(super) async fn version(&self, name: &str) -> u32 {
        let invoked = self.ask(name).await.unwrap();
        let answer = invoked.result.unwrap();
        assert_eq!(answer.predictions, [Some(f64::from(invoked.version))]);
        invoked.version
    }

    /// The actions of an endpoint, oldest first.
    pub(super) async fn actions(&self, name: &str) -> Vec<&'static str> {
        let acts = self.endpoints.acts(name, 100).await.unwrap();
        acts.iter().rev().map(|act| act.action.as_str()).collect()
    }
}

pub(super) fn request(body: &str) -> Invocation {
    Invocation {
        body: Bytes::from(body.to_string()),
        ..Invocation::default()
    }
}

pub(super) fn by(user: &str) -> Author {
    Author {
        user: user.to_string(),
        reason: "because".to_string(),
    }
}

pub(super) fn entity(name: &str, target: Target) -> EntitySpec {
    EntitySpec {
        name: Some(name.to_string()),
        model: MODEL.to_string(),
        target,
        shadow: false,
        size: WorkloadSize::Small,
        idle: None,
    }
}

/// Versions with their names and percentages.
pub(super) fn split(shares: &[(&str, u32, i64)]) -> Spec {
    let entities = shares
        .iter()
        .map(|(name, version, _)| entity(name, Target::Version(*version)));
    let routes = shares
        .iter()
        .map(|(name, _, percent)| ((*name).to_string(), *percent));
    Spec {
        entities: entities.collect(),
        routes: Some(routes.collect()),
    }
}

/// One version that gets everything.
pub(super) fn only(version: u32) -> Spec {
    split(&[("a", version, 100)])
}

/// Waits until something is so.
pub(super) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waited)
        .await
        .expect(what);
}
