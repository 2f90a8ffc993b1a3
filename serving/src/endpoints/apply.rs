//! How a configuration takes effect: its models are loaded, it is written down together with the act, and then, at once,
//! requests go by it. Whatever fails before that changes nothing.

use std::sync::{Arc, PoisonError};

use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::endpoint::Endpoint;
use super::error::EndpointError;
use super::manager::{Author, Endpoints, check_settled, to_the_end};
use super::record::{Act, Action, EndpointRecord, LastUpdate, Pending, shares};
use super::routing::Routing;
use super::slot::SlotState;
use super::stats::now_ms;

/// An act that happens now; `serving` is what is served from then on.
pub(super) fn act(
    record: &EndpointRecord,
    action: Action,
    by: Author,
    serving: Option<&Config>,
    detail: Option<String>,
) -> Act {
    let active = record.active.as_ref().map(|active| active.version);
    Act {
        timestamp_ms: now_ms(),
        endpoint: record.name.clone(),
        endpoint_id: record.id.clone(),
        action,
        user: by.user,
        reason: by.reason,
        from: active,
        to: serving.map(|config| config.version),
        serving: serving.map(shares).unwrap_or_default(),
        detail,
    }
}

impl Endpoints {
    /// Begins to apply a configuration in the background.
    pub(super) fn begin(self: &Arc<Self>, endpoint: &Arc<Endpoint>, pending: Pending) {
        let taken_back = CancellationToken::new();
        let mut known = endpoint.take_back.lock().unwrap_or_else(PoisonError::into_inner);
        *known = taken_back.clone();
        drop(known);
        let (this, endpoint) = (Arc::clone(self), Arc::clone(endpoint));
        tokio::spawn(async move { this.apply(&endpoint, pending, &taken_back).await });
    }

    async fn apply(&self, endpoint: &Endpoint, pending: Pending, taken_back: &CancellationToken) {
        let before = endpoint.routing();
        let routing = Routing::new(
            pending.config.clone(),
            before.as_deref(),
            &endpoint.stats,
            &SlotState::Creating,
        );
        let routing = Arc::new(routing);
        endpoint.next.store(Some(Arc::clone(&routing)));
        let Some(loaded) = taken_back.run_until_cancelled(self.load_all(&routing)).await else {
            return;
        };
        let _acts = endpoint.acts.lock().await;
        let mut record = (*endpoint.record()).clone();
        // It may have been taken back, or deleted, while this waited for its turn.
        let is_wanted = record.pending.as_ref() == Some(&pending);
        if !is_wanted || endpoint.check_there().is_err() {
            return;
        }
        let by = Author {
            user: pending.user,
            reason: pending.reason,
        };
        let (act, failure) = match loaded {
            Ok(()) => {
                let act = act(&record, pending.action, by, Some(&pending.config), None);
                record.activate(pending.config.clone(), act.timestamp_ms);
                (act, None)
            }
            Err(error) => {
                let detail = Some(error.message.clone());
                let act = act(&record, Action::UpdateFailed, by, record.active.as_ref(), detail);
                fail(&mut record, pending.config.clone(), error.message.clone());
                (act, Some(error))
            }
        };
        let kept = self.store.keep(&record, Some(&act)).await;
        match (kept, failure) {
            (Ok(()), None) => {
                tell(&act);
                endpoint.put(record, Some(routing));
            }
            (Ok(()), Some(error)) => {
                tracing::warn!(endpoint = act.endpoint, %error, "a configuration did not take effect");
                endpoint.put(record, None);
            }
            (Err(error), _) => {
                // The next driver tries again: the pending configuration is what is on the disk.
                tracing::error!(endpoint = act.endpoint, %error, "a configuration did not take effect");
                let mut unchanged = (*endpoint.record()).clone();
                fail(&mut unchanged, pending.config, error.to_string());
                endpoint.put(unchanged, None);
            }
        }
        endpoint.next.store(None);
    }

    /// Loads what a routing needs and does not have.
    async fn load_all(&self, routing: &Routing) -> Result<(), EndpointError> {
        let slots = routing.slots();
        let loads = slots
            .iter()
            .map(|slot| slot.get(self.source.as_ref(), self.bounds.load));
        try_join_all(loads).await.map(|_| ())
    }

    /// Takes the pending configuration back; `false` if there is none any more.
    pub(super) async fn take_back(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        by: &Author,
    ) -> Result<bool, EndpointError> {
        let (this, endpoint, by) = (Arc::clone(self), Arc::clone(endpoint), by.clone());
        to_the_end(async move {
            let _acts = endpoint.acts.lock().await;
            endpoint.check_there()?;
            let mut record = (*endpoint.record()).clone();
            let Some(pending) = record.pending.take() else {
                return Ok(false);
            };
            record.last_update = LastUpdate::Canceled;
            record.updated_ms = now_ms();
            let detail = Some(format!("configuration {} was taken back", pending.config.version));
            let act = act(
                &record,
                Action::UpdateCanceled,
                by,
                record.active.as_ref(),
                detail,
            );
            this.store.keep(&record, Some(&act)).await?;
            endpoint
                .take_back
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .cancel();
            endpoint.next.store(None);
            tell(&act);
            endpoint.put(record, None);
            Ok(true)
        })
        .await
    }

    /// Replaces the configuration by the one that `decide` makes, as one act. Returns when it has taken effect.
    pub(super) async fn act(
        self: &Arc<Self>,
        name: &str,
        action: Action,
        by: Author,
        detail: Option<String>,
        decide: impl FnOnce(&mut EndpointRecord) -> Result<Config, EndpointError> + Send + 'static,
    ) -> Result<Arc<Endpoint>, EndpointError> {
        let endpoint = self.get(name)?;
        let this = Arc::clone(self);
        to_the_end(async move {
            let _acts = endpoint.acts.lock().await;
            endpoint.check_there()?;
            let mut record = (*endpoint.record()).clone();
            check_settled(&record)?;
            let config = decide(&mut record)?;
            let before = endpoint.routing();
            let routing = Routing::new(
                config.clone(),
                before.as_deref(),
                &endpoint.stats,
                &SlotState::Creating,
            );
            this.load_all(&routing).await?;
            let act = act(&record, action, by, Some(&config), detail);
            record.activate(config, act.timestamp_ms);
            this.store.keep(&record, Some(&act)).await?;
            tell(&act);
            endpoint.put(record, Some(Arc::new(routing)));
            Ok(Arc::clone(&endpoint))
        })
        .await
    }
}

fn fail(record: &mut EndpointRecord, config: Config, message: String) {
    record.pending = None;
    record.last_update = LastUpdate::Failed { config, message };
    record.updated_ms = now_ms();
}

fn tell(act: &Act) {
    tracing::info!(
        endpoint = act.endpoint,
        action = act.action.as_str(),
        from = act.from,
        to = act.to,
        user = act.user,
        reason = act.reason,
        detail = act.detail,
        "an endpoint was changed"
    );
}
