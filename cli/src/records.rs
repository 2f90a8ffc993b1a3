//! The records a command works on: those of the state directory, or those behind a driver.

use std::sync::Arc;
use std::time::Duration;

use rookery_driver::Records;
use rookery_proto::{Failure, Token};
use rookery_tls::CaCertificate;
use rookery_tracking::rest::{Bounds, Credentials, RestStore};
use rookery_tracking::{ArtifactStore, ModelRegistry, SqlStore, SystemEnvironment, TrackingStore};
use url::Url;

use crate::args::Places;
use crate::diagnostic::{config, of_tracking};
use crate::state_dir::{Database, StateDir};
use crate::{listen, token, trust};

mod files;
mod find;
mod model;

pub(crate) use files::RunFiles;
pub(crate) use find::{
    every_experiment, experiment_names, find_experiment, find_run, find_runs, text_equals,
};
pub(crate) use model::{ModelUri, StoredModel, find as find_model, load, load_known};

/// How long a command tries to reach a driver.
const PATIENCE: Duration = Duration::from_secs(5);

/// Records, ready for reading and changing.
#[derive(Debug, Clone)]
pub(crate) struct OpenRecords {
    pub(crate) store: Arc<dyn TrackingStore>,
    pub(crate) registry: Arc<dyn ModelRegistry>,
    pub(crate) artifacts: RunFiles,
}

/// Where records are kept.
#[derive(Debug, Clone)]
pub(crate) enum RecordsAt {
    /// In files of this machine.
    StateDir(StateDir),
    /// Behind a driver that the user named, with the token it asks for and, on TLS, its authority.
    Driver(Url, Option<Token>, Option<CaCertificate>),
}

impl RecordsAt {
    /// Behind the driver that a flag or the environment names, else in the state directory.
    pub(crate) fn of(places: &Places) -> Result<Self, Failure> {
        match places.driver() {
            Some(named) => {
                let url = listen::driver_url(&named, "--driver or ROOKERY_URL")?;
                let state = places.state_dir()?;
                let ca = trust::of_client(places, &state, &url)?;
                Ok(Self::Driver(url, token::of_client(&state)?, ca))
            }
            None => places.state_dir().map(Self::StateDir),
        }
    }

    /// Opens the records; a state directory is made if it is missing.
    pub(crate) async fn open(&self) -> Result<OpenRecords, Failure> {
        match self {
            Self::StateDir(state) => local(state).await,
            Self::Driver(url, token, ca) => remote(url, token.as_ref(), ca.as_ref()),
        }
    }

    /// Opens the records if there are any.
    pub(crate) async fn open_existing(&self) -> Result<Option<OpenRecords>, Failure> {
        match self {
            Self::StateDir(state) if !state.database().may_exist() => Ok(None),
            _ => self.open().await.map(Some),
        }
    }

    /// Opens records in which something is to be looked up.
    ///
    /// # Errors
    /// Class config: there are none.
    pub(crate) async fn open_for_lookup(&self) -> Result<OpenRecords, Failure> {
        let records = self.open_existing().await?;
        records.ok_or_else(|| {
            config("there are no records yet")
                .at(self.place())
                .hint("`rookery run JOB` makes some")
        })
    }

    /// The folder or the URL.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::StateDir(state) => state.path().display().to_string(),
            Self::Driver(url, ..) => listen::display(url).to_string(),
        }
    }
}

/// Opens the state directory's records for a driver, creating them if they are missing.
pub(crate) async fn open(state: &StateDir) -> Result<Records, Failure> {
    let (database, artifacts) = opened(state).await?;
    Ok(Records {
        store: Arc::<SqlStore>::clone(&database),
        registry: database,
        artifacts,
    })
}

async fn local(state: &StateDir) -> Result<OpenRecords, Failure> {
    let (database, artifacts) = opened(state).await?;
    Ok(OpenRecords {
        store: Arc::<SqlStore>::clone(&database),
        registry: database,
        artifacts: RunFiles::Local(artifacts),
    })
}

async fn opened(state: &StateDir) -> Result<(Arc<SqlStore>, ArtifactStore), Failure> {
    state.create()?;
    let database = match state.database() {
        Database::File(path) => SqlStore::open(path).await,
        Database::Server(url) => SqlStore::connect_postgres(&url, Arc::new(SystemEnvironment)).await,
    };
    let database = database.map_err(|e| of_tracking(&e))?;
    let artifacts = ArtifactStore::local(state.artifacts()).map_err(|e| of_tracking(&e))?;
    Ok((Arc::new(database), artifacts))
}

fn remote(url: &Url, token: Option<&Token>, ca: Option<&CaCertificate>) -> Result<OpenRecords, Failure> {
    let credentials = token.map_or(Credentials::None, |token| {
        Credentials::Bearer(token.expose().to_string())
    });
    let bounds = Bounds {
        retry_for: PATIENCE,
        ..Bounds::default()
    };
    let ca = ca.map(CaCertificate::pem);
    let rest =
        RestStore::connect_trusting(url.clone(), credentials, bounds, ca).map_err(|e| of_tracking(&e))?;
    let artifacts = RunFiles::Remote(rest.artifacts());
    let rest = Arc::new(rest);
    Ok(OpenRecords {
        store: Arc::<RestStore>::clone(&rest),
        registry: rest,
        artifacts,
    })
}
