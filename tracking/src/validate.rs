//! MLflow's limits and naming rules: raw requests at the door, valid ones inside.
//!
//! Lengths are counted in characters, as MLflow counts them. What a client may show to a person is said in MLflow's own
//! words, so that what people find when they look for a message is about the message they saw.

mod batch;
mod models;
mod names;
pub(crate) mod registry;
mod requests;

pub(crate) use batch::ValidBatch;
pub(crate) use models::{create_logged_model, log_inputs, logged_model_params, logged_model_tags};
pub(crate) use requests::{
    create_experiment, create_run, experiment_name, experiment_tag, max_results, owner, search_logged_models,
    update_run,
};

use crate::error::TrackingError;

/// The longest name of an experiment, in characters.
pub const MAX_EXPERIMENT_NAME_CHARS: usize = 500;
/// The longest name of a run, in characters.
pub const MAX_RUN_NAME_CHARS: usize = 250;
/// The longest user or owner of a run, in characters.
pub const MAX_USER_CHARS: usize = 256;
/// The longest key of a metric, parameter or tag, in characters.
pub const MAX_KEY_CHARS: usize = 250;
/// The longest value of a parameter, in characters; longer ones are cut, as in MLflow.
pub const MAX_PARAM_VALUE_CHARS: usize = 6000;
/// The longest value of a run's tag, in characters; longer ones are cut, as in MLflow.
pub const MAX_TAG_VALUE_CHARS: usize = 8000;
/// The longest value of an experiment's tag, in characters.
pub const MAX_EXPERIMENT_TAG_VALUE_CHARS: usize = 20_000;
/// The longest value of a logged model's parameter or tag, in characters.
pub const MAX_MODEL_VALUE_CHARS: usize = 100_000;
/// The longest name of a dataset, in characters.
pub const MAX_DATASET_NAME_CHARS: usize = 500;
/// The most datasets that a search for logged models names.
pub const MAX_DATASETS_IN_SEARCH: usize = 100;
/// The longest digest of a dataset, in characters.
pub const MAX_DATASET_DIGEST_CHARS: usize = 36;
/// The longest source of a dataset, in characters.
pub const MAX_DATASET_SOURCE_CHARS: usize = 65_535;
/// The longest schema of a dataset, in characters.
pub const MAX_DATASET_SCHEMA_CHARS: usize = 1_048_575;
/// The longest profile of a dataset, in characters.
pub const MAX_DATASET_PROFILE_CHARS: usize = 16_777_215;
/// The longest key of a tag that says what a dataset was used for, in characters.
pub const MAX_INPUT_TAG_KEY_CHARS: usize = 255;
/// The longest value of a tag that says what a dataset was used for, in characters.
pub const MAX_INPUT_TAG_VALUE_CHARS: usize = 500;
/// The most metric points in one batch.
pub const MAX_METRICS_PER_BATCH: usize = 1000;
/// The most parameters in one batch.
pub const MAX_PARAMS_PER_BATCH: usize = 100;
/// The most tags in one batch.
pub const MAX_TAGS_PER_BATCH: usize = 100;
/// The most metric points, parameters and tags together in one batch.
pub const MAX_ENTITIES_PER_BATCH: usize = 1000;
/// The most datasets in one call.
pub const MAX_DATASETS_PER_BATCH: usize = 1000;
/// The most experiments or runs on one page.
pub const MAX_SEARCH_RESULTS: usize = 50_000;
/// The most logged models on one page.
pub const MAX_LOGGED_MODEL_RESULTS: usize = 1000;
/// The most metric points on one page of history.
pub const MAX_HISTORY_RESULTS: usize = 25_000;

type Result<T> = std::result::Result<T, TrackingError>;
