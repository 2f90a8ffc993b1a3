//! What can be searched, and by which attributes.

/// What a search looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// Runs: attributes, metrics, parameters, tags and the datasets they used.
    Runs,
    /// Experiments: attributes and tags.
    Experiments,
    /// Registered models: attributes and tags.
    RegisteredModels,
    /// Versions of registered models: attributes and tags.
    ModelVersions,
    /// Logged models: attributes, metrics, parameters and tags.
    LoggedModels,
}

/// An attribute that is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextAttribute {
    /// The id of a run, or of the run a model version came from.
    RunId,
    /// The name of a run.
    RunName,
    /// The status of a run or logged model, as MLflow writes it: `FINISHED`, `READY`. A word that is no status is
    /// equal to none.
    Status,
    /// The user of a run.
    UserId,
    /// Where a run's artifacts are.
    ArtifactUri,
    /// The name of an experiment, registered model, model version or logged model.
    Name,
    /// The id of an experiment, or of the experiment of a logged model.
    ExperimentId,
    /// Where a model version was made from.
    SourcePath,
    /// The id of a logged model.
    ModelId,
    /// The kind of a logged model.
    ModelType,
    /// The run that logged a model.
    SourceRunId,
    /// Where a logged model's artifacts are.
    ArtifactLocation,
}

/// An attribute that is a whole number: a time in milliseconds since 1970, or a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberAttribute {
    /// When a run started.
    StartTime,
    /// When a run ended; running ones have none.
    EndTime,
    /// When an experiment or model was created.
    Created,
    /// When an experiment or model was last changed.
    LastUpdated,
    /// The version of a model version.
    VersionNumber,
}

/// An attribute of either type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Text(TextAttribute),
    Number(NumberAttribute),
}

/// An attribute of one target: its names, the first being the one to print, and where it may stand.
#[derive(Debug)]
pub(super) struct AttributeKey {
    pub(super) names: &'static [&'static str],
    /// Further names, which orders do not take.
    pub(super) filter_names: &'static [&'static str],
    pub(super) attribute: Attribute,
    pub(super) in_filters: bool,
    pub(super) in_orders: bool,
    /// Whether `IN` takes it.
    pub(super) in_lists: bool,
}

impl AttributeKey {
    const fn text(attribute: TextAttribute, names: &'static [&'static str]) -> Self {
        AttributeKey::new(Attribute::Text(attribute), names)
    }

    const fn number(attribute: NumberAttribute, names: &'static [&'static str]) -> Self {
        AttributeKey::new(Attribute::Number(attribute), names)
    }

    const fn new(attribute: Attribute, names: &'static [&'static str]) -> Self {
        AttributeKey {
            names,
            filter_names: &[],
            attribute,
            in_filters: true,
            in_orders: true,
            in_lists: false,
        }
    }

    const fn listed(mut self) -> Self {
        self.in_lists = true;
        self
    }

    const fn also_in_filters(mut self, names: &'static [&'static str]) -> Self {
        self.filter_names = names;
        self
    }

    const fn only_in_orders(mut self) -> Self {
        self.in_filters = false;
        self
    }

    const fn only_in_filters(mut self) -> Self {
        self.in_orders = false;
        self
    }
}

const RUNS: &[AttributeKey] = &[
    AttributeKey::text(TextAttribute::RunId, &["run_id"]).listed(),
    AttributeKey::text(TextAttribute::RunName, &["run_name"])
        .also_in_filters(&["run name", "Run name", "Run Name"]),
    AttributeKey::text(TextAttribute::Status, &["status"]),
    AttributeKey::text(TextAttribute::UserId, &["user_id"]),
    AttributeKey::text(TextAttribute::ArtifactUri, &["artifact_uri"]),
    AttributeKey::number(NumberAttribute::StartTime, &["start_time", "created", "Created"]),
    AttributeKey::number(NumberAttribute::EndTime, &["end_time"]),
];

const EXPERIMENTS: &[AttributeKey] = &[
    AttributeKey::text(TextAttribute::Name, &["name"]),
    AttributeKey::text(TextAttribute::ExperimentId, &["experiment_id"]).listed(),
    AttributeKey::number(NumberAttribute::Created, &["creation_time"]),
    AttributeKey::number(NumberAttribute::LastUpdated, &["last_update_time"]),
];

const REGISTERED_MODELS: &[AttributeKey] = &[
    AttributeKey::text(TextAttribute::Name, &["name"]).listed(),
    AttributeKey::number(NumberAttribute::Created, &["creation_timestamp"]).only_in_orders(),
    AttributeKey::number(
        NumberAttribute::LastUpdated,
        &["last_updated_timestamp", "timestamp"],
    )
    .only_in_orders(),
];

const MODEL_VERSIONS: &[AttributeKey] = &[
    AttributeKey::text(TextAttribute::Name, &["name"]).listed(),
    AttributeKey::number(NumberAttribute::VersionNumber, &["version_number"]),
    AttributeKey::text(TextAttribute::RunId, &["run_id"])
        .listed()
        .only_in_filters(),
    AttributeKey::text(TextAttribute::SourcePath, &["source_path"]).only_in_filters(),
    AttributeKey::number(NumberAttribute::Created, &["creation_timestamp"]).only_in_orders(),
    AttributeKey::number(NumberAttribute::LastUpdated, &["last_updated_timestamp"]).only_in_orders(),
];

const LOGGED_MODELS: &[AttributeKey] = &[
    AttributeKey::text(TextAttribute::Name, &["name"]).listed(),
    AttributeKey::text(TextAttribute::ModelId, &["model_id"]).listed(),
    AttributeKey::text(TextAttribute::ModelType, &["model_type"]).listed(),
    AttributeKey::text(TextAttribute::Status, &["status"]).listed(),
    AttributeKey::text(TextAttribute::SourceRunId, &["source_run_id"]).listed(),
    AttributeKey::text(TextAttribute::ExperimentId, &["experiment_id"]).listed(),
    AttributeKey::text(TextAttribute::ArtifactLocation, &["artifact_location"]).listed(),
    AttributeKey::number(
        NumberAttribute::Created,
        &["creation_timestamp_ms", "creation_timestamp", "creation_time"],
    ),
    AttributeKey::number(
        NumberAttribute::LastUpdated,
        &["last_updated_timestamp_ms", "last_updated_timestamp"],
    ),
];

impl Target {
    pub(super) fn attributes(self) -> &'static [AttributeKey] {
        match self {
            Target::Runs => RUNS,
            Target::Experiments => EXPERIMENTS,
            Target::RegisteredModels => REGISTERED_MODELS,
            Target::ModelVersions => MODEL_VERSIONS,
            Target::LoggedModels => LOGGED_MODELS,
        }
    }

    /// Returns the attribute's entry, unless this target has no such attribute: trees can be built by hand.
    pub(super) fn key_of(self, attribute: Attribute) -> Option<&'static AttributeKey> {
        self.attributes().iter().find(|key| key.attribute == attribute)
    }
}
