//! `rookery models list`: every registered model, a line each.

use std::collections::BTreeMap;

use clap::Args;
use rookery_proto::Failure;
use rookery_tracking::entities::Alias;
use rookery_tracking::{ModelRegistry, RegisteredModel, Search};
use serde::Serialize;

use crate::args::JsonFlag;
use crate::diagnostic::of_tracking;
use crate::output::Output;
use crate::records::RecordsAt;
use crate::{table, times};

/// Longest description in the table.
const DESCRIPTION_LENGTH: usize = 60;

/// List registered models
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Which models, for example "name LIKE 'penguin%'" (MLflow's filter)
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

#[derive(Debug, Serialize)]
struct ModelObject<'a> {
    event: &'static str,
    name: &'a str,
    latest_version: Option<u32>,
    aliases: BTreeMap<&'a str, u32>,
    description: &'a str,
    creation_time_ms: i64,
    last_update_time_ms: i64,
    tags: BTreeMap<&'a str, &'a str>,
}

pub(super) async fn list(args: &ListArgs, at: &RecordsAt, output: &Output) -> Result<(), Failure> {
    let Some(records) = at.open_existing().await? else {
        output.note(&format!("no models yet in {}", at.place()));
        return Ok(());
    };
    let models = every_model(records.registry.as_ref(), args.filter.as_deref()).await?;
    match output.is_json() {
        true => models.iter().for_each(|model| output.object(&object(model))),
        false => output.line(&as_table(&models)),
    }
    Ok(())
}

async fn every_model(
    registry: &dyn ModelRegistry,
    filter: Option<&str>,
) -> Result<Vec<RegisteredModel>, Failure> {
    let mut search = Search::matching(filter.unwrap_or_default());
    let mut models = Vec::new();
    loop {
        let page = registry
            .search_registered_models(search.clone())
            .await
            .map_err(|e| of_tracking(&e))?;
        models.extend(page.items);
        search.page_token = page.next_page_token;
        if search.page_token.is_none() {
            return Ok(models);
        }
    }
}

fn latest(model: &RegisteredModel) -> Option<u32> {
    model.latest_versions.iter().map(|version| version.version).max()
}

fn object(model: &RegisteredModel) -> ModelObject<'_> {
    let (aliases, tags) = (model.aliases.iter(), model.tags.iter());
    ModelObject {
        event: "model",
        name: &model.name,
        latest_version: latest(model),
        aliases: aliases
            .map(|alias| (alias.alias.as_str(), alias.version))
            .collect(),
        description: &model.description,
        creation_time_ms: model.creation_timestamp_ms,
        last_update_time_ms: model.last_updated_timestamp_ms,
        tags: tags.map(|tag| (tag.key.as_str(), tag.value.as_str())).collect(),
    }
}

fn as_table(models: &[RegisteredModel]) -> String {
    let alias = |alias: &Alias| format!("{}→{}", alias.alias, alias.version);
    let rows = models.iter().map(|model| {
        let aliases: Vec<String> = model.aliases.iter().map(alias).collect();
        vec![
            model.name.clone(),
            latest(model).map_or_else(|| "-".to_string(), |version| version.to_string()),
            aliases.join(" "),
            times::local(model.last_updated_timestamp_ms),
            table::shortened(&model.description, DESCRIPTION_LENGTH),
        ]
    });
    table::table(&["NAME", "LATEST", "ALIASES", "CHANGED", "DESCRIPTION"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_wide() {
        let model = |name: &str, aliases: &[(&str, u32)]| RegisteredModel {
            name: name.into(),
            creation_timestamp_ms: 0,
            last_updated_timestamp_ms: 0,
            description: "d".repeat(100),
            latest_versions: Vec::new(),
            tags: Vec::new(),
            aliases: aliases
                .iter()
                .map(|(alias, version)| Alias {
                    alias: (*alias).to_string(),
                    version: *version,
                })
                .collect(),
        };
        let models = [
            model("ペンギン", &[("champion", 2), ("challenger", 3)]),
            model("birds", &[]),
        ];
        let text = as_table(&models).replace(&times::local(0), "CHANGED-AT");
        insta::assert_snapshot!(text, @r"
        NAME      LATEST  ALIASES                  CHANGED              DESCRIPTION
        ペンギン  -       champion→2 challenger→3  CHANGED-AT  ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd…
        birds     -                                CHANGED-AT  ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd…
        ");
    }
}
