//! [`AnnouncedStore`]: the files of one dataset as the engine's object store, and nothing else. Plans name them by number
//! under a URL of the dataset's own, so that no plan holds a path, and none can lead anywhere else.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as Location;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};

use super::source_file::{Content, SourceFile};
use crate::error::{DataError, Result};

/// The scheme of datasets' files in plans.
pub(super) const SCHEME: &str = "rookery";

/// The URL that plans name a dataset's files under.
pub(crate) fn url_of(dataset: &str) -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse(format!("{SCHEME}://{dataset}"))
        .map_err(|e| DataError::internal(format!("\"{dataset}\" is no name of a dataset: {e}")))
}

/// The dataset whose files are under a URL.
pub(crate) fn dataset_of(url: &ObjectStoreUrl) -> String {
    let rest = url.as_str().strip_prefix(SCHEME).unwrap_or_default();
    rest.trim_matches(|c| c == ':' || c == '/').to_string()
}

/// Where a plan finds a file. The dataset is in it because the engine keeps footers by location alone.
pub(crate) fn location_of(dataset: &str, number: usize) -> Location {
    Location::from_iter([dataset.to_string(), number.to_string()])
}

/// The files of one dataset.
pub(crate) struct AnnouncedStore {
    dataset: String,
    files: BTreeMap<Location, SourceFile>,
}

impl AnnouncedStore {
    pub(crate) fn new(dataset: &str, files: impl IntoIterator<Item = SourceFile>) -> Arc<Self> {
        let files = files.into_iter();
        Arc::new(Self {
            dataset: dataset.to_string(),
            files: files
                .map(|file| (location_of(dataset, file.number), file))
                .collect(),
        })
    }

    fn file(&self, location: &Location) -> object_store::Result<&SourceFile> {
        self.files.get(location).ok_or_else(|| Error::PermissionDenied {
            path: location.to_string(),
            source: format!("no file of dataset {} that was announced", self.dataset).into(),
        })
    }

    fn refused<T>(&self, operation: &str) -> object_store::Result<T> {
        Err(Error::NotImplemented {
            operation: operation.to_string(),
            implementer: self.to_string(),
        })
    }
}

/// The error in a form that says the same once it has travelled.
fn travelling(error: DataError) -> Error {
    Error::Generic {
        store: "source",
        source: error.marked().into(),
    }
}

fn meta(location: &Location, file: &SourceFile) -> ObjectMeta {
    ObjectMeta {
        location: location.clone(),
        last_modified: DateTime::<Utc>::from_timestamp_nanos(file.identity.modified_ns),
        size: file.identity.size,
        e_tag: None,
        version: None,
    }
}

#[async_trait]
impl ObjectStore for AnnouncedStore {
    async fn get_opts(&self, location: &Location, options: GetOptions) -> object_store::Result<GetResult> {
        let file = self.file(location)?;
        let meta = meta(location, file);
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(|e| Error::Generic {
                store: "source",
                source: e.into(),
            })?,
            None => 0..meta.size,
        };
        let payload = if options.head {
            GetResultPayload::Stream(futures::stream::empty().boxed())
        } else {
            match file.content(range.clone()).await.map_err(travelling)? {
                Content::File(file, path) => GetResultPayload::File(file, path),
                Content::Pieces(pieces) => GetResultPayload::Stream(pieces.map_err(travelling).boxed()),
            }
        };
        Ok(GetResult {
            payload,
            meta,
            range,
            attributes: Default::default(),
        })
    }

    async fn get_ranges(
        &self,
        location: &Location,
        ranges: &[Range<u64>],
    ) -> object_store::Result<Vec<Bytes>> {
        let file = self.file(location)?;
        let fetch = |range: Range<u64>| async move { file.bytes(range).await.map_err(travelling) };
        object_store::coalesce_ranges(ranges, fetch, object_store::OBJECT_STORE_COALESCE_DEFAULT).await
    }

    fn list(&self, _prefix: Option<&Location>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let refused = self.refused("list");
        futures::stream::once(async { refused }).boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Location>) -> object_store::Result<ListResult> {
        self.refused("list")
    }

    async fn put_opts(
        &self,
        _location: &Location,
        _payload: PutPayload,
        _options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.refused("put")
    }

    async fn put_multipart_opts(
        &self,
        _location: &Location,
        _options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.refused("put")
    }

    fn delete_stream(
        &self,
        _locations: BoxStream<'static, object_store::Result<Location>>,
    ) -> BoxStream<'static, object_store::Result<Location>> {
        let refused = self.refused("delete");
        futures::stream::once(async { refused }).boxed()
    }

    async fn copy_opts(
        &self,
        _from: &Location,
        _to: &Location,
        _options: CopyOptions,
    ) -> object_store::Result<()> {
        self.refused("copy")
    }
}

impl fmt::Display for AnnouncedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sources of {}", self.dataset)
    }
}

impl fmt::Debug for AnnouncedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnnouncedStore({}, {} files)", self.dataset, self.files.len())
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;

    use super::*;

    #[test]
    fn a_url_names_its_dataset() {
        assert_eq!(dataset_of(&url_of("j1-data").unwrap()), "j1-data");
    }

    #[tokio::test]
    async fn only_what_was_announced_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "id\n1\n").unwrap();
        let file = SourceFile::on_disk(&path, "data.sources.t.path").unwrap();
        let store = AnnouncedStore::new("d", [file]);
        let read = store.get_range(&location_of("d", 0), 3..4).await.unwrap();
        assert_eq!(read, "1");
        let elsewhere = Location::from_absolute_path(&path).unwrap();
        for location in [
            location_of("d", 1),
            location_of("e", 0),
            elsewhere,
            "etc/passwd".into(),
        ] {
            let error = store.get(&location).await.unwrap_err();
            assert!(
                matches!(error, Error::PermissionDenied { .. }),
                "{location}: {error}"
            );
            assert!(store.get_ranges(&location, &[0..1, 1..2]).await.is_err());
            assert!(store.head(&location).await.is_err());
        }
        assert!(store.list(None).try_next().await.is_err());
        assert!(store.put(&location_of("d", 0), "x".into()).await.is_err());
        assert!(store.delete(&location_of("d", 0)).await.is_err());
        assert_eq!(std::fs::read_to_string(path).unwrap(), "id\n1\n");
    }
}
