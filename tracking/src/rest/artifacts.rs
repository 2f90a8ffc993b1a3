//! [`RestArtifacts`]: files through the tracking server (MLflow's artifact proxy), so that a client needs no access to
//! the storage behind it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::{Method, StatusCode, Url, header};
use serde::Deserialize;

use super::http::{Call, Fault, Http};
use crate::artifacts::ArtifactEntry;
use crate::artifacts::path::check_path;
use crate::error::TrackingError;
use crate::store::Result;

const SCHEME: &str = "mlflow-artifacts";

/// Keeps files under artifact URIs such as [`RunInfo::artifact_uri`](crate::RunInfo::artifact_uri): `root` in every
/// call. Paths are relative to it, separated by `/`.
#[derive(Debug, Clone)]
pub struct RestArtifacts {
    http: Arc<Http>,
}

/// What is sent; a file is opened anew for every attempt.
enum Content<'a> {
    Bytes(Bytes),
    File(&'a Path),
}

impl RestArtifacts {
    pub(super) fn new(http: Arc<Http>) -> Self {
        RestArtifacts { http }
    }

    /// Stores a file, replacing one of that path.
    pub async fn put(&self, root: &str, path: &str, content: impl Into<Bytes>) -> Result<()> {
        self.send(root, path, Content::Bytes(content.into())).await
    }

    /// Stores a local file without taking it into memory.
    pub async fn put_file(&self, root: &str, path: &str, file: &Path) -> Result<()> {
        self.send(root, path, Content::File(file)).await
    }

    /// Returns a file's content, or the part of it from `range.start` up to `range.end`, cut at the file's end.
    pub async fn get(&self, root: &str, path: &str, range: Option<Range<u64>>) -> Result<Bytes> {
        check_path(path)?;
        if range.as_ref().is_some_and(|range| range.is_empty()) {
            return Ok(Bytes::new());
        }
        let segments = self.segments(root, Some(path))?;
        let what = format!("GET artifact {root}/{path}");
        let mut tries = self.http.tries();
        loop {
            let mut request = self
                .http
                .request(Method::GET, &segments)
                .timeout(self.http.bounds.transfer);
            if let Some(range) = &range {
                request = request.header(header::RANGE, format!("bytes={}-{}", range.start, range.end - 1));
            }
            let fault = match self.http.send(request, &what).await {
                Ok(response) => {
                    let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
                    match response.bytes().await {
                        Ok(bytes) => return Ok(if is_part { bytes } else { part(bytes, range) }),
                        Err(error) => self.http.lost(&what, &error),
                    }
                }
                Err(fault) => fault,
            };
            tries.pause_after(fault).await?;
        }
    }

