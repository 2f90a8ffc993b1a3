//! What nobody asks for: unloading idle models, following aliases, loading what did not load.

use std::sync::{Arc, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::endpoint::Endpoint;
use super::manager::{Author, Endpoints};
use super::promote;
use super::record::{Action, EndpointRecord};
use super::slot::SlotState;
use super::spec::Target;

/// Who moves an endpoint along with an alias, in its acts. The registry's journal says who moved the alias.
const FOLLOWER: &str = "alias";

impl Endpoints {
    /// Looks after the endpoints until it is told to stop.
    pub async fn tend(self: Arc<Self>, stop: CancellationToken) {
        let (mut looked, mut retried) = (Instant::now(), Instant::now());
        while stop
            .run_until_cancelled(tokio::time::sleep(self.bounds.tend))
            .await
            .is_some()
        {
            for endpoint in self.all() {
                if let Some(routing) = endpoint.routing() {
                    routing.unload_idle();
                }
            }
            if looked.elapsed() >= self.bounds.alias_check {
                self.follow_aliases().await;
                looked = Instant::now();
            }
            if retried.elapsed() >= self.bounds.retry {
                self.load_missing();
                retried = Instant::now();
            }
        }
    }

    /// Begins to load, in the background, what should be there and is not.
    pub(super) fn load_missing(&self) {
        for endpoint in self.all() {
            for slot in endpoint
                .routing()
                .map(|routing| routing.slots())
                .unwrap_or_default()
            {
                if matches!(slot.state(), SlotState::Recovering | SlotState::Failed(_)) {
                    let (source, within) = (Arc::clone(&self.source), self.bounds.load);
                    // The slot remembers why it could not be.
                    tokio::spawn(async move { slot.get(source.as_ref(), within).await.map(|_| ()) });
                }
            }
        }
    }

    async fn follow_aliases(self: &Arc<Self>) {
        for endpoint in self.all() {
            let record = endpoint.record();
            if record.pending.is_none() {
                self.follow(&endpoint, &record).await;
            }
        }
    }

    async fn follow(self: &Arc<Self>, endpoint: &Endpoint, record: &EndpointRecord) {
        let Some(active) = &record.active else { return };
        let (mut moves, mut told) = (Vec::new(), Vec::new());
        for entity in &active.entities {
            let Some(alias) = &entity.alias else { continue };
            match self
                .source
                .resolve(&entity.model, &Target::Alias(alias.clone()))
                .await
            {
                Ok(version) if version == entity.version => endpoint.is_followed(&entity.name),
                Ok(version) => {
                    moves.push((entity.name.clone(), version));
                    told.push(format!(
                        "{alias} of {} points at version {version}, was {}",
                        entity.model, entity.version
                    ));
                }
                Err(error) => endpoint.is_stuck(&entity.name, &error.message),
            }
        }
        if moves.is_empty() {
            return;
        }
        let by = Author {
            user: FOLLOWER.to_string(),
            reason: String::new(),
        };
        let names: Vec<String> = moves.iter().map(|(name, _)| name.clone()).collect();
        let seen = active.version;
        let decide = move |record: &mut EndpointRecord| promote::followed(record, seen, &moves);
        let moved = self
            .act(
                &record.name,
                Action::AliasMoved,
                by,
                Some(told.join("; ")),
                decide,
            )
            .await;
        for name in names {
            match &moved {
                Ok(_) => endpoint.is_followed(&name),
                // What answers goes on answering; it is tried again.
                Err(error) => endpoint.is_stuck(&name, &error.message),
            }
        }
    }
}

impl Endpoint {
    fn is_followed(&self, served: &str) {
        self.stuck
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(served);
    }

    fn is_stuck(&self, served: &str, why: &str) {
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        if stuck.get(served).is_none_or(|said| said != why) {
            tracing::warn!(
                endpoint = self.record().name,
                served,
                why,
                "an alias is not followed"
            );
            stuck.insert(served.to_string(), why.to_string());
        }
    }

    /// Why an entity does not follow its alias, if it doesn't.
    pub(super) fn stuck_because(&self, served: &str) -> Option<String> {
        self.stuck
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(served)
            .cloned()
    }
}
