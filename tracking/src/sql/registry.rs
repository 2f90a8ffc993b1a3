//! [`ModelRegistry`] in SQL. Requests are checked here; what is in the modules below runs in one transaction, the lines
//! of the journal included.
//!
//! In reading order: `change` (what every write has at hand), `rows` (how records are read), `models`, `versions` and
//! `source`, `stages`, `tags`, `aliases` and `gates`, `search`; then `journal`, `lives` (which lines of it are about
//! which model) and `replay`.

use async_trait::async_trait;

use super::SqlStore;
use crate::entities::{
    Actor, JournalEntry, MetricGate, ModelVersion, RegisteredModel, RegistrySnapshot, Stage, Tag,
};
use crate::page::Page;
use crate::registry::{CreateModelVersion, CreateRegisteredModel, JournalQuery, ModelRegistry};
use crate::search::Target;
use crate::store::{Result, Search};
use crate::validate::registry as check;

mod aliases;
mod change;
mod gates;
mod journal;
mod lives;
mod models;
mod replay;
mod rows;
mod search;
mod source;
mod stages;
mod tags;
mod versions;

use change::Change;

#[async_trait]
impl ModelRegistry for SqlStore {
    async fn create_registered_model(
        &self,
        request: CreateRegisteredModel,
        by: &Actor,
    ) -> Result<RegisteredModel> {
        let request = check::create_model(request)?;
        self.change("creating a registered model", by, move |change| {
            models::create(change, &request)
        })
        .await
    }

    async fn get_registered_model(&self, name: &str) -> Result<RegisteredModel> {
        check::name(name)?;
        let name = name.to_owned();
        self.pool
            .read("reading a registered model", move |session| {
                models::get(session, &name)
            })
            .await
    }

    async fn rename_registered_model(
        &self,
        name: &str,
        new_name: &str,
        by: &Actor,
    ) -> Result<RegisteredModel> {
        check::new_name(new_name)?;
        check::name(name)?;
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        self.change("renaming a registered model", by, move |change| {
            models::rename(change, &name, &new_name)
        })
        .await
    }

    async fn describe_registered_model(
        &self,
        name: &str,
        description: &str,
        by: &Actor,
    ) -> Result<RegisteredModel> {
        check::name(name)?;
        check::description(description)?;
        let (name, description) = (name.to_owned(), description.to_owned());
        self.change("describing a registered model", by, move |change| {
            models::describe(change, &name, &description)
        })
        .await
    }

    async fn delete_registered_model(&self, name: &str, by: &Actor) -> Result<()> {
        check::name(name)?;
        let name = name.to_owned();
        self.change("deleting a registered model", by, move |change| {
            models::delete(change, &name)
        })
        .await
    }

    async fn search_registered_models(&self, search: Search) -> Result<Page<RegisteredModel>> {
        check::page_size(search.max_results, 1000)?;
        let search = search::without_prompts(Target::RegisteredModels, search)?;
        self.pool
            .read("searching registered models", move |session| {
                search::models(session, &search)
            })
            .await
    }

    async fn set_registered_model_tag(&self, name: &str, tag: Tag, by: &Actor) -> Result<()> {
        check::name(name)?;
        check::tag(&tag)?;
        let name = name.to_owned();
        self.change("tagging a registered model", by, move |change| {
            tags::set(change, tags::Owner::Model(&name), &tag)
        })
        .await
    }

    async fn delete_registered_model_tag(&self, name: &str, key: &str, by: &Actor) -> Result<()> {
        check::name(name)?;
        check::tag_key(key)?;
        let (name, key) = (name.to_owned(), key.to_owned());
        self.change("removing a tag of a registered model", by, move |change| {
            tags::delete(change, tags::Owner::Model(&name), &key)
        })
        .await
    }

    async fn create_model_version(&self, request: CreateModelVersion, by: &Actor) -> Result<ModelVersion> {
        let request = check::create_version(request)?;
        self.change("creating a model version", by, move |change| {
            versions::create(change, &request)
        })
        .await
    }

    async fn get_model_version(&self, name: &str, version: u32) -> Result<ModelVersion> {
        check::name(name)?;
        let name = name.to_owned();
        self.pool
            .read("reading a model version", move |session| {
                versions::get(session, &name, version)
            })
            .await
    }

    async fn describe_model_version(
        &self,
        name: &str,
        version: u32,
        description: &str,
        by: &Actor,
    ) -> Result<ModelVersion> {
        check::name(name)?;
        check::description(description)?;
        let (name, description) = (name.to_owned(), description.to_owned());
        self.change("describing a model version", by, move |change| {
            versions::describe(change, &name, version, &description)
        })
        .await
    }

