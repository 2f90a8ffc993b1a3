//! [`Slot`]: the place of one version in memory. It is empty until the model is loaded, and again when nobody asks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use super::error::{EndpointError, Kind};
use super::ports::{LoadedModel, ModelSource};
use super::stats::now_ms;

/// The most lines of a slot's log.
const MAX_LINES: usize = 200;

/// A version's place in memory.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) model: String,
    pub(super) version: u32,
    loaded: ArcSwapOption<LoadedModel>,
    state: Mutex<SlotState>,
    /// Held by whoever loads the model, so that it is loaded once.
    loading: tokio::sync::Mutex<()>,
    born: Instant,
    /// When somebody last asked, in milliseconds since `born`.
    used_ms: AtomicU64,
    log: Mutex<VecDeque<String>>,
}

/// What a slot is up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SlotState {
    /// It was never loaded.
    Creating,
    /// It was loaded by a driver that has ended, and is loaded again.
    Recovering,
    /// It answers.
    Ready,
    /// Nobody asked for so long that it was unloaded; it is loaded by the next request.
    Zero,
    /// It could not be loaded.
    Failed(EndpointError),
}

impl Slot {
    /// An empty place.
    pub(super) fn new(model: &str, version: u32, state: SlotState) -> Self {
        Self {
            model: model.to_string(),
            version,
            loaded: ArcSwapOption::empty(),
            state: Mutex::new(state),
            loading: tokio::sync::Mutex::new(()),
            born: Instant::now(),
            used_ms: AtomicU64::new(0),
            log: Mutex::default(),
        }
    }

    /// The model, loaded if it is not there.
    ///
    /// # Errors
    /// It can't be loaded, or not in time.
    pub(super) async fn get(
        &self,
        source: &dyn ModelSource,
        within: Duration,
    ) -> Result<Arc<LoadedModel>, EndpointError> {
        self.touch();
        if let Some(model) = self.loaded() {
            return Ok(model);
        }
        match tokio::time::timeout(within, self.load(source)).await {
            Ok(result) => result,
            Err(_) => {
                let what = self.what();
                let error = EndpointError::unavailable(format!("{what} was not loaded within {within:?}"));
                self.failed(error.clone());
                Err(error)
            }
        }
    }

    async fn load(&self, source: &dyn ModelSource) -> Result<Arc<LoadedModel>, EndpointError> {
        let _loading = self.loading.lock().await;
        if let Some(model) = self.loaded() {
            return Ok(model);
        }
        let began = Instant::now();
        match source.load(&self.model, self.version).await {
            Ok(model) => {
                let (model, took) = (Arc::new(model), began.elapsed());
                self.loaded.store(Some(Arc::clone(&model)));
                self.set_state(SlotState::Ready);
                self.note(&format!("loaded {} bytes in {took:?}", model.bytes));
                tracing::info!(
                    model = self.model,
                    version = self.version,
                    ?took,
                    "a model was loaded"
                );
                Ok(model)
            }
            Err(error) => {
                self.failed(error.clone());
                Err(error)
            }
        }
    }

    fn failed(&self, error: EndpointError) {
        let previous = self.set_state(SlotState::Failed(error.clone()));
        // Tried again and again: once is enough to say it.
        if previous != SlotState::Failed(error.clone()) {
            self.note(&format!("not loaded: {error}"));
            tracing::warn!(model = self.model, version = self.version, %error, "a model was not loaded");
        }
    }

    /// The model, if it is loaded.
    pub(super) fn loaded(&self) -> Option<Arc<LoadedModel>> {
        self.loaded.load_full()
    }

    /// What it is up to.
    pub(super) fn state(&self) -> SlotState {
        // Whoever unloads it and whoever loads it again may note it in either order.
        if self.loaded.load().is_some() {
            return SlotState::Ready;
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Somebody asks for it now.
    pub(super) fn touch(&self) {
        let ms = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used_ms.fetch_max(ms, Ordering::Relaxed);
    }

    /// How long nobody has asked for it.
    pub(super) fn idle_for(&self) -> Duration {
        let used = Duration::from_millis(self.used_ms.load(Ordering::Relaxed));
        self.born.elapsed().saturating_sub(used)
    }

    /// Unloads the model. Requests that have it end with it.
    pub(super) fn unload(&self) {
        if self.loaded.swap(None).is_some() {
            self.set_state(SlotState::Zero);
            let idle = self.idle_for();
            self.note(&format!("unloaded: no request for {idle:?}"));
            tracing::info!(
                model = self.model,
                version = self.version,
                ?idle,
                "an idle model was unloaded"
            );
        }
    }

    /// What has happened here, a line each.
    pub(super) fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().map(|line| format!("{line}\n")).collect()
    }

    fn what(&self) -> String {
        format!("version {} of {}", self.version, self.model)
    }

    fn note(&self, line: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == MAX_LINES {
            log.pop_front();
        }
        log.push_back(format!("{} {}: {line}", now_ms(), self.what()));
    }

    fn set_state(&self, state: SlotState) -> SlotState {
        let mut known = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut known, state)
    }
}

impl SlotState {
    /// Whether a request would be answered.
    pub(super) fn answers(&self) -> bool {
        matches!(self, SlotState::Ready | SlotState::Zero)
    }

    /// Databricks' word for it.
    pub(super) fn deployment(&self) -> &'static str {
        match self {
            SlotState::Creating => "DEPLOYMENT_CREATING",
            SlotState::Recovering => "DEPLOYMENT_RECOVERING",
            SlotState::Ready | SlotState::Zero => "DEPLOYMENT_READY",
            SlotState::Failed(_) => "DEPLOYMENT_FAILED",
        }
    }

    /// What there is to say of it.
    pub(super) fn message(&self) -> String {
        match self {
            SlotState::Creating => "The model is being loaded".to_string(),
            SlotState::Recovering => {
                "The driver was started anew: the model is being loaded again".to_string()
            }
            SlotState::Ready => String::new(),
            SlotState::Zero => "Scaled to zero".to_string(),
            SlotState::Failed(error) => error.message.clone(),
        }
    }
}

/// What a request is told when the model that should answer it can't be loaded: whatever the reason, the request is not
/// to blame.
pub(super) fn not_to_blame(error: EndpointError) -> EndpointError {
    match error.kind {
        Kind::NotFound | Kind::Invalid | Kind::Conflict => EndpointError::unavailable(error.message),
        _ => error,
    }
}
