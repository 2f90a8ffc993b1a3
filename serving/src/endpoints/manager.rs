//! [`Endpoints`]: all endpoints of a driver, and what is done to them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::try_join_all;
use tokio::sync::Semaphore;

use super::bounds::Bounds;
use super::config::{Config, ServedEntity};
use super::endpoint::{Endpoint, no_endpoint};
use super::error::{EndpointError, Kind};
use super::name;
use super::ports::{EndpointStore, ModelSource, StoreError};
use super::promote;
use super::record::{Act, Action, EndpointRecord, LastUpdate, Pending};
use super::routing::Routing;
use super::shadow;
use super::slot::SlotState;
use super::spec::{Planned, Spec};
use super::stats::now_ms;

/// The most tags of an endpoint, and the most characters of a key and of a value.
const MAX_TAGS: usize = 64;
const MAX_KEY_CHARS: usize = 128;
const MAX_VALUE_CHARS: usize = 1000;

/// All endpoints of a driver.
#[derive(Debug)]
pub struct Endpoints {
    map: RwLock<BTreeMap<String, Arc<Endpoint>>>,
    /// Held by whoever makes or deletes one.
    naming: tokio::sync::Mutex<()>,
    pub(super) store: Arc<dyn EndpointStore>,
    pub(super) source: Arc<dyn ModelSource>,
    pub(super) bounds: Bounds,
    /// What copies for shadows may take together.
    pub(super) shadow_room: Arc<Semaphore>,
}

/// Who does something, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Author {
    /// May be empty.
    pub user: String,
    /// May be empty.
    pub reason: String,
}

impl Endpoints {
    /// The endpoints that `store` keeps. Their models are loaded in the background; requests that come before wait.
    ///
    /// # Errors
    /// They can't be read.
    pub async fn open(
        store: Arc<dyn EndpointStore>,
        source: Arc<dyn ModelSource>,
        bounds: Bounds,
    ) -> Result<Arc<Self>, StoreError> {
        let records = store.load().await?;
        let endpoints = Arc::new(Self {
            map: RwLock::default(),
            naming: tokio::sync::Mutex::default(),
            store,
            source,
            bounds,
            shadow_room: Arc::new(Semaphore::new(shadow::ROOM_KIB)),
        });
        for record in records {
            let endpoint = Arc::new(Endpoint::new(record.clone()));
            if let Some(active) = record.active.clone() {
                let routing = Routing::new(active, None, &endpoint.stats, &SlotState::Recovering);
                endpoint.put(record.clone(), Some(Arc::new(routing)));
            }
            endpoints.insert(&record.name, &endpoint);
            if let Some(pending) = record.pending {
                endpoints.begin(&endpoint, pending);
            }
        }
        endpoints.load_missing();
        Ok(endpoints)
    }

