//! The `[data]` and `[split]` parts of a job file, as written by the user.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::schema::ColumnType;
use crate::stores::StoreOptions;

/// Where rows come from and how they are cleaned (`[data]`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// The sources by table name, in the order of the file (`[data.sources.NAME]`).
    pub sources: Ordered<SourceSpec>,
    /// A query over the sources; without it the only source is taken as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Which rows with nulls are dropped.
    #[serde(default)]
    pub drop_nulls: DropNulls,
    /// Size at which files are cut into partitions, in bytes; a number or text such as `"8 MiB"`.
    #[serde(default = "default_partition_bytes")]
    pub partition_bytes: ByteSize,
    /// Partitions that the result of a query that mixes rows (join, aggregate ...) is spread over.
    #[serde(default = "default_sql_partitions")]
    pub sql_partitions: u32,
}

fn default_partition_bytes() -> ByteSize {
    ByteSize(8 << 20)
}

fn default_sql_partitions() -> u32 {
    16
}

/// One source: files of one format and shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// A path or a glob; relative paths start at the job file's folder. Or the URL of one: `s3://`, `gs://`, `az://`,
    /// `abfss://`, and `http://` or `https://` for a single file.
    pub path: String,
    /// How the store behind a URL is reached, where it is not the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreOptions>,
    /// The format; without it the file's ending decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The columns to read, in the order they get, and their types. Without it: every column, as text (CSV)
    /// or as the file says (Parquet).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Ordered<ColumnType>>,
    /// CSV: whether each file starts with a line of column names.
    #[serde(default = "yes")]
    pub header: bool,
    /// CSV: the character between fields.
    #[serde(default = "comma")]
    pub delimiter: AsciiChar,
    /// CSV: the character around fields that hold delimiters.
    #[serde(default = "double_quote")]
    pub quote: AsciiChar,
    /// CSV: the character before a quote inside a quoted field; without it quotes are doubled (RFC 4180).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escape: Option<AsciiChar>,
    /// CSV: lines that start with this character are skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<AsciiChar>,
    /// CSV: texts that mean null, beside the empty one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub null_tokens: Vec<String>,
    /// CSV: whether quoted fields may hold line breaks; such a file is one partition.
    #[serde(default)]
    pub multiline: bool,
    /// CSV: the compression; without it the file's ending decides. A compressed file is one partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
}

fn yes() -> bool {
    true
}

fn comma() -> AsciiChar {
    AsciiChar(b',')
}

fn double_quote() -> AsciiChar {
    AsciiChar(b'"')
}

/// File formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values (RFC 4180 and its dialects).
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// Compressions of CSV files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Plain text.
    None,
    /// RFC 1952, `.gz`.
    Gzip,
    /// RFC 8878, `.zst`.
    Zstd,
}

/// Which rows with nulls are dropped: none, those with a null anywhere, or with a null in named columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected true, false or a list of column names")]
pub enum DropNulls {
    /// `true`: any column; `false`: none.
    Any(bool),
    /// These columns only.
    Columns(Vec<String>),
}

impl Default for DropNulls {
    fn default() -> Self {
        Self::Any(false)
    }
}

/// How rows are shared out over parts (`[split]`): part 0 trains, part 1 tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSpec {
    /// What decides where a row goes.
    #[serde(default)]
    pub method: SplitMethod,
    /// Relative sizes of the parts; made to sum to 1.
    pub weights: Vec<f64>,
    /// The seed; the same seed gives the same parts on any cluster.
    #[serde(default)]
    pub seed: i64,
    /// The columns that decide, for `method = "key"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
}

/// What decides where a row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitMethod {
    /// Seed, partition and position in the partition.
    #[default]
    Row,
    /// Seed and the key columns: rows with equal keys stay together.
    Key,
    /// Spark's `randomSplit`, row for row.
    Spark,
}

/// A size in bytes, written as a number or as text with a unit (`"8 MiB"`, `"500 kB"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// The size that a text names; `None` if it names none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().ok()?;
        let factor = match text[digits..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1000,
            "kib" => 1 << 10,
            "mb" => 1_000_000,
            "mib" => 1 << 20,
            "gb" => 1_000_000_000,
            "gib" => 1 << 30,
            _ => return None,
        };
        number.checked_mul(factor).map(Self)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sizes;
        impl Visitor<'_> for Sizes {
            type Value = ByteSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size in bytes, such as 8388608 or \"8 MiB\"")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<ByteSize, E> {
                u64::try_from(v)
                    .map(ByteSize)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(v), &self))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(v))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<ByteSize, E> {
                ByteSize::parse(v).ok_or_else(|| E::invalid_value(de::Unexpected::Str(v), &self))
            }
        }
        deserializer.deserialize_any(Sizes)
    }
}

/// One ASCII character, as CSV dialects use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsciiChar(pub u8);

impl Serialize for AsciiChar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_char(char::from(self.0))
    }
}

impl<'de> Deserialize<'de> for AsciiChar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_bytes() {
            [byte] if byte.is_ascii() => Ok(Self(*byte)),
            _ => Err(de::Error::invalid_value(
                de::Unexpected::Str(&text),
                &"one ASCII character, such as \";\"",
            )),
        }
    }
}

/// A table of a job file whose order counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_units() {
        for (text, bytes) in [
            ("8 MiB", 8 << 20),
            ("500kB", 500_000),
            ("12", 12),
            ("1 GiB", 1 << 30),
        ] {
            assert_eq!(ByteSize::parse(text), Some(ByteSize(bytes)), "{text}");
        }
        for text in ["", "MiB", "8 parsecs", "-1", "99999999999 GiB"] {
            assert_eq!(ByteSize::parse(text), None, "{text}");
        }
    }
}
