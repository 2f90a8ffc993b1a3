//! [`WorkerSources`]: everything that a worker can read. It starts with nothing; each announcement adds the files of one
//! dataset, and a release takes them away again, with the credentials for them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use datafusion::common::DataFusionError;
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use object_store::path::Path as Location;
use url::Url;

use super::announced_store::{AnnouncedStore, SCHEME};
use super::announcement::{AnnouncedFile, AnnouncedPlace, Announcement};
use super::driver_access::DriverAccess;
use super::granted;
use super::identity::Identity;
use super::source_file::{Host, Remote, SourceFile};
use crate::activity::{Activity, Progress};
use crate::error::{DataError, Result};

/// The sources of the datasets that a worker was told of.
#[derive(Debug)]
pub struct WorkerSources {
    driver: Option<DriverAccess>,
    /// Whether files of the driver are looked for on this machine's disk first.
    local_files: bool,
    read_delay: Duration,
    datasets: RwLock<BTreeMap<String, Announced>>,
}

/// A dataset that can be read.
#[derive(Debug)]
struct Announced {
    store: Arc<AnnouncedStore>,
    /// What was done for it since it was announced.
    activity: Arc<Activity>,
}

impl WorkerSources {
    /// Nothing yet. Files of the driver's disk that are not the very same here are read by `driver`. Each batch of rows is
    /// there `read_delay` later than it could be, for tests of slow workers.
    pub fn new(driver: Option<DriverAccess>, local_files: bool, read_delay: Duration) -> Arc<Self> {
        Arc::new(Self {
            driver,
            local_files,
            read_delay,
            datasets: RwLock::default(),
        })
    }

    /// From now on the files of a dataset can be read, as they are announced here; what was said of it before is
    /// forgotten.
    ///
    /// # Errors
    /// A store that can't be used; an announcement that does not fit together.
    pub fn announce(&self, announcement: &Announcement) -> Result<()> {
        let mut clients = Vec::new();
        for grant in &announcement.stores {
            clients.push(granted::connect(grant)?);
        }
        let served = match &self.driver {
            Some(driver) => Some((driver.url().to_string(), driver.files(&announcement.dataset)?)),
            None => None,
        };
        let mut files = Vec::new();
        for (number, announced) in announcement.files.iter().enumerate() {
            files.push(match &announced.place {
                AnnouncedPlace::Driver { path } => self.of_driver(number, announced, path, served.as_ref()),
                AnnouncedPlace::Store { store, location } => {
                    let client = clients.get(*store).ok_or_else(|| {
                        DataError::internal(format!("store {store} is not announced"))
                            .at(announced.name.as_str())
                    })?;
                    in_store(number, announced, location, client)?
                }
            });
        }
        let announced = Announced {
            store: AnnouncedStore::new(&announcement.dataset, files),
            activity: Activity::new(),
        };
        self.datasets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(announcement.dataset.clone(), announced);
        Ok(())
    }

    /// What was done for a dataset since it was announced the last time.
    pub fn progress(&self, dataset: &str) -> Progress {
        let activity = self.activity(dataset);
        activity.map_or_else(Progress::default, |activity| activity.progress())
    }

    /// Counts what is done for a dataset that was announced.
    pub(crate) fn activity(&self, dataset: &str) -> Option<Arc<Activity>> {
        let datasets = self.datasets.read().unwrap_or_else(PoisonError::into_inner);
        datasets
            .get(dataset)
            .map(|announced| Arc::clone(&announced.activity))
    }

    /// How much later than it could be each batch of rows is there.
    pub(crate) fn read_delay(&self) -> Duration {
        self.read_delay
    }

    /// Forgets a dataset.
    pub fn release(&self, dataset: &str) {
        self.datasets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(dataset);
    }

    /// The datasets that were announced.
    pub fn datasets(&self) -> Vec<String> {
        let datasets = self.datasets.read().unwrap_or_else(PoisonError::into_inner);
        datasets.keys().cloned().collect()
    }

    fn of_driver(
        &self,
        number: usize,
        announced: &AnnouncedFile,
        path: &str,
        served: Option<&(String, Arc<dyn ObjectStore>)>,
    ) -> SourceFile {
        let identity = &announced.identity;
        let remote = served.map(|(url, client)| Remote {
            client: Arc::clone(client),
            location: Location::from(number.to_string()),
            identity: Identity {
                e_tag: Some(identity.http_tag()),
                ..identity.clone()
            },
            host: Host::Driver(url.clone()),
        });
        SourceFile {
            disk: self.local_files.then(|| PathBuf::from(path)),
            remote,
            ..file(number, announced)
        }
    }
}