    async fn delete_model_version(&self, name: &str, version: u32, by: &Actor) -> Result<()> {
        check::name(name)?;
        let name = name.to_owned();
        self.change("deleting a model version", by, move |change| {
            versions::delete(change, &name, version)
        })
        .await
    }

    async fn search_model_versions(&self, search: Search) -> Result<Page<ModelVersion>> {
        check::page_size(search.max_results, 200_000)?;
        let search = search::without_prompts(Target::ModelVersions, search)?;
        self.pool
            .read("searching model versions", move |session| {
                search::versions(session, &search)
            })
            .await
    }

    async fn set_model_version_tag(&self, name: &str, version: u32, tag: Tag, by: &Actor) -> Result<()> {
        check::name(name)?;
        check::tag(&tag)?;
        let name = name.to_owned();
        self.change("tagging a model version", by, move |change| {
            tags::set(change, tags::Owner::Version(&name, version), &tag)
        })
        .await
    }

    async fn delete_model_version_tag(&self, name: &str, version: u32, key: &str, by: &Actor) -> Result<()> {
        check::name(name)?;
        check::tag_key(key)?;
        let (name, key) = (name.to_owned(), key.to_owned());
        self.change("removing a tag of a model version", by, move |change| {
            tags::delete(change, tags::Owner::Version(&name, version), &key)
        })
        .await
    }

    async fn transition_stage(
        &self,
        name: &str,
        version: u32,
        stage: Stage,
        archive_existing: bool,
        by: &Actor,
    ) -> Result<ModelVersion> {
        check::name(name)?;
        stages::check_archiving(stage, archive_existing)?;
        let name = name.to_owned();
        self.change("moving a model version to a stage", by, move |change| {
            stages::transition(change, &name, version, stage, archive_existing)
        })
        .await
    }

    async fn latest_versions(&self, name: &str, stages: &[Stage]) -> Result<Vec<ModelVersion>> {
        check::name(name)?;
        let (name, stages) = (name.to_owned(), stages.to_vec());
        self.pool
            .read("reading the latest versions of a model", move |session| {
                stages::latest(session, &name, &stages)
            })
            .await
    }

    async fn set_alias(&self, name: &str, alias: &str, version: u32, by: &Actor) -> Result<()> {
        check::name(name)?;
        check::new_alias(alias)?;
        let (name, alias) = (name.to_owned(), alias.to_owned());
        self.change("setting an alias", by, move |change| {
            aliases::set(change, &name, &alias, version)
        })
        .await
    }

    async fn delete_alias(&self, name: &str, alias: &str, by: &Actor) -> Result<()> {
        check::name(name)?;
        check::alias(alias)?;
        let (name, alias) = (name.to_owned(), alias.to_owned());
        self.change("removing an alias", by, move |change| {
            aliases::delete(change, &name, &alias)
        })
        .await
    }

    async fn get_version_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion> {
        check::name(name)?;
        check::alias(alias)?;
        let (name, alias) = (name.to_owned(), alias.to_owned());
        self.pool
            .read("reading the version of an alias", move |session| {
                aliases::version(session, &name, &alias)
            })
            .await
    }

    async fn set_alias_gate(
        &self,
        name: &str,
        alias: &str,
        gate: Option<MetricGate>,
        by: &Actor,
    ) -> Result<()> {
        check::name(name)?;
        check::new_alias(alias)?;
        gate.as_ref().map_or(Ok(()), check::gate)?;
        let (name, alias) = (name.to_owned(), alias.to_owned());
        self.change("setting the condition of an alias", by, move |change| {
            gates::set(change, &name, &alias, gate.as_ref())
        })
        .await
    }

    async fn alias_gates(&self, name: &str) -> Result<Vec<(String, MetricGate)>> {
        check::name(name)?;
        let name = name.to_owned();
        self.pool
            .read("reading the conditions of aliases", move |session| {
                gates::list(session, &name)
            })
            .await
    }

    async fn journal(&self, request: JournalQuery) -> Result<Page<JournalEntry>> {
        check::page_size(request.max_results, 1000)?;
        request.name.as_deref().map_or(Ok(()), check::name)?;
        let before = journal::parse_token(request.page_token.as_deref())?;
        self.pool
            .read("reading the registry's journal", move |session| {
                journal::page(session, request.name.as_deref(), before, request.max_results)
            })
            .await
    }

    async fn as_of(&self, name: Option<&str>, time_ms: i64) -> Result<Vec<RegistrySnapshot>> {
        name.map_or(Ok(()), check::name)?;
        let name = name.map(str::to_owned);
        self.pool
            .read("replaying the registry's journal", move |session| {
                replay::as_of(session, name.as_deref(), time_ms)
            })
            .await
    }
}
