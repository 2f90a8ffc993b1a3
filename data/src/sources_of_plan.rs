//! The files of an [`IngestPlan`] as others need them: the engine's sessions, the workers, the driver's port.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Result;
use crate::plan::IngestPlan;
use crate::stores::{AnnouncedStore, Announcement, Announcer, Identity, SourceFile};

impl IngestPlan {
    /// The files of all sources, ascending by number.
    pub fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.sources.iter().flat_map(|source| &source.files)
    }

    /// What workers must be told before they read for `dataset`, with the credentials of this moment.
    ///
    /// # Errors
    /// A store's credentials can't be had.
    pub async fn announcement(&self, dataset: &str) -> Result<Announcement> {
        let mut announcer = Announcer::default();
        for file in self.files() {
            announcer.add(file).await?;
        }
        Ok(announcer.finish(dataset))
    }

    /// The files that are on this machine's disk, by number.
    pub fn local_files(&self) -> Vec<(usize, PathBuf, Identity)> {
        let on_disk = |file: &SourceFile| {
            let path = file.path()?.to_path_buf();
            Some((file.number, path, file.identity.clone()))
        };
        self.files().filter_map(on_disk).collect()
    }

    /// The files as this process reads them.
    pub(crate) fn announced_store(&self, dataset: &str) -> Arc<AnnouncedStore> {
        AnnouncedStore::new(dataset, self.files().cloned())
    }
}
