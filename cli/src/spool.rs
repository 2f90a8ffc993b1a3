//! [`Spool`]: records for another tracking server, by way of the state directory, so that a server that is down loses
//! nothing. One folder for each server (its address is in the file `uri`), in it one for each job.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rookery_driver::{Delivery, JobRecords, RemoteRecords, RunArtifacts};
use rookery_proto::{ErrorClass, Failure};
use rookery_tracking::artifacts::sha256_hex;
use rookery_tracking::rest::{Bounds, Pending, RestStore, SpooledStore, deliver_pending};
use rookery_tracking::{Environment as _, LoggedModel, RunInfo, SystemEnvironment, TrackingError};
use url::Url;

use crate::diagnostic::{internal, of_tracking};
use crate::listen;
use crate::state_dir::StateDir;

mod credentials;

/// The file that says which server a folder is for.
const URI_FILE: &str = "uri";
/// Digits of an address' digest that name its folder.
const NAME_DIGITS: usize = 12;

/// How long one call is repeated before its failure is told.
const CALL_PATIENCE: Duration = Duration::from_secs(3);
/// How long a driver goes on trying to deliver a job that is over.
const BACKGROUND_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The folder of everything that is on its way to other servers.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    root: PathBuf,
}

/// What waits for one server.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) uri: Url,
    /// A job's folder, and what is in it.
    pub(crate) jobs: Vec<(PathBuf, Pending)>,
}

impl Spool {
    pub(crate) fn new(state: &StateDir) -> Self {
        Self { root: state.spool() }
    }

    /// Delivers what earlier processes left, for at most `within` per server. Returns what is still waiting.
    pub(crate) async fn deliver(&self, within: Duration) -> Result<Vec<Waiting>, Failure> {
        let mut waiting = Vec::new();
        for (folder, uri) in self.servers()? {
            let rest = connect(&uri)?;
            let delivered = deliver_pending(
                &folder,
                &rest,
                &rest.artifacts(),
                SystemEnvironment.now_ms(),
                within,
            )
            .await;
            let jobs = delivered.map_err(|e| of_tracking(&e).at(folder.display().to_string()))?;
            waiting.push(Waiting { uri, jobs });
        }
        Ok(waiting)
    }

    fn servers(&self) -> Result<Vec<(PathBuf, Url)>, Failure> {
        let Ok(entries) = std::fs::read_dir(&self.root) else {
            return Ok(Vec::new());
        };
        let mut servers = Vec::new();
        for entry in entries.flatten() {
            let file = entry.path().join(URI_FILE);
            if let Ok(text) = std::fs::read_to_string(&file) {
                let uri = Url::parse(text.trim())
                    .map_err(|e| internal(format!("no URL: {e}")).at(file.display().to_string()))?;
                servers.push((entry.path(), uri));
            }
        }
        Ok(servers)
    }

    fn folder_for(&self, uri: &Url) -> Result<PathBuf, Failure> {
        let digest = sha256_hex(uri.as_str().as_bytes());
        let folder = self.root.join(&digest[..NAME_DIGITS]);
        let write = || {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join(URI_FILE), uri.as_str())
        };
        write().map_err(|e| {
            internal(format!("the spool can't be written: {e}")).at(folder.display().to_string())
        })?;
        Ok(folder)
    }
}

#[async_trait]
impl RemoteRecords for Spool {
    async fn open(&self, uri: &Url) -> Result<JobRecords, Failure> {
        // Credentials in the address are for the calls; they have no business on the disk.
        let rest = connect(uri)?;
        let folder = self
            .folder_for(rest.uri())?
            .join(SystemEnvironment.now_ms().to_string() + "-" + &random_name());
        let store = SpooledStore::open(&folder, rest.clone(), rest.artifacts())
            .await
            .map_err(|e| of_tracking(&e).at(folder.display().to_string()))?;
        let job = Arc::new(SpooledJob {
            store: Arc::new(store),
            uri: rest.uri().clone(),
            folder,
        });
        Ok(JobRecords {
            store: Arc::<SpooledStore>::clone(&job.store),
            artifacts: Arc::<SpooledJob>::clone(&job),
            delivery: Some(job),
        })
    }
}

/// One job's records on their way.
#[derive(Debug)]
struct SpooledJob {
    store: Arc<SpooledStore>,
    uri: Url,
    folder: PathBuf,
}

#[async_trait]
impl RunArtifacts for SpooledJob {
    async fn put(&self, run: &RunInfo, path: &str, content: Vec<u8>) -> Result<(), TrackingError> {
        self.store.put_artifact(&run.run_id, path, content).await
    }

    async fn put_model(
        &self,
        model: &LoggedModel,
        path: &str,
        content: Vec<u8>,
    ) -> Result<(), TrackingError> {
        self.store.put_below(&model.artifact_uri, path, content).await
    }
}

#[async_trait]
impl Delivery for SpooledJob {
    async fn finish(&self, within: Duration) -> Result<(), String> {
        let pending = self.store.flush(within).await;
        let store = Arc::clone(&self.store);
        // Delivered by now, or in the background for as long as this process lives.
        let close = async move { store.close(BACKGROUND_WAIT).await };
        if pending.operations == 0 {
            close.await.map_err(|e| e.to_string())?;
        } else {
            tokio::spawn(close);
        }
        left(&self.uri, &self.folder, &pending).map_or(Ok(()), Err)
    }

    fn server_id(&self, run_id: &str) -> Option<String> {
        self.store.server_id(run_id)
    }
}

/// What a person needs to know of records that did not arrive.
pub(crate) fn left(uri: &Url, folder: &Path, pending: &Pending) -> Option<String> {
    let server = listen::display(uri);
    let folder = folder.display();
    let reason = pending.last_error.as_deref().unwrap_or("not tried yet");
    match (pending.operations, pending.rejected) {
        (0, 0) => None,
        (0, rejected) => Some(format!(
            "{server} refused {rejected} records: see {folder}/rejected.jsonl"
        )),
        (waiting, _) => Some(format!(
            "{waiting} records wait for {server} ({reason}): a driver goes on delivering them, or `rookery runs sync` does; they are in {folder}"
        )),
    }
}

/// The server at an address, with the credentials that are meant for it.
fn connect(uri: &Url) -> Result<RestStore, Failure> {
    let credentials = credentials::of_environment(uri);
    // Delivery goes on by itself; a call that gives up soon says sooner what is wrong.
    let bounds = Bounds {
        retry_for: CALL_PATIENCE,
        ..Bounds::default()
    };
    RestStore::connect_within(uri.clone(), credentials, bounds).map_err(|e| Failure {
        class: ErrorClass::Config,
        ..of_tracking(&e).at("tracking.uri or MLFLOW_TRACKING_URI")
    })
}

fn random_name() -> String {
    format!("{:08x}", rand::random::<u32>())
}
