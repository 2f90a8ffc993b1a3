//! [`Identity`]: what tells one version of a file from another.

use std::fs::Metadata;
use std::time::UNIX_EPOCH;

use object_store::ObjectMeta;

/// Nanoseconds in a second: the resolution of times in HTTP's headers.
const SECOND_NS: i64 = 1_000_000_000;

/// What a file was when it was found. A job reads it only as long as it is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Size in bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds since the Unix epoch; 0 if that is not known.
    pub modified_ns: i64,
    /// The object store's own word for this version, if it has one.
    pub e_tag: Option<String>,
}

impl Identity {
    /// A file on disk.
    pub fn of_disk(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok();
        let age = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
        Self {
            size: metadata.len(),
            modified_ns: age.map_or(0, |age| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX)),
            e_tag: None,
        }
    }

    /// An object as its store tells of it.
    pub(crate) fn of_object(meta: &ObjectMeta) -> Self {
        Self {
            size: meta.size,
            modified_ns: meta.last_modified.timestamp_nanos_opt().unwrap_or(0),
            e_tag: meta.e_tag.clone(),
        }
    }

    /// Whether an object is the same. Stores list times to the millisecond and answer with seconds, and quote their tags
    /// in one place and not in another.
    pub(crate) fn is_same_object(&self, other: &Self) -> bool {
        let is_same_version = match (&self.e_tag, &other.e_tag) {
            (Some(tag), Some(other)) => bare(tag) == bare(other),
            _ => self.modified_ns / SECOND_NS == other.modified_ns / SECOND_NS,
        };
        self.size == other.size && is_same_version
    }

    /// A tag for HTTP that is another for each version of a file on disk.
    pub fn http_tag(&self) -> String {
        format!("\"{:x}-{:x}\"", self.size, self.modified_ns)
    }

    /// The tag as `If-Match` takes it. A weak one never matches there, and one that was listed without its quotes is none;
    /// then the answer alone tells.
    pub(crate) fn if_match(&self) -> Option<String> {
        self.e_tag.clone().filter(|tag| tag.starts_with('"'))
    }
}

fn bare(tag: &str) -> &str {
    tag.trim_start_matches("W/").trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(size: u64, modified_ns: i64, e_tag: Option<&str>) -> Identity {
        Identity {
            size,
            modified_ns,
            e_tag: e_tag.map(String::from),
        }
    }

    #[test]
    fn tags_decide_and_times_where_there_are_none() {
        let listed = object(5, 1_500_000_001, Some("\"abc\""));
        assert!(listed.is_same_object(&object(5, 0, Some("abc"))));
        assert!(!listed.is_same_object(&object(5, 1_500_000_001, Some("abd"))));
        assert!(!listed.is_same_object(&object(6, 1_500_000_001, Some("abc"))));
        assert!(listed.is_same_object(&object(5, 1_000_000_000, None)));
        assert!(!listed.is_same_object(&object(5, 2_000_000_000, None)));
    }

    #[test]
    fn a_weak_tag_is_no_condition() {
        assert_eq!(object(1, 0, Some("W/\"a\"")).if_match(), None);
        assert_eq!(object(1, 0, Some("a")).if_match(), None);
        assert_eq!(object(1, 0, Some("\"a\"")).if_match().as_deref(), Some("\"a\""));
    }
}
