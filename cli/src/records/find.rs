//! Finding runs and experiments by what a person calls them.

use std::collections::BTreeMap;

use rookery_proto::Failure;
use rookery_tracking::{
    Experiment, Run, Search, SearchExperiments, SearchRuns, TrackingError, TrackingStore, ViewType,
};

use crate::diagnostic::{config, of_tracking};

/// Records read at a time.
const PAGE: usize = 1000;
/// Candidates named when a name fits several runs.
const SHOWN_CANDIDATES: usize = 5;
/// Characters of a run's id.
const RUN_ID_LENGTH: usize = 32;

/// The one run whose id, start of an id, or name is `wanted`; deleted runs are found too.
///
/// # Errors
/// Class config: none, or several.
pub(crate) async fn find_run(store: &dyn TrackingStore, wanted: &str) -> Result<Run, Failure> {
    let is_hex = !wanted.is_empty() && wanted.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    if is_hex && wanted.len() == RUN_ID_LENGTH {
        match store.get_run(wanted).await {
            Err(TrackingError::RunNotFound { .. }) => {}
            answer => return answer.map_err(|e| of_tracking(&e)),
        }
    }
    let mut found = Vec::new();
    if !wanted.is_empty() {
        found = matching(store, text_equals("attributes.run_name", wanted), PAGE).await?;
        found.retain(|run| run.info.run_name == wanted);
    }
    if is_hex {
        let filter = format!("attributes.run_id LIKE '{wanted}%'");
        let by_id = matching(store, filter, SHOWN_CANDIDATES + 1).await?;
        let known: Vec<String> = found.iter().map(|run| run.info.run_id.clone()).collect();
        found.extend(by_id.into_iter().filter(|run| !known.contains(&run.info.run_id)));
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            Err(config(format!("there is no run \"{wanted}\""))
                .hint("`rookery runs list` shows what there is"))
        }
        _ => Err(ambiguous(wanted, &found)),
    }
}

/// All of them, in their order.
pub(crate) async fn find_runs(store: &dyn TrackingStore, wanted: &[String]) -> Result<Vec<Run>, Failure> {
    let mut runs = Vec::new();
    for wanted in wanted {
        runs.push(find_run(store, wanted).await?);
    }
    Ok(runs)
}

fn ambiguous(wanted: &str, found: &[Run]) -> Failure {
    let ids: Vec<&str> = found
        .iter()
        .take(SHOWN_CANDIDATES)
        .map(|run| run.info.run_id.as_str())
        .collect();
    let more = if found.len() > ids.len() { ", …" } else { "" };
    config(format!(
        "\"{wanted}\" fits several runs: {}{more}",
        ids.join(", ")
    ))
    .hint("give more of the id")
}

async fn matching(
    store: &dyn TrackingStore,
    filter: String,
    max_results: usize,
) -> Result<Vec<Run>, Failure> {
    let request = SearchRuns {
        experiment_ids: None,
        view: ViewType::All,
        search: Search {
            max_results,
            ..Search::matching(filter)
        },
    };
    let page = store.search_runs(request).await.map_err(|e| of_tracking(&e))?;
    Ok(page.items)
}

/// A filter that at least all records pass whose `column` is `wanted`. Quoted text is taken to the letter and ends at a
/// quote, so a pattern stands for what can't be said; the caller looks at what comes back.
pub(crate) fn text_equals(column: &str, wanted: &str) -> String {
    match wanted.contains(['\'', '\\']) {
        true => format!("{column} LIKE '{}'", wanted.replace(['\'', '\\'], "_")),
        false => format!("{column} = '{wanted}'"),
    }
}

/// Every experiment, newest first.
pub(crate) async fn every_experiment(
    store: &dyn TrackingStore,
    view: ViewType,
) -> Result<Vec<Experiment>, Failure> {
    let mut experiments = Vec::new();
    let mut search = Search {
        max_results: PAGE,
        ..Search::default()
    };
    loop {
        let request = SearchExperiments {
            view,
            search: search.clone(),
        };
        let page = store
            .search_experiments(request)
            .await
            .map_err(|e| of_tracking(&e))?;
        experiments.extend(page.items);
        search.page_token = page.next_page_token;
        if search.page_token.is_none() {
            return Ok(experiments);
        }
    }
}

