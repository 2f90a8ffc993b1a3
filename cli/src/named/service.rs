//! [`ClusterService`]: named clusters for the driver's REST interface. What takes long goes on in a task of its own; how far it
//! is follows from the cluster's lock and events, as everywhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rookery_driver::{
    ClusterAction, ClusterHappening, ClusterInfo, ClusterLifecycle, ClusterRefusal, ClusterSettings, Machine,
    NamedClusters,
};
use rookery_proto::Failure;
use rookery_tracking::{Environment as _, SystemEnvironment};

use super::attributes::{Attributes, folder_name, id_of};
use super::{ClusterConfig, ClusterEvent, Clusters, Kind, Lifecycle, Mode, NamedCluster, processes, seen};
use crate::client;
use crate::state_dir::StateDir;

/// Any free port: clusters are found by their names.
const LISTEN: &str = "127.0.0.1:0";
/// Minutes without a job after which workers above the fewest go.
const SCALE_DOWN_MINUTES: f64 = 5.0;

/// What this process is about to do with a cluster, which its events do not tell yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    Restart,
    Delete,
}

/// The clusters of a state directory, kept by this process for others.
#[derive(Debug, Clone)]
pub(crate) struct ClusterService {
    home: StateDir,
    /// By id.
    plans: Arc<Mutex<BTreeMap<String, Plan>>>,
    /// Of those who want to create one, each looks for a free name alone.
    creating: Arc<tokio::sync::Mutex<()>>,
}

impl ClusterService {
    pub(crate) fn of(home: StateDir) -> Self {
        Self {
            home,
            plans: Arc::default(),
            creating: Arc::default(),
        }
    }

    fn clusters(&self) -> Clusters {
        Clusters::of(&self.home)
    }

    fn plans(&self) -> MutexGuard<'_, BTreeMap<String, Plan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster of an id, but not one that is about to be forgotten.
    fn find(&self, id: &str) -> Result<NamedCluster, ClusterRefusal> {
        let is_going = self.plans().get(id) == Some(&Plan::Delete);
        let mut all = self.clusters().readable()?.into_iter();
        let found = all.find(|cluster| id_of(&cluster.config) == id);
        found.filter(|_| !is_going).ok_or(ClusterRefusal::Missing)
    }

    /// How far a cluster is, for clients.
    fn info(&self, cluster: &NamedCluster) -> Result<ClusterInfo, Failure> {
        let plan = self.plans().get(&id_of(&cluster.config)).copied();
        seen::info(cluster, plan)
    }

    /// Ends a cluster, and does what else is planned, in a task of its own.
    fn end_and(&self, cluster: NamedCluster, plan: Option<Plan>) {
        let (service, id) = (self.clone(), id_of(&cluster.config));
        if let Some(plan) = plan {
            self.plans().insert(id.clone(), plan);
        }
        tokio::spawn(async move {
            let done = service.carry_out(cluster, plan).await;
            if let Err(failure) = done {
                tracing::warn!(cluster_id = id, %failure, "what was planned with the cluster was not done");
            }
            if plan.is_some() {
                service.plans().remove(&id);
            }
        });
    }

    async fn carry_out(&self, cluster: NamedCluster, plan: Option<Plan>) -> Result<(), Failure> {
        processes::end(&cluster).await?;
        match plan {
            None => Ok(()),
            Some(Plan::Delete) => cluster.delete().await,
            Some(Plan::Restart) => {
                processes::begin(&self.home, &cluster).await?;
                processes::started(&cluster).await
            }
        }
    }
}

/// A configuration as a client wants it; what it says of addresses stays as it was.
fn configured(settings: &ClusterSettings, before: ClusterConfig) -> ClusterConfig {
    ClusterConfig {
        mode: match settings.size.is_single_node {
            true => Mode::SingleNode,
            false => Mode::MultiNode,
        },
        min_workers: settings.size.min_workers,
        max_workers: settings.size.max_workers,
        auto_terminate_minutes: settings.auto_terminate_minutes,
        ..before
    }
}

fn attributes(settings: ClusterSettings, pinned_by: Option<String>) -> Attributes {
    Attributes {
        name: settings.name,
        said: settings.attributes,
        pinned_by,
    }
}

fn note(cluster: &NamedCluster, kind: Kind) -> Result<(), Failure> {
    cluster.events().add(kind, ClusterEvent::by(client::user()))
}

