//! Files by their path from the root, as a proxy needs them: streamed, so that a file of any size takes the memory of
//! one part.

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetRange, MultipartUpload, ObjectStoreExt, PutPayload};

use super::path::check_path;
use super::{ArtifactEntry, ArtifactStore, Result, parse};
use crate::error::TrackingError;

/// How much is held in memory before it is handed to the object store. Object stores want parts of 5 MiB or more.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Which bytes of a file are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first to the last, both included.
    Between(u64, u64),
    /// From this one on.
    From(u64),
    /// This many at the end.
    Last(u64),
}

/// A file that is being read.
pub struct OpenArtifact {
    /// The size of the whole file.
    pub size_bytes: u64,
    /// Which bytes the stream yields: all, or the range asked for as far as it lies in the file.
    pub range: std::ops::Range<u64>,
    /// The content.
    pub content: BoxStream<'static, Result<Bytes>>,
}

impl std::fmt::Debug for OpenArtifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenArtifact")
            .field("size_bytes", &self.size_bytes)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// What [`ArtifactStore::open`] found.
#[derive(Debug)]
pub enum Opened {
    /// The file.
    File(OpenArtifact),
    /// The file, of this size in bytes, has no byte in the range.
    OutOfRange(u64),
    /// There is no file, but files under that path.
    Directory,
    /// Neither a file nor a directory.
    Missing,
}

impl ArtifactStore {
    /// Stores a file at a path from the root, replacing one that is there, and returns its size in bytes. Readers see
    /// the old content or the new: if the content breaks off with an error, or the future is dropped, nothing is
    /// stored.
    pub async fn put_stream<E>(
        &self,
        path: &str,
        content: impl Stream<Item = std::result::Result<Bytes, E>> + Send,
    ) -> Result<u64>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let location = location(path)?;
        let mut content = std::pin::pin!(content.map_err(|_| broken_off(path)));
        let mut part = BytesMut::new();
        let mut upload: Option<Box<dyn MultipartUpload>> = None;
        let mut size_bytes = 0;
        let result = async {
            while let Some(chunk) = content.try_next().await? {
                size_bytes += chunk.len() as u64;
                part.extend_from_slice(&chunk);
                if part.len() >= PART_BYTES {
                    let upload = match &mut upload {
                        Some(upload) => upload,
                        None => upload.insert(self.begin(path, &location).await?),
                    };
                    put_part(path, upload, part.split().freeze()).await?;
                }
            }
            let rest = part.split().freeze();
            let Some(upload) = &mut upload else {
                let stored = self.objects.put(&location, rest.into()).await;
                return stored.map(drop).map_err(|error| failed("storing", path, error));
            };
            if !rest.is_empty() {
                put_part(path, upload, rest).await?;
            }
            let completed = upload.complete().await;
            completed
                .map(drop)
                .map_err(|error| failed("storing", path, error))
        }
        .await;
        if let (Err(_), Some(mut upload)) = (&result, upload)
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(path, %error, "the parts of a broken upload could not be removed");
        }
        result.map(|()| size_bytes)
    }

    /// Opens the file at a path from the root.
    pub async fn open(&self, path: &str, range: Option<ByteRange>) -> Result<Opened> {
        let location = location(path)?;
        let reading = |error| failed("reading", path, error);
        let head = match self.objects.head(&location).await {
            Ok(head) => head,
            Err(error) if is_missing(&error) => return self.directory_or_missing(&location).await,
            Err(error) => return Err(reading(error)),
        };
        let range = match range.map(|range| range.within(head.size)) {
            None => None,
            Some(Some(range)) => Some(GetRange::Bounded(range)),
            Some(None) => return Ok(Opened::OutOfRange(head.size)),
        };
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        let found = match self.objects.get_opts(&location, options).await {
            Ok(found) => found,
            Err(error) if is_missing(&error) => return Ok(Opened::Missing),
            Err(error) => return Err(reading(error)),
        };
        let path = path.to_owned();
        Ok(Opened::File(OpenArtifact {
            size_bytes: found.meta.size,
            range: found.range.clone(),
            content: found
                .into_stream()
                .map_err(move |error| failed("reading", &path, error))
                .boxed(),
        }))
    }

    /// Lists one directory, by its path from the root (`""` is the root itself), sorted. The entries' paths begin at
    /// the root. What is missing, or a file, has no entries.
    pub async fn list_dir(&self, path: &str) -> Result<Vec<ArtifactEntry>> {
        let prefix = if path.is_empty() {
            None
        } else {
            Some(location(path)?)
        };
        let listing = match self.objects.list_with_delimiter(prefix.as_ref()).await {
            Ok(listing) => listing,
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            Err(error) => return Err(failed("listing", path, error)),
        };
        let files = listing.objects.into_iter().map(|object| ArtifactEntry {
            path: object.location.into(),
            size_bytes: Some(object.size),
        });
        let directories = listing.common_prefixes.into_iter().map(|location| ArtifactEntry {
            path: location.into(),
            size_bytes: None,
        });
        let mut entries: Vec<ArtifactEntry> = files.chain(directories).collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// Deletes a file, or a directory and everything in it. Deleting what is not there is harmless.
    pub async fn delete(&self, path: &str) -> Result<()> {
        let location = location(path)?;
        let deleting = |error| failed("deleting", path, error);
        let mut files: Vec<ObjectPath> = match self
            .objects
            .list(Some(&location))
            .map_ok(|object| object.location)
            .try_collect()
            .await
        {
            Ok(files) => files,
            Err(error) if is_missing(&error) => Vec::new(),
            Err(error) => return Err(deleting(error)),
        };
        files.push(location);
        for file in &files {
            match self.objects.delete(file).await {
                Err(error) if !is_missing(&error) => return Err(deleting(error)),
                _ => {}
            }
        }
        Ok(())
    }

    async fn begin(&self, path: &str, location: &ObjectPath) -> Result<Box<dyn MultipartUpload>> {
        let begun = self.objects.put_multipart(location).await;
        begun.map_err(|error| failed("storing", path, error))
    }

    async fn directory_or_missing(&self, location: &ObjectPath) -> Result<Opened> {
        let found = self.list_dir(location.as_ref()).await?;
        Ok(if found.is_empty() {
            Opened::Missing
        } else {
            Opened::Directory
        })
    }
}