fn file(number: usize, announced: &AnnouncedFile) -> SourceFile {
    SourceFile {
        number,
        name: announced.name.clone(),
        source: announced.source.clone(),
        identity: announced.identity.clone(),
        disk: None,
        remote: None,
    }
}

fn in_store(
    number: usize,
    announced: &AnnouncedFile,
    location: &str,
    client: &Arc<dyn ObjectStore>,
) -> Result<SourceFile> {
    let location = Location::parse(location)
        .map_err(|e| DataError::internal(e.to_string()).at(announced.name.as_str()))?;
    Ok(SourceFile {
        remote: Some(Remote {
            client: Arc::clone(client),
            location,
            identity: announced.identity.clone(),
            host: Host::Granted,
        }),
        ..file(number, announced)
    })
}

impl ObjectStoreRegistry for WorkerSources {
    /// Nothing is added this way: a worker reads what was announced.
    fn register_store(&self, _url: &Url, _store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> datafusion::common::Result<Arc<dyn ObjectStore>> {
        let datasets = self.datasets.read().unwrap_or_else(PoisonError::into_inner);
        let announced = url.host_str().and_then(|dataset| datasets.get(dataset));
        match announced {
            Some(announced) if url.scheme() == SCHEME => Ok(Arc::clone(&announced.store) as _),
            _ => Err(DataFusionError::Execution(format!(
                "this worker may not read from {url}: it reads what its driver announced, nothing else"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt as _;

    use super::*;
    use crate::error::DataErrorKind;
    use crate::stores::{ClientTls, location_of};

    fn get(sources: &WorkerSources, url: &str) -> std::result::Result<(), String> {
        let store = sources.get_store(&Url::parse(url).unwrap());
        store.map(|_| ()).map_err(|e| e.to_string())
    }

    #[tokio::test]
    async fn a_driver_that_is_gone_is_no_fault_of_the_source() {
        let url = Url::parse("http://127.0.0.1:9").unwrap();
        let driver = DriverAccess::new(url, None, &ClientTls::default()).unwrap();
        let sources = WorkerSources::new(Some(driver), false, Duration::ZERO);
        let file = AnnouncedFile {
            name: "/data/t.csv".into(),
            source: "data.sources.t.path".into(),
            identity: Identity {
                size: 10,
                modified_ns: 1,
                e_tag: None,
            },
            place: AnnouncedPlace::Driver {
                path: "/data/t.csv".into(),
            },
        };
        sources
            .announce(&Announcement {
                dataset: "d".into(),
                files: vec![file],
                stores: Vec::new(),
            })
            .unwrap();
        let store = sources.get_store(&Url::parse("rookery://d/").unwrap()).unwrap();
        let error = store.get_range(&location_of("d", 0), 0..1).await.unwrap_err();
        let error = DataError::from(DataFusionError::from(error));
        assert_eq!(error.kind, DataErrorKind::Unreachable, "{error}");
        // Others may reach it: only a source's own place would end the job.
        assert_eq!(error.location.as_deref(), Some("http://127.0.0.1:9/"));
    }

    #[test]
    fn a_worker_reads_what_was_announced_until_it_is_released() {
        let sources = WorkerSources::new(None, true, Duration::ZERO);
        let announcement = Announcement {
            dataset: "d".into(),
            files: Vec::new(),
            stores: Vec::new(),
        };
        assert!(get(&sources, "rookery://d/").is_err());
        sources.announce(&announcement).unwrap();
        get(&sources, "rookery://d/").unwrap();
        sources.activity("d").unwrap().add_read(5);
        assert_eq!(sources.progress("d").bytes_read, 5);
        // What an earlier attempt has done is none of the next one's.
        sources.announce(&announcement).unwrap();
        assert_eq!(sources.progress("d"), Progress::default());
        for url in ["file:///", "rookery://e/", "s3://d/", "http://d/", "rookery://"] {
            let refusal = get(&sources, url).unwrap_err();
            assert!(refusal.contains("nothing else"), "{url}: {refusal}");
        }
        sources.register_store(
            &Url::parse("file:///").unwrap(),
            Arc::new(object_store::local::LocalFileSystem::new()),
        );
        assert!(get(&sources, "file:///").is_err());
        assert_eq!(sources.datasets(), ["d"]);
        sources.release("d");
        assert!(get(&sources, "rookery://d/").is_err());
    }
}