/// Names of all experiments by id.
pub(crate) async fn experiment_names(store: &dyn TrackingStore) -> Result<BTreeMap<String, String>, Failure> {
    let experiments = every_experiment(store, ViewType::All).await?;
    Ok(experiments
        .into_iter()
        .map(|experiment| (experiment.experiment_id, experiment.name))
        .collect())
}

/// The experiment of that name, else the one of that id; deleted ones too.
///
/// # Errors
/// Class config: there is none.
pub(crate) async fn find_experiment(store: &dyn TrackingStore, wanted: &str) -> Result<Experiment, Failure> {
    let named = match wanted.is_empty() {
        true => None,
        false => store
            .get_experiment_by_name(wanted)
            .await
            .map_err(|e| of_tracking(&e))?,
    };
    if let Some(experiment) = named {
        return Ok(experiment);
    }
    if !wanted.is_empty() && wanted.chars().all(|c| c.is_ascii_digit()) {
        match store.get_experiment(wanted).await {
            Err(TrackingError::ExperimentNotFound { .. }) => {}
            answer => return answer.map_err(|e| of_tracking(&e)),
        }
    }
    let names = experiment_names(store).await?;
    let names: Vec<&str> = names.values().map(String::as_str).collect();
    Err(config(format!("there is no experiment \"{wanted}\""))
        .hint(format!("experiments: {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rookery_tracking::{CreateExperiment, CreateRun, SqlStore, SystemEnvironment};

    use super::*;

    fn store() -> SqlStore {
        SqlStore::in_memory(Arc::new(SystemEnvironment)).unwrap()
    }

    async fn add(store: &SqlStore, name: &str) -> String {
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
        let store = store();
        let (first, _) = (add(&store, "adelie").await, add(&store, "gentoo").await);
        for wanted in [first.as_str(), &first[..31], "adelie"] {
            let found = find_run(&store, wanted).await.unwrap();
            assert_eq!(found.info.run_id, first, "{wanted}");
        }
        let failure = find_run(&store, "nobody").await.unwrap_err();
        assert_eq!(failure.message, "there is no run \"nobody\"");
        assert!(find_run(&store, "").await.is_err());
    }

    #[tokio::test]
    async fn names_with_quotes_and_wildcards_are_found() {
        let store = store();
        add(&store, "anyone").await;
        for name in [
            "it's",
            "say \"hi\"",
            "both ' and \"",
            "back\\",
            "100%",
            "a_b",
            "ペンギン",
        ] {
            let id = add(&store, name).await;
            assert_eq!(find_run(&store, name).await.unwrap().info.run_id, id, "{name}");
        }
        assert!(find_run(&store, "%").await.is_err());
    }

    #[tokio::test]
    async fn a_name_of_two_runs_is_not_guessed() {
        let store = store();
        let (first, second) = (add(&store, "adelie").await, add(&store, "adelie").await);
        let failure = find_run(&store, "adelie").await.unwrap_err();
        assert!(
            failure.message.starts_with("\"adelie\" fits several runs"),
            "{failure}"
        );
        assert!(
            failure.message.contains(&first) && failure.message.contains(&second),
            "{failure}"
        );
    }

    #[tokio::test]
    async fn an_experiment_is_found_by_name_before_id() {
        let store = store();
        let named = store
            .create_experiment(CreateExperiment::named("0"))
            .await
            .unwrap();
        assert_eq!(find_experiment(&store, "0").await.unwrap(), named);
        let id = named.experiment_id.clone();
        assert_eq!(find_experiment(&store, &id).await.unwrap(), named);
        let failure = find_experiment(&store, "birds").await.unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("experiments: Default, 0"));
    }
}