impl ByteRange {
    /// Returns the part of the range that lies in a file of this size, if any does.
    fn within(self, size: u64) -> Option<std::ops::Range<u64>> {
        let range = match self {
            ByteRange::Between(first, last) => first..last.saturating_add(1).min(size),
            ByteRange::From(first) => first..size,
            ByteRange::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

async fn put_part(path: &str, upload: &mut Box<dyn MultipartUpload>, part: Bytes) -> Result<()> {
    let put = upload.put_part(PutPayload::from_bytes(part)).await;
    put.map_err(|error| failed("storing", path, error))
}

fn location(path: &str) -> Result<ObjectPath> {
    check_path(path)?;
    parse(path)
}

/// Returns whether the error says that the path leads nowhere; also where a file stands in the place of a directory.
fn is_missing(error: &object_store::Error) -> bool {
    use std::io::ErrorKind;

    let is_not_found = matches!(error, object_store::Error::NotFound { .. });
    is_not_found
        || matches!(
            io_kind(error),
            Some(ErrorKind::NotFound | ErrorKind::NotADirectory)
        )
}

fn failed(action: &str, path: &str, error: object_store::Error) -> TrackingError {
    use std::io::ErrorKind;

    match io_kind(&error) {
        Some(ErrorKind::NotADirectory | ErrorKind::AlreadyExists) => TrackingError::invalid(
            "artifact path",
            format!("a part of {path:?} is a file, not a directory"),
        ),
        Some(ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty) => {
            TrackingError::invalid("artifact path", format!("{path:?} is a directory"))
        }
        Some(ErrorKind::InvalidFilename) => {
            TrackingError::invalid("artifact path", format!("the file system cannot hold {path:?}"))
        }
        _ => TrackingError::storage(format!("{action} artifact {path:?}"), error),
    }
}

/// Returns the kind of the file system's error under an object store's error.
fn io_kind(error: &object_store::Error) -> Option<std::io::ErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

fn broken_off(path: &str) -> TrackingError {
    TrackingError::rejected(format!("the content of artifact {path:?} broke off"))
}
