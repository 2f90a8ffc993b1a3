//! The state directory's records: opening them, and finding a run by what a person calls it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rookery_driver::Records;
use rookery_proto::Failure;
use rookery_tracking::{ArtifactStore, ListExperiments, ListRuns, Run, SqliteStore, TrackingStore, ViewType};

use crate::diagnostic::{config, of_tracking};
use crate::state_dir::StateDir;

/// Runs read at a time.
const PAGE: usize = 1000;
/// Candidates named when a name fits several runs.
const SHOWN_CANDIDATES: usize = 5;

/// Opens the records, creating them if they are missing.
pub(crate) async fn open(state: &StateDir) -> Result<Records, Failure> {
    state.create()?;
    let store = SqliteStore::open(state.database())
        .await
        .map_err(|e| of_tracking(&e))?;
    let artifacts = ArtifactStore::local(state.artifacts()).map_err(|e| of_tracking(&e))?;
    Ok(Records {
        store: Arc::new(store),
        artifacts,
    })
}

/// Opens the records if there are any.
pub(crate) async fn open_existing(state: &StateDir) -> Result<Option<Records>, Failure> {
    match state.database().exists() {
        true => open(state).await.map(Some),
        false => Ok(None),
    }
}

/// The one run whose id, start of an id, or name is `wanted`.
///
/// # Errors
/// Class config: none, or several.
pub(crate) async fn find_run(store: &dyn TrackingStore, wanted: &str) -> Result<Run, Failure> {
    let mut found: Vec<Run> = Vec::new();
    let mut page_token = None;
    loop {
        let page = store
            .list_runs(ListRuns {
                view: ViewType::All,
                max_results: PAGE,
                page_token,
                ..ListRuns::default()
            })
            .await
            .map_err(|e| of_tracking(&e))?;
        for run in page.items {
            if run.info.run_id == wanted {
                return Ok(run);
            }
            if run.info.run_name == wanted || is_prefix(wanted, &run.info.run_id) {
                found.push(run);
            }
        }
        page_token = page.next_page_token;
        if page_token.is_none() {
            break;
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            Err(config(format!("there is no run \"{wanted}\""))
                .hint("`rookery runs list` shows what there is"))
        }
        count => {
            let ids: Vec<&str> = found
                .iter()
                .take(SHOWN_CANDIDATES)
                .map(|run| run.info.run_id.as_str())
                .collect();
            Err(config(format!(
                "\"{wanted}\" fits {count} runs, newest first: {}",
                ids.join(", ")
            ))
            .hint("give more of the id"))
        }
    }
}

fn is_prefix(wanted: &str, run_id: &str) -> bool {
    !wanted.is_empty() && run_id.starts_with(wanted)
}

/// Names of all experiments by id.
pub(crate) async fn experiment_names(store: &dyn TrackingStore) -> Result<BTreeMap<String, String>, Failure> {
    let mut names = BTreeMap::new();
    let mut page_token = None;
    loop {
        let request = ListExperiments {
            view: ViewType::All,
            max_results: PAGE,
            page_token,
        };
        let page = store
            .list_experiments(request)
            .await
            .map_err(|e| of_tracking(&e))?;
        names.extend(
            page.items
                .into_iter()
                .map(|experiment| (experiment.experiment_id, experiment.name)),
        );
        page_token = page.next_page_token;
        if page_token.is_none() {
            return Ok(names);
        }
    }
}

#[cfg(test)]
mod tests {
    use rookery_tracking::{CreateRun, MemoryStore};

    use super::*;

    async fn add(store: &MemoryStore, name: &str) -> String {
        let run_name = Some(name.to_string());
        let request = CreateRun {
            experiment_id: "0".into(),
            run_name,
            ..CreateRun::default()
        };
        store.create_run(request).await.unwrap().info.run_id
    }

    #[tokio::test]
    async fn a_run_is_found_by_id_by_its_start_and_by_name() {
        let store = MemoryStore::new();
        let (first, _) = (add(&store, "adelie").await, add(&store, "gentoo").await);
        for wanted in [first.as_str(), &first[..31], "adelie"] {
            assert_eq!(
                find_run(&store, wanted).await.unwrap().info.run_id,
                first,
                "{wanted}"
            );
        }
        let failure = find_run(&store, "nobody").await.unwrap_err();
        assert_eq!(failure.message, "there is no run \"nobody\"");
        assert!(find_run(&store, "").await.is_err());
    }

    #[tokio::test]
    async fn a_name_of_two_runs_is_not_guessed() {
        let store = MemoryStore::new();
        let (first, second) = (add(&store, "adelie").await, add(&store, "adelie").await);
        let failure = find_run(&store, "adelie").await.unwrap_err();
        assert!(failure.message.starts_with("\"adelie\" fits 2 runs"), "{failure}");
        assert!(
            failure.message.contains(&first) && failure.message.contains(&second),
            "{failure}"
        );
    }
}
