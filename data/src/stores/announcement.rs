//! [`Announcement`]: what a worker is told before it reads for a dataset. It is the worker's permission: nothing else can
//! be read there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::identity::Identity;
use super::secrets::Secrets;
use super::source_file::{Host, SourceFile};
use super::store::Store;
use crate::error::{DataError, Result};

/// The files of a dataset, and what it takes to read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The dataset.
    pub dataset: String,
    /// Its files; plans name them by their position here.
    pub files: Vec<AnnouncedFile>,
    /// The stores that files are in.
    pub stores: Vec<Grant>,
}

/// One file of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedFile {
    /// What people call it.
    pub name: String,
    /// The key of the job file that names it.
    pub source: String,
    /// What it was when the job was planned.
    pub identity: Identity,
    /// Where it is.
    pub place: AnnouncedPlace,
}

/// Where an announced file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnnouncedPlace {
    /// On the driver's disk, from where its port serves it by its position in the announcement.
    Driver {
        /// Its absolute path there. If the very same file is there on this machine, it is read from here.
        path: String,
    },
    /// In a store.
    Store {
        /// Position of the store in the announcement.
        store: usize,
        /// Path inside it.
        location: String,
    },
}

/// A store that a worker may read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Scheme and authority.
    pub url: String,
    /// Options by the names of `object_store`; only those that are known to be harmless are taken.
    pub settings: BTreeMap<String, String>,
    /// Credentials of this moment.
    pub secrets: Secrets,
}

/// Makes an announcement of the driver's files.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    files: Vec<AnnouncedFile>,
    stores: Vec<(Arc<Store>, Grant)>,
}

impl Announcer {
    /// Adds the file of the next number.
    pub(crate) async fn add(&mut self, file: &SourceFile) -> Result<()> {
        let place = match (&file.disk, &file.remote) {
            (Some(path), _) => AnnouncedPlace::Driver {
                // A path that is no text is never found elsewhere, and need not be.
                path: path.to_str().unwrap_or_default().to_string(),
            },
            (None, Some(remote)) => match &remote.host {
                Host::Known(store) => AnnouncedPlace::Store {
                    store: self.position(store).await?,
                    location: remote.location.to_string(),
                },
                _ => return Err(elsewhere(file)),
            },
            (None, None) => return Err(elsewhere(file)),
        };
        self.files.push(AnnouncedFile {
            name: file.name.clone(),
            source: file.source.clone(),
            identity: file.identity.clone(),
            place,
        });
        Ok(())
    }

    async fn position(&mut self, store: &Arc<Store>) -> Result<usize> {
        let known = self
            .stores
            .iter()
            .position(|(known, _)| Arc::ptr_eq(known, store));
        if let Some(position) = known {
            return Ok(position);
        }
        let grant = store.grant().await?;
        self.stores.push((Arc::clone(store), grant));
        Ok(self.stores.len() - 1)
    }

    pub(crate) fn finish(self, dataset: &str) -> Announcement {
        Announcement {
            dataset: dataset.to_string(),
            files: self.files,
            stores: self.stores.into_iter().map(|(_, grant)| grant).collect(),
        }
    }
}

fn elsewhere(file: &SourceFile) -> DataError {
    DataError::internal("the file is not the driver's to announce").at(file.name.as_str())
}
