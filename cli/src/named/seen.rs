//! Named clusters as REST clients see them.

use rookery_driver::{
    ClusterHappening, ClusterInfo, ClusterLifecycle, ClusterSettings, ClusterSize, Happening, Machine,
};
use rookery_proto::Failure;

use super::attributes::{Attributes, id_of};
use super::events::Line;
use super::service::Plan;
use super::{Kind, Lifecycle, Mode, NamedCluster};
use crate::{cluster, listen};

/// A cluster as it is now; `plan` is what is about to be done with it.
pub(super) fn info(cluster: &NamedCluster, plan: Option<Plan>) -> Result<ClusterInfo, Failure> {
    let config = &cluster.config;
    let lifecycle = cluster.lifecycle()?;
    let events = cluster.events().read()?;
    let last = |kind: Kind| events.iter().rev().find(|line| line.event == kind);
    let ended = last(Kind::Terminated).filter(|_| lifecycle == Lifecycle::Terminated);
    let is_there = matches!(lifecycle, Lifecycle::Running | Lifecycle::Terminating);
    let driver = is_there
        .then(|| cluster.state_dir().find_driver(None).ok())
        .flatten();
    let attributes = Attributes::read(cluster.folder(), config);
    Ok(ClusterInfo {
        id: id_of(config),
        settings: ClusterSettings {
            name: attributes.name,
            size: ClusterSize {
                is_single_node: config.mode == Mode::SingleNode,
                min_workers: config.min_workers,
                max_workers: config.max_workers,
            },
            auto_terminate_minutes: config.auto_terminate_minutes,
            attributes: attributes.said,
        },
        lifecycle: match (plan, lifecycle) {
            (Some(Plan::Restart), _) => ClusterLifecycle::Restarting,
            (_, Lifecycle::Pending) => ClusterLifecycle::Pending,
            (_, Lifecycle::Running) if is_resizing(config.min_workers, config.max_workers, &events) => {
                ClusterLifecycle::Resizing
            }
            (_, Lifecycle::Running) => ClusterLifecycle::Running,
            (_, Lifecycle::Terminating) => ClusterLifecycle::Terminating,
            (_, Lifecycle::Terminated) => ClusterLifecycle::Terminated,
        },
        created_by: config.created_by.clone(),
        created_ms: config.created_ms,
        started_ms: last(Kind::Starting).map(|line| line.timestamp_ms),
        terminated_ms: ended.map(|line| line.timestamp_ms),
        end_reason: ended.and_then(|line| line.what.reason.clone()),
        driver: driver.map(|url| listen::display(&url).to_string()),
        pinned_by: attributes.pinned_by,
    })
}

/// Whether it has other workers than it should, as far as is known.
fn is_resizing(min: usize, max: usize, events: &[Line]) -> bool {
    let told = events
        .iter()
        .rev()
        .take_while(|line| line.event != Kind::Starting)
        .find_map(|line| line.what.workers);
    told.is_some_and(|workers| workers < min || workers > max)
}

/// Events in the words of the driver.
pub(super) fn happenings(events: Vec<Line>) -> Vec<ClusterHappening> {
    let happening = |line: Line| {
        let what = match line.event {
            Kind::Created => Happening::Created,
            Kind::Starting => Happening::Starting,
            Kind::Running => Happening::Running,
            Kind::WorkerJoined => Happening::WorkerJoined,
            Kind::WorkerLost => Happening::WorkerLost,
            Kind::Resized => Happening::Resized,
            Kind::Edited => Happening::Edited,
            Kind::Restarting => Happening::Restarting,
            Kind::Pinned => Happening::Pinned,
            Kind::Unpinned => Happening::Unpinned,
            Kind::Terminated => Happening::Terminated,
            // Told with the others.
            Kind::WorkerDraining | Kind::WorkerLeft | Kind::Terminating => return None,
        };
        Some(ClusterHappening {
            what,
            timestamp_ms: line.timestamp_ms,
            user: line.what.user,
            reason: line.what.reason,
            workers: line.what.workers,
        })
    };
    events.into_iter().filter_map(happening).collect()
}

/// This machine, as far as this process may use it.
pub(super) fn machine() -> Machine {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total_kb = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    Machine {
        cores: cluster::cores(),
        memory_mb: total_kb.map_or(0, |kb| kb / 1024),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::named::ClusterEvent;

    #[test]
    fn a_cluster_is_being_resized_until_it_is_said_to_have_its_workers() {
        let line = |event, workers| Line {
            event,
            cluster: "c".to_string(),
            timestamp_ms: 0,
            what: ClusterEvent {
                workers,
                ..ClusterEvent::default()
            },
        };
        let mut events = vec![
            line(Kind::Resized, Some(9)),
            line(Kind::Starting, None),
            line(Kind::Running, Some(2)),
        ];
        assert!(!is_resizing(2, 2, &events) && !is_resizing(1, 4, &events));
        assert!(is_resizing(3, 3, &events) && is_resizing(1, 1, &events));
        events.push(line(Kind::Resized, Some(3)));
        assert!(!is_resizing(3, 3, &events));
        assert!(
            !is_resizing(3, 3, &events[..2]),
            "nothing is known since it was started"
        );
    }

    #[test]
    fn this_machine_has_cores_and_memory() {
        let machine = machine();
        assert!(machine.cores >= 1 && machine.memory_mb > 0, "{machine:?}");
    }
}