    /// Every endpoint, by name.
    pub fn all(&self) -> Vec<Arc<Endpoint>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.values().cloned().collect()
    }

    /// The endpoint of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, name: &str) -> Result<Arc<Endpoint>, EndpointError> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(name).cloned().ok_or_else(|| no_endpoint(name))
    }

    fn insert(&self, name: &str, endpoint: &Arc<Endpoint>) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.insert(name.to_string(), Arc::clone(endpoint));
    }

    /// Makes an endpoint. Returns when its configuration has taken effect, has failed to, or takes longer than
    /// [`Bounds::answer`].
    ///
    /// # Errors
    /// The name is taken; the name or the configuration breaks a rule; a version is not there.
    pub async fn create(
        self: &Arc<Self>,
        name: &str,
        spec: Spec,
        tags: BTreeMap<String, String>,
        by: Author,
    ) -> Result<Arc<Endpoint>, EndpointError> {
        name::check("endpoint", name)?;
        check_tags(&tags)?;
        let planned = spec.plan()?;
        if self.get(name).is_ok() {
            return Err(taken(name));
        }
        let entities = self.resolve(planned).await?;
        let (this, name) = (Arc::clone(self), name.to_string());
        let endpoint = to_the_end(async move {
            let _naming = this.naming.lock().await;
            if this.get(&name).is_ok() {
                return Err(taken(&name));
            }
            let now_ms = now_ms();
            let config = Config {
                version: 1,
                entities,
                previous: None,
            };
            let pending = pending(config, Action::Created, by.clone());
            let record = EndpointRecord {
                id: uuid::Uuid::new_v4().simple().to_string(),
                name: name.clone(),
                creator: by.user,
                created_ms: now_ms,
                updated_ms: now_ms,
                tags,
                active: None,
                pending: Some(pending.clone()),
                last_update: LastUpdate::Done,
                next_config: 2,
                history: Vec::new(),
            };
            this.store.keep(&record, None).await?;
            let endpoint = Arc::new(Endpoint::new(record));
            this.insert(&name, &endpoint);
            this.begin(&endpoint, pending);
            Ok(endpoint)
        })
        .await?;
        self.wait(&endpoint).await;
        Ok(endpoint)
    }

    /// Gives an endpoint another configuration; returns as [`create`](Self::create) does.
    ///
    /// # Errors
    /// There is no such endpoint; another change is under way; as for `create`.
    pub async fn update(
        self: &Arc<Self>,
        name: &str,
        spec: Spec,
        by: Author,
    ) -> Result<Arc<Endpoint>, EndpointError> {
        let endpoint = self.get(name)?;
        let entities = self.resolve(spec.plan()?).await?;
        let (this, changed) = (Arc::clone(self), Arc::clone(&endpoint));
        to_the_end(async move {
            let _acts = changed.acts.lock().await;
            changed.check_there()?;
            let mut record = (*changed.record()).clone();
            check_settled(&record)?;
            let config = Config {
                version: record.take_number(),
                entities,
                previous: record.active.as_ref().map(|active| active.version),
            };
            let pending = pending(config, Action::Updated, by);
            record.pending = Some(pending.clone());
            this.store.keep(&record, None).await?;
            changed.put(record, None);
            this.begin(&changed, pending);
            Ok(())
        })
        .await?;
        self.wait(&endpoint).await;
        Ok(endpoint)
    }

    /// Gives all of an endpoint's traffic to one of its entities; without a name, to the only one that it can be.
    ///
    /// # Errors
    /// There is no such endpoint or entity; another change is under way; the model can't be loaded. Then nothing changes.
    pub async fn promote(
        self: &Arc<Self>,
        name: &str,
        served: Option<String>,
        by: Author,
    ) -> Result<Arc<Endpoint>, EndpointError> {
        let decide = move |record: &mut EndpointRecord| promote::promoted(record, served.as_deref());
        self.act(name, Action::Promoted, by, None, decide).await
    }

    /// Goes back to the configuration before, or to the one of that number. While a change is under way, that is taken
    /// back instead.
    ///
    /// # Errors
    /// There is nothing to go back to; as for [`promote`](Self::promote).
    pub async fn roll_back(
        self: &Arc<Self>,
        name: &str,
        to: Option<u32>,
        by: Author,
    ) -> Result<Arc<Endpoint>, EndpointError> {
        let endpoint = self.get(name)?;
        if to.is_none() && endpoint.record().pending.is_some() && self.take_back(&endpoint, &by).await? {
            return Ok(endpoint);
        }
        let decide = move |record: &mut EndpointRecord| promote::rolled_back(record, to);
        self.act(name, Action::RolledBack, by, None, decide).await
    }

    /// Sets and removes tags; returns those there are now.
    ///
    /// # Errors
    /// There is no such endpoint; there would be too many tags, or too long ones.
    pub async fn tag(
        self: &Arc<Self>,
        name: &str,
        set: BTreeMap<String, String>,
        remove: Vec<String>,
        by: Author,
    ) -> Result<Arc<Endpoint>, EndpointError> {
        let endpoint = self.get(name)?;
        let this = Arc::clone(self);
        to_the_end(async move {
            let _acts = endpoint.acts.lock().await;
            endpoint.check_there()?;
            let mut record = (*endpoint.record()).clone();
            record.tags.retain(|key, _| !remove.contains(key));
            record.tags.extend(set);
            check_tags(&record.tags)?;
            record.updated_ms = now_ms();
            let act = super::apply::act(&record, Action::Tagged, by, record.active.as_ref(), None);
            this.store.keep(&record, Some(&act)).await?;
            endpoint.put(record, None);
            Ok(Arc::clone(&endpoint))
        })
        .await
    }

    /// Deletes an endpoint. Requests that it has got are answered.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn delete(self: &Arc<Self>, name: &str, by: Author) -> Result<(), EndpointError> {
        let (this, name) = (Arc::clone(self), name.to_string());
        to_the_end(async move {
            let _naming = this.naming.lock().await;
            let endpoint = this.get(&name)?;
            let _acts = endpoint.acts.lock().await;
            let record = endpoint.record();
            let mut act = super::apply::act(&record, Action::Deleted, by, None, None);
            act.from = record.active.as_ref().map(|active| active.version);
            this.store.forget(&name, &act).await?;
            this.map
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&name);
            endpoint.set_deleted();
            tracing::info!(endpoint = name, user = act.user, "an endpoint was deleted");
            Ok(())
        })
        .await
    }

    /// The newest acts of the endpoints that had this name, newest first.
    ///
    /// # Errors
    /// There never was one; they can't be read.
    pub async fn acts(&self, name: &str, most: usize) -> Result<Vec<Act>, EndpointError> {
        let acts = self.store.acts(name, most).await?;
        match acts.is_empty() {
            true => self.get(name).map(|_| acts),
            false => Ok(acts),
        }
    }

    /// When the last request came to any endpoint, in milliseconds since the Unix epoch.
    pub fn last_request_ms(&self) -> Option<i64> {
        self.all()
            .iter()
            .filter_map(|endpoint| endpoint.last_request_ms())
            .max()
    }

    /// Finds the versions that are meant.
    async fn resolve(&self, planned: Vec<Planned>) -> Result<Vec<ServedEntity>, EndpointError> {
        let found = planned.into_iter().map(|planned| async {
            let version = self
                .source
                .resolve(&planned.spec.model, &planned.spec.target)
                .await?;
            Ok(planned.at(version))
        });
        try_join_all(found).await
    }

    async fn wait(&self, endpoint: &Endpoint) {
        // What takes longer goes on behind the answer, which says so.
        let _ = tokio::time::timeout(self.bounds.answer, endpoint.settled()).await;
    }
}