#[async_trait::async_trait]
impl NamedClusters for ClusterService {
    async fn create(&self, settings: ClusterSettings) -> Result<String, ClusterRefusal> {
        let _alone = self.creating.lock().await;
        let clusters = self.clusters();
        let config = ClusterConfig {
            name: folder_name(&settings.name, |name| clusters.is_taken(name)),
            mode: Mode::SingleNode,
            min_workers: 1,
            max_workers: 1,
            threads: None,
            memory_limit: None,
            spill_dir: None,
            auto_terminate_minutes: None,
            scale_down_minutes: SCALE_DOWN_MINUTES,
            listen: LISTEN.to_string(),
            tls: false,
            advertise: None,
            runtime_version: env!("CARGO_PKG_VERSION").to_string(),
            created_ms: SystemEnvironment.now_ms(),
            created_by: client::user(),
        };
        let cluster = clusters.create(&configured(&settings, config))?;
        attributes(settings, None).write(cluster.folder())?;
        note(&cluster, Kind::Created)?;
        processes::begin(&self.home, &cluster).await?;
        Ok(id_of(&cluster.config))
    }

    async fn all(&self) -> Result<Vec<ClusterInfo>, ClusterRefusal> {
        let mut all = Vec::new();
        for cluster in self.clusters().readable()? {
            if self.plans().get(&id_of(&cluster.config)) != Some(&Plan::Delete) {
                all.push(self.info(&cluster)?);
            }
        }
        Ok(all)
    }

    async fn act(&self, id: &str, action: ClusterAction) -> Result<(), ClusterRefusal> {
        let cluster = self.find(id)?;
        let info = self.info(&cluster)?;
        let in_state = |states: &[ClusterLifecycle]| match states.contains(&info.lifecycle) {
            true => Ok(()),
            false => Err(ClusterRefusal::WrongState(info.lifecycle)),
        };
        let pinned_by = info.pinned_by.clone();
        match action {
            ClusterAction::Edit(settings) => {
                in_state(&[ClusterLifecycle::Running, ClusterLifecycle::Terminated])?;
                let config = configured(&settings, cluster.config.clone());
                attributes(settings, pinned_by).write(cluster.folder())?;
                note(&cluster, Kind::Edited)?;
                let cluster = cluster.reconfigured(&config)?;
                if info.lifecycle == ClusterLifecycle::Running {
                    note(&cluster, Kind::Restarting)?;
                    self.end_and(cluster, Some(Plan::Restart));
                }
            }
            ClusterAction::Start => {
                in_state(&[ClusterLifecycle::Terminated])?;
                processes::begin(&self.home, &cluster).await?;
            }
            ClusterAction::Restart => {
                in_state(&[ClusterLifecycle::Running])?;
                note(&cluster, Kind::Restarting)?;
                self.end_and(cluster, Some(Plan::Restart));
            }
            ClusterAction::Resize(size) => {
                in_state(&[ClusterLifecycle::Running])?;
                let settings = ClusterSettings {
                    size,
                    ..info.settings
                };
                // Whoever runs it looks at its configuration again and again.
                let config = configured(&settings, cluster.config.clone());
                cluster.reconfigured(&config)?;
            }
            ClusterAction::Terminate => {
                if cluster.lifecycle()? != Lifecycle::Terminated {
                    processes::note_end(&cluster)?;
                    self.end_and(cluster, None);
                }
            }
            ClusterAction::Delete => match cluster.lifecycle()? {
                Lifecycle::Terminated => cluster.delete().await?,
                _ => {
                    processes::note_end(&cluster)?;
                    self.end_and(cluster, Some(Plan::Delete));
                }
            },
            ClusterAction::Pin | ClusterAction::Unpin => {
                let (pinned_by, kind) = match action {
                    ClusterAction::Pin => (Some(client::user()), Kind::Pinned),
                    _ => (None, Kind::Unpinned),
                };
                attributes(info.settings, pinned_by).write(cluster.folder())?;
                note(&cluster, kind)?;
            }
        }
        Ok(())
    }

    async fn events(&self, id: &str) -> Result<Vec<ClusterHappening>, ClusterRefusal> {
        let cluster = self.find(id)?;
        // If it has crashed, that is noted now.
        cluster.lifecycle()?;
        Ok(seen::happenings(cluster.events().read()?))
    }

    fn machine(&self) -> Machine {
        seen::machine()
    }
}