    /// Hands a file's content over in the parts in which it comes, so that it need not fit in memory; returns its length in
    /// bytes. When the connection breaks, it goes on behind what has been handed over.
    ///
    /// # Errors
    /// Those of [`get`](Self::get); what `take` says.
    pub async fn get_in_parts(
        &self,
        root: &str,
        path: &str,
        mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<u64> {
        check_path(path)?;
        let segments = self.segments(root, Some(path))?;
        let what = format!("GET artifact {root}/{path}");
        let mut tries = self.http.tries();
        let mut taken = 0_u64;
        loop {
            let mut request = self
                .http
                .request(Method::GET, &segments)
                .timeout(self.http.bounds.transfer);
            if taken > 0 {
                request = request.header(header::RANGE, format!("bytes={taken}-"));
            }
            let fault = match self.http.send(request, &what).await {
                Ok(mut response) => {
                    // MLflow's own server does not know ranges, and begins again.
                    let mut known: u64 = match response.status() {
                        StatusCode::PARTIAL_CONTENT => 0,
                        _ => taken,
                    };
                    loop {
                        match response.chunk().await {
                            Ok(Some(part)) => {
                                let new =
                                    &part[usize::try_from(known).unwrap_or(usize::MAX).min(part.len())..];
                                known = known.saturating_sub(part.len() as u64);
                                take(new).map_err(|error| {
                                    TrackingError::storage(
                                        format!("writing what came of {root}/{path}"),
                                        error,
                                    )
                                })?;
                                taken += new.len() as u64;
                            }
                            Ok(None) => return Ok(taken),
                            Err(error) => break self.http.lost(&what, &error),
                        }
                    }
                }
                Err(fault) => fault,
            };
            tries.pause_after(fault).await?;
        }
    }

    /// Lists one directory, sorted by path; `""` is the root itself. A directory that does not exist is empty.
    pub async fn list(&self, root: &str, directory: &str) -> Result<Vec<ArtifactEntry>> {
        #[derive(Deserialize)]
        struct File {
            path: String,
            #[serde(default)]
            is_dir: bool,
            // Missing for an empty file.
            #[serde(default)]
            file_size: u64,
        }
        #[derive(Deserialize)]
        struct Listing {
            #[serde(default)]
            files: Vec<File>,
        }
        let place = self.segments(root, Some(directory).filter(|directory| !directory.is_empty()))?;
        let inside = &place[ARTIFACTS.len()..];
        let call = Call::get("mlflow-artifacts/artifacts").query("path", inside.join("/"));
        let listing: Listing = self.http.call(&call).await?;
        let mut entries: Vec<ArtifactEntry> = (listing.files.into_iter())
            .map(|file| ArtifactEntry {
                path: if directory.is_empty() {
                    file.path
                } else {
                    format!("{directory}/{}", file.path)
                },
                size_bytes: (!file.is_dir).then_some(file.file_size),
            })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    async fn send(&self, root: &str, path: &str, content: Content<'_>) -> Result<()> {
        check_path(path)?;
        let segments = self.segments(root, Some(path))?;
        let what = format!("PUT artifact {root}/{path}");
        let mut tries = self.http.tries();
        loop {
            let (length, body) = content.open().await.map_err(|error| {
                TrackingError::storage(format!("reading the file for {root}/{path}"), error)
            })?;
            let request = self
                .http
                .request(Method::PUT, &segments)
                .timeout(self.http.bounds.transfer)
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .header(header::CONTENT_LENGTH, length)
                .body(body);
            let fault: Fault = match self.http.send(request, &what).await {
                Ok(_) => return Ok(()),
                Err(fault) => fault,
            };
            tries.pause_after(fault).await?;
        }
    }

    /// Resolves a URI relative to the tracking server, as MLflow's clients do.
    fn segments(&self, root: &str, path: Option<&str>) -> Result<Vec<String>> {
        let unsupported = |why: &str| TrackingError::Unsupported {
            message: format!(
                "artifacts under {root:?} cannot be reached: {why}; supported are {SCHEME}:/… URIs, which go through the \
                 tracking server {}",
                self.http.base()
            ),
        };
        let uri = Url::parse(root).map_err(|error| unsupported(&error.to_string()))?;
        if uri.scheme() != SCHEME {
            return Err(unsupported(&format!("their scheme is {:?}", uri.scheme())));
        }
        let base = self.http.base();
        let is_elsewhere = uri.host_str().is_some_and(|host| !host.is_empty())
            && (uri.host_str(), uri.port().or(base.port_or_known_default()))
                != (base.host_str(), base.port_or_known_default());
        if is_elsewhere {
            // Its credentials are not ours to send.
            return Err(unsupported("they lie on another server"));
        }
        // From the text as it was given: a parsed URI has lost its `..`, and with them the reason to refuse it.
        let given = root.split_once(':').map_or("", |(_, rest)| rest);
        let given = match given.strip_prefix("//") {
            Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
            None => given,
        };
        let inside = percent_encoding::percent_decode_str(given).decode_utf8_lossy();
        let whole = inside
            .split('/')
            .chain(path.into_iter().flat_map(|path| path.split('/')));
        let segments: Vec<&str> = whole.filter(|segment| !segment.is_empty()).collect();
        if !segments.is_empty() {
            check_path(&segments.join("/"))?;
        }
        Ok(ARTIFACTS.into_iter().chain(segments).map(str::to_owned).collect())
    }
}

/// Where the proxy lies on the server.
const ARTIFACTS: [&str; 4] = ["api", "2.0", "mlflow-artifacts", "artifacts"];

impl Content<'_> {
    async fn open(&self) -> std::io::Result<(u64, reqwest::Body)> {
        match self {
            Content::Bytes(bytes) => Ok((bytes.len() as u64, bytes.clone().into())),
            Content::File(path) => {
                let file = tokio::fs::File::open(path).await?;
                Ok((file.metadata().await?.len(), file.into()))
            }
        }
    }
}

/// Cuts a part out of a whole file: MLflow's own server does not know ranges.
fn part(bytes: Bytes, range: Option<Range<u64>>) -> Bytes {
    let Some(range) = range else {
        return bytes;
    };
    let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(at(range.start)..at(range.end))
}