/// Carries something out that must not stop half way, even when the client that asked for it goes away.
pub(super) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, EndpointError>> + Send + 'static,
) -> Result<T, EndpointError> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(error) => {
            tracing::error!(%error, "a change of an endpoint ended early");
            Err(EndpointError::new(
                Kind::Internal,
                "the change was not carried out; the log says why",
            ))
        }
    }
}

pub(super) fn check_settled(record: &EndpointRecord) -> Result<(), EndpointError> {
    match &record.pending {
        None => Ok(()),
        Some(pending) => Err(EndpointError::conflict(format!(
            "Endpoint '{}' is being updated to configuration {}: wait until state.config_update is NOT_UPDATING, or roll \
             it back",
            record.name, pending.config.version
        ))),
    }
}

fn pending(config: Config, action: Action, by: Author) -> Pending {
    Pending {
        config,
        action,
        user: by.user,
        reason: by.reason,
        since_ms: now_ms(),
    }
}

fn taken(name: &str) -> EndpointError {
    EndpointError::new(
        Kind::Exists,
        format!("Endpoint with name '{name}' already exists"),
    )
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), EndpointError> {
    let invalid = |message: String| Err(EndpointError::invalid(message));
    if tags.len() > MAX_TAGS {
        return invalid(format!(
            "an endpoint has at most {MAX_TAGS} tags, not {}",
            tags.len()
        ));
    }
    for (key, value) in tags {
        let (key_chars, value_chars) = (key.chars().count(), value.chars().count());
        if key_chars == 0 || key_chars > MAX_KEY_CHARS || value_chars > MAX_VALUE_CHARS {
            return invalid(format!(
                "tag {key:?}: expected a key of 1 to {MAX_KEY_CHARS} characters and a value of at most {MAX_VALUE_CHARS}"
            ));
        }
    }
    Ok(())
}
