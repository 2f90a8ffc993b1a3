//! The [`ModelRegistry`] trait: names for models, their versions, aliases, and the journal of who changed what.

use std::fmt;

use async_trait::async_trait;

use crate::entities::{
    Actor, JournalEntry, MetricGate, ModelVersion, RegisteredModel, RegistrySnapshot, Stage, Tag,
};
use crate::page::Page;
use crate::store::{Result, Search};

/// Keeps registered models. Every change is written to the journal in the same transaction, with `by` as its author.
///
/// What is not there is [`TrackingError::NotFound`](crate::TrackingError::NotFound), a name that is taken
/// [`TrackingError::Exists`](crate::TrackingError::Exists).
#[async_trait]
pub trait ModelRegistry: Send + Sync + fmt::Debug {
    /// Creates a registered model without versions.
    async fn create_registered_model(
        &self,
        request: CreateRegisteredModel,
        by: &Actor,
    ) -> Result<RegisteredModel>;

    /// Returns the registered model.
    async fn get_registered_model(&self, name: &str) -> Result<RegisteredModel>;

    /// Renames the model; versions, aliases and journal go along.
    async fn rename_registered_model(
        &self,
        name: &str,
        new_name: &str,
        by: &Actor,
    ) -> Result<RegisteredModel>;

    /// Replaces the description.
    async fn describe_registered_model(
        &self,
        name: &str,
        description: &str,
        by: &Actor,
    ) -> Result<RegisteredModel>;

    /// Deletes the model and its versions. The journal stays.
    async fn delete_registered_model(&self, name: &str, by: &Actor) -> Result<()>;

    /// Searches registered models, at most 1000 on a page. Without an order: by name.
    async fn search_registered_models(&self, search: Search) -> Result<Page<RegisteredModel>>;

    /// Sets a tag, replacing its value.
    async fn set_registered_model_tag(&self, name: &str, tag: Tag, by: &Actor) -> Result<()>;

    /// Removes a tag. Removing one that is not set is harmless, as in MLflow.
    async fn delete_registered_model_tag(&self, name: &str, key: &str, by: &Actor) -> Result<()>;

    /// Adds a version, with the next number. The model must exist.
    async fn create_model_version(&self, request: CreateModelVersion, by: &Actor) -> Result<ModelVersion>;

    /// Returns the version.
    async fn get_model_version(&self, name: &str, version: u32) -> Result<ModelVersion>;

    /// Replaces the description.
    async fn describe_model_version(
        &self,
        name: &str,
        version: u32,
        description: &str,
        by: &Actor,
    ) -> Result<ModelVersion>;

    /// Deletes the version, and the aliases that point at it.
    async fn delete_model_version(&self, name: &str, version: u32, by: &Actor) -> Result<()>;

    /// Searches versions, at most 200 000 on a page. Without an order: newest change first, then by name, then newest
    /// version first.
    async fn search_model_versions(&self, search: Search) -> Result<Page<ModelVersion>>;

    /// Sets a tag, replacing its value.
    async fn set_model_version_tag(&self, name: &str, version: u32, tag: Tag, by: &Actor) -> Result<()>;

    /// Removes a tag. Removing one that is not set is harmless, as in MLflow.
    async fn delete_model_version_tag(&self, name: &str, version: u32, key: &str, by: &Actor) -> Result<()>;

    /// Moves a version to a stage; with `archive_existing`, those that are in it now are archived.
    async fn transition_stage(
        &self,
        name: &str,
        version: u32,
        stage: Stage,
        archive_existing: bool,
        by: &Actor,
    ) -> Result<ModelVersion>;

    /// Returns the newest version in each of the stages, or in every stage if none is named.
    async fn latest_versions(&self, name: &str, stages: &[Stage]) -> Result<Vec<ModelVersion>>;

    /// Points an alias at a version. Fails with [`TrackingError::WrongState`](crate::TrackingError::WrongState) if the
    /// alias has a gate and the version's metric does not pass it.
    async fn set_alias(&self, name: &str, alias: &str, version: u32, by: &Actor) -> Result<()>;

    /// Removes an alias. Removing one that is not set is harmless, as in MLflow.
    async fn delete_alias(&self, name: &str, alias: &str, by: &Actor) -> Result<()>;

    /// Returns the version that an alias points at.
    async fn get_version_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion>;

    /// Sets what a version must show before this alias may point at it; `None` takes the condition away.
    async fn set_alias_gate(
        &self,
        name: &str,
        alias: &str,
        gate: Option<MetricGate>,
        by: &Actor,
    ) -> Result<()>;

    /// Returns the conditions of the model's aliases, sorted by alias.
    async fn alias_gates(&self, name: &str) -> Result<Vec<(String, MetricGate)>>;

    /// Returns the journal of a model (under any name it had), or of the whole registry, newest first, at most 1000 on
    /// a page.
    async fn journal(&self, request: JournalQuery) -> Result<Page<JournalEntry>>;

    /// Returns what existed and what each alias pointed at, at a time: for one model by the name it had then, or for
    /// all, sorted by name.
    async fn as_of(&self, name: Option<&str>, time_ms: i64) -> Result<Vec<RegistrySnapshot>>;
}

/// What [`ModelRegistry::create_registered_model`] needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateRegisteredModel {
    /// Any text of 1 to 256 characters without `/` and `:`.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Notes on the model.
    pub tags: Vec<Tag>,
}

/// What [`ModelRegistry::create_model_version`] needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateModelVersion {
    /// The registered model.
    pub name: String,
    /// Where the files are: an artifact URI, or `models:/m-…` for a logged model.
    pub source: String,
    /// The run that made it; may be empty.
    pub run_id: String,
    /// The logged model it is made from.
    pub model_id: Option<String>,
    /// May be empty.
    pub run_link: String,
    /// May be empty.
    pub description: String,
    /// Notes on the version.
    pub tags: Vec<Tag>,
}

/// What [`ModelRegistry::journal`] returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalQuery {
    /// Only entries of this model.
    pub name: Option<String>,
    /// At most this many, 1 to 1000.
    pub max_results: usize,
    /// Where to go on: [`Page::next_page_token`] of the page before.
    pub page_token: Option<String>,
}
