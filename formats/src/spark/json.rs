//! The `metadata` of pipelines and stages: which class it is, what it is called, and its parameters.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SPARK_VERSION;
use crate::{Format, FormatError, ModelFile};

/// The line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) class: String,
    /// Milliseconds since the Unix epoch.
    timestamp: i64,
    spark_version: String,
    pub(super) uid: String,
    /// What was set.
    param_map: Map<String, Value>,
    /// What holds where nothing was set.
    #[serde(default)]
    default_param_map: Map<String, Value>,
}

impl Metadata {
    pub(super) fn new(class: &str, timestamp: i64, uid: &str, params: Value, defaults: Value) -> Self {
        let map = |value| match value {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Self {
            class: class.to_owned(),
            timestamp,
            spark_version: SPARK_VERSION.to_owned(),
            uid: uid.to_owned(),
            param_map: map(params),
            default_param_map: map(defaults),
        }
    }

    /// The file, below `folder`.
    pub(super) fn file(&self, folder: &str) -> Result<ModelFile, FormatError> {
        let content = serde_json::to_vec(self).map_err(|e| Format::Spark.invalid(e))?;
        Ok(ModelFile {
            path: format!("{folder}metadata/part-00000"),
            content: [content, b"\n".to_vec()].concat(),
        })
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        serde_json::from_slice(bytes).map_err(|e| Format::Spark.invalid(format!("metadata: {e}")))
    }

    fn param(&self, name: &str) -> Option<&Value> {
        self.param_map
            .get(name)
            .or_else(|| self.default_param_map.get(name))
    }

    /// A parameter that must be there.
    pub(super) fn get<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<T, FormatError> {
        let value = self.find(name)?;
        value.ok_or_else(|| Format::Spark.invalid(format!("{} lacks its parameter {name}", self.uid)))
    }

    /// A parameter that may be there.
    pub(super) fn find<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<Option<T>, FormatError> {
        let value = self.param(name).map(|value| T::deserialize(value));
        value
            .transpose()
            .map_err(|e| Format::Spark.invalid(format!("{}, {name}: {e}", self.uid)))
    }
}
