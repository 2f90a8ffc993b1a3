//! `rookery cluster`: clusters with a name, which can be started, terminated and started again.

use clap::{Args, Subcommand};
use rookery_proto::Failure;

use crate::args::{JsonFlag, Places};
use crate::client;
use crate::named::{self, ClusterEvent, Clusters, Kind, Lifecycle};
use crate::output::Output;
use crate::{detached, times};

mod create;
mod show;

/// The flag of the process that runs a cluster.
const FOREGROUND: &str = "--foreground";

/// Keep clusters under a name: create, start, terminate, start again
///
/// A cluster's driver and workers are processes of this machine; `rookery worker --cluster NAME` adds to them. What is
/// recorded goes to the state directory, whichever cluster trained it; each cluster keeps its own jobs.
#[derive(Debug, Args)]
pub(crate) struct ClusterCommandArgs {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    Create(create::CreateArgs),
    /// List the clusters
    List(ListArgs),
    /// Show how a cluster is configured, and whether it runs
    Show(NameArgs),
    Start(StartArgs),
    /// Stop a cluster: running jobs are cancelled; it can be started again
    Terminate(NameArgs),
    /// Forget a cluster that is terminated, with its jobs and events; what was recorded stays
    Delete(NameArgs),
    /// Show what became of a cluster: who started it, which workers came and went, why it ended
    Events(NameArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct NameArgs {
    /// The cluster
    name: String,

    #[command(flatten)]
    json: JsonFlag,
}

/// Start a cluster; returns when it is there
///
/// What its driver was killed over goes on: see its jobs with `rookery jobs list --cluster NAME`.
#[derive(Debug, Args)]
struct StartArgs {
    /// The cluster
    name: String,

    /// Stay until it is terminated, or until Ctrl-C: for service managers
    #[arg(long)]
    foreground: bool,

    #[command(flatten)]
    json: JsonFlag,
}

impl ClusterCommandArgs {
    pub(crate) fn json(&self) -> &JsonFlag {
        match &self.command {
            ClusterCommand::Create(args) => &args.json,
            ClusterCommand::List(args) => &args.json,
            ClusterCommand::Start(args) => &args.json,
            ClusterCommand::Show(args)
            | ClusterCommand::Terminate(args)
            | ClusterCommand::Delete(args)
            | ClusterCommand::Events(args) => &args.json,
        }
    }

    /// Whether this process is the driver.
    pub(crate) fn serves(&self) -> bool {
        matches!(&self.command, ClusterCommand::Start(args) if args.foreground)
    }
}

pub(crate) async fn cluster(
    args: ClusterCommandArgs,
    places: &Places,
    output: &mut Output,
) -> Result<(), Failure> {
    let clusters = Clusters::of(&places.home()?);
    match args.command {
        ClusterCommand::Create(args) => create::create(&args, &clusters, output),
        ClusterCommand::List(_) => show::list(&clusters, output),
        ClusterCommand::Show(args) => show::show(&clusters.find(&args.name)?, output),
        ClusterCommand::Start(args) => start(&args, &clusters, output).await,
        ClusterCommand::Terminate(args) => {
            clusters.find(&args.name)?;
            super::down::terminate(&places.of_cluster(&args.name), output).await
        }
        ClusterCommand::Delete(args) => {
            clusters.find(&args.name)?.delete().await?;
            output.note(&format!("cluster \"{}\" is deleted; its runs stay", args.name));
            Ok(())
        }
        ClusterCommand::Events(args) => events(&args, &clusters, output),
    }
}

async fn start(args: &StartArgs, clusters: &Clusters, output: &Output) -> Result<(), Failure> {
    let cluster = clusters.find(&args.name)?;
    if args.foreground {
        return named::serve(&cluster, output).await;
    }
    if cluster.lifecycle()? != Lifecycle::Terminated {
        // Says so, and what to do.
        cluster.hold().await?;
    }
    detached::start(cluster.state_dir(), &[FOREGROUND], output).await
}

fn events(args: &NameArgs, clusters: &Clusters, output: &Output) -> Result<(), Failure> {
    let cluster = clusters.find(&args.name)?;
    // If it has crashed, that is noted now.
    cluster.lifecycle()?;
    let events = cluster.events().read()?;
    if output.is_json() {
        events.iter().for_each(|line| output.object(line));
        return Ok(());
    }
    for line in events {
        let details = details(line.event, &line.what);
        let line = format!(
            "{}  {:<15} {details}",
            times::local(line.timestamp_ms),
            line.event.name()
        );
        output.line(line.trim_end());
    }
    Ok(())
}

/// The circumstances in one line.
fn details(kind: Kind, what: &ClusterEvent) -> String {
    let user = what.user.as_ref().map(|user| format!("by {user}"));
    let workers = what.workers.map(|count| {
        let to = if kind == Kind::Resized { "to " } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        format!("{to}{count} worker{plural}")
    });
    let parts = [
        what.worker_id.clone(),
        user,
        what.driver.clone(),
        workers,
        what.reason.clone(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Notes what a user did.
fn note(cluster: &named::NamedCluster, kind: Kind) -> Result<(), Failure> {
    cluster.events().add(kind, ClusterEvent::by(client::user()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_in_one_line() {
        let resized = ClusterEvent {
            workers: Some(4),
            ..ClusterEvent::because("jobs wait or run")
        };
        assert_eq!(details(Kind::Resized, &resized), "to 4 workers, jobs wait or run");
        assert_eq!(
            details(Kind::Created, &ClusterEvent::by("ana".to_string())),
            "by ana"
        );
    }
}
