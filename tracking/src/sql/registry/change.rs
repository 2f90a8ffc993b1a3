//! [`Change`]: what every write of the registry has at hand.

use std::sync::Arc;

use crate::entities::Actor;
use crate::sql::SqlStore;
use crate::sql::fault::Sql;
use crate::sql::session::Session;
use crate::store::Result;
use crate::validate::registry as check;

/// One change while it is being made.
pub(super) struct Change<'a> {
    pub(super) session: &'a dyn Session,
    pub(super) now_ms: i64,
    pub(super) by: &'a Actor,
}

impl SqlStore {
    /// The time is taken when the change has its turn, so that the journal's times go up as its numbers do.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        action: &'static str,
        by: &Actor,
        work: impl FnOnce(&Change<'_>) -> Sql<T> + Send + 'static,
    ) -> Result<T> {
        check::actor(by)?;
        let (environment, by) = (Arc::clone(&self.environment), by.clone());
        let work = move |session: &dyn Session| {
            work(&Change {
                session,
                now_ms: environment.now_ms(),
                by: &by,
            })
        };
        self.pool.write(action, work).await
    }
}
