//! [`SourceFile`]: a file of a source, wherever it is. Its bytes come from one function, which also sees to it that they
//! are those of the file that was planned with.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as Location;
use object_store::{GetOptions, GetRange, ObjectStore};

use super::disk::{open_same, read_at, unreadable};
use super::failure;
use super::identity::Identity;
use super::store::Store;
use crate::error::{DataError, DataErrorKind, Result};

/// How much of a remote file one request asks for. Each is small enough to come within a store's time for an answer, and
/// is tried again by itself.
const PIECE_BYTES: u64 = 4 << 20;
/// How much is asked for first where a header or a page's head may be all that is needed; then more and more.
const FIRST_PIECE_BYTES: u64 = 64 << 10;
/// How long one piece may take, with everything that is tried for it.
const PIECE_LIMIT: Duration = Duration::from_secs(170);

/// A file of a source.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its position among the files of all sources of a job: how plans name it.
    pub number: usize,
    /// What people call it: its absolute path, or its URL.
    pub name: String,
    /// The key of the job file that names it.
    pub source: String,
    /// What it was when it was found.
    pub identity: Identity,
    /// On this machine's disk.
    pub(super) disk: Option<PathBuf>,
    /// Elsewhere; asked for if it is not on disk.
    pub(super) remote: Option<Remote>,
}

/// A file that is asked for by a protocol.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    pub(super) client: Arc<dyn ObjectStore>,
    pub(super) location: Location,
    /// What it was, in its store's words.
    pub(super) identity: Identity,
    pub(super) host: Host,
}

/// Who answers for a remote file.
#[derive(Debug, Clone)]
pub(super) enum Host {
    /// A store that the driver found it in.
    Known(Arc<Store>),
    /// A store that the driver granted.
    Granted,
    /// The driver, at this URL.
    Driver(String),
}

/// The bytes of a file, from a range on.
pub(super) enum Content {
    /// An open file that is known to be the right one; not positioned.
    File(File, PathBuf),
    /// The range, piece by piece.
    Pieces(BoxStream<'static, Result<Bytes>>),
}

impl SourceFile {
    /// A file on disk, as it is now.
    ///
    /// # Errors
    /// It can't be opened.
    pub(super) fn on_disk(name: &Path, source: &str) -> std::io::Result<Self> {
        let metadata = File::open(name)?.metadata()?;
        let path = name.canonicalize()?;
        Ok(Self {
            number: 0,
            name: path.display().to_string(),
            source: source.to_string(),
            identity: Identity::of_disk(&metadata),
            disk: Some(path),
            remote: None,
        })
    }

    /// Its path, if it is on this machine's disk.
    pub fn path(&self) -> Option<&Path> {
        self.disk.as_deref()
    }

    /// What kind of place it is in, in MLflow's words: `local`, `s3`, `gs`, `abfss`, `http`.
    pub fn kind(&self) -> &'static str {
        match self.remote.as_ref().map(|remote| &remote.host) {
            Some(Host::Known(store)) => store.kind,
            _ => "local",
        }
    }

    /// The bytes in `range`, for somebody who reads all of them.
    pub(super) async fn content(&self, range: Range<u64>) -> Result<Content> {
        self.content_from(range, PIECE_BYTES).await
    }

    /// The bytes from `start` on, for somebody who may stop soon.
    pub(super) async fn beginning(&self, start: u64) -> Result<Content> {
        self.content_from(start..self.identity.size, FIRST_PIECE_BYTES)
            .await
    }

    async fn content_from(&self, range: Range<u64>, first_piece: u64) -> Result<Content> {
        if let Some(path) = &self.disk {
            match (open_same(path.clone(), self.identity.clone()).await, &self.remote) {
                (Ok(file), _) => return Ok(Content::File(file, path.clone())),
                (Err(found), None) => return Err(found.describe(&self.name)),
                // This machine's disk is another one than the driver's, or it is the driver who must say what is wrong.
                (Err(_), Some(_)) => {}
            }
        }
        match &self.remote {
            Some(remote) => Ok(Content::Pieces(self.pieces(remote.clone(), range, first_piece))),
            None => Err(DataError::internal("the file is nowhere").at(self.name.as_str())),
        }
    }

    /// The bytes in `range`, all at once.
    pub(super) async fn bytes(&self, range: Range<u64>) -> Result<Bytes> {
        match self.content(range.clone()).await? {
            Content::File(file, _) => {
                let read = tokio::task::spawn_blocking(move || read_at(file, range)).await;
                read.map_err(|e| DataError::internal(e.to_string()))?
                    .map_err(|e| unreadable(&self.name, &e))
            }
            Content::Pieces(mut pieces) => {
                let mut all = BytesMut::new();
                while let Some(piece) = pieces.try_next().await? {
                    if piece.len() as u64 == range.end - range.start {
                        return Ok(piece);
                    }
                    all.extend_from_slice(&piece);
                }
                Ok(all.freeze())
            }
        }
    }

    fn pieces(
        &self,
        remote: Remote,
        range: Range<u64>,
        first_piece: u64,
    ) -> BoxStream<'static, Result<Bytes>> {
        let file = self.clone();
        stream::try_unfold((range.start, first_piece), move |(start, length)| {
            let (file, remote) = (file.clone(), remote.clone());
            async move {
                if start >= range.end {
                    return Ok(None);
                }
                let end = range.end.min(start + length);
                let piece = file.piece(&remote, start..end).await?;
                Ok(Some((piece, (end, PIECE_BYTES.min(length * 4)))))
            }
        })
        .boxed()
    }

    /// One piece, if the file is still the same.
    async fn piece(&self, remote: &Remote, range: Range<u64>) -> Result<Bytes> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: remote.identity.if_match(),
            ..GetOptions::default()
        };
        let asked = async {
            let result = remote.client.get_opts(&remote.location, options).await?;
            let found = Identity::of_object(&result.meta);
            Ok((found, result.bytes().await?))
        };
        let answer = match tokio::time::timeout(PIECE_LIMIT, asked).await {
            Ok(answer) => answer.map_err(|error| self.of_store(remote, &error))?,
            Err(_) => {
                let late = object_store::Error::Generic {
                    store: "source",
                    source: format!("no answer within {} s", PIECE_LIMIT.as_secs()).into(),
                };
                return Err(self.of_store(remote, &late));
            }
        };
        let (found, bytes) = answer;
        if !remote.identity.is_same_object(&found) {
            return Err(failure::changed(&self.name));
        }
        if bytes.len() as u64 != range.end - range.start {
            let message = format!(
                "{} bytes came, {} were asked for",
                bytes.len(),
                range.end - range.start
            );
            return Err(DataError::data(message).at(self.name.as_str()));
        }
        Ok(bytes)
    }

    fn of_store(&self, remote: &Remote, error: &object_store::Error) -> DataError {
        let told = failure::of_store(&self.name, &self.source, error);
        let Host::Driver(url) = &remote.host else {
            return told;
        };
        // What a worker and its driver have to say to each other is no affair of the job's author.
        match error {
            object_store::Error::Precondition { .. } => told,
            _ => DataError::new(
                DataErrorKind::Unreachable,
                format!("the driver does not serve {}: {}", self.name, told.message),
            )
            .at(url.as_str()),
        }
    }
}

#[cfg(test)]
impl SourceFile {
    /// A file of some size that nobody will read.
    pub(crate) fn fake(name: &str, size: u64) -> Self {
        Self {
            number: 0,
            name: name.to_string(),
            source: "data.sources.t.path".to_string(),
            identity: Identity {
                size,
                modified_ns: 0,
                e_tag: None,
            },
            disk: None,
            remote: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    async fn remote(client: &Arc<InMemory>, content: &[u8]) -> SourceFile {
        let location = Location::from("f.csv");
        client.put(&location, content.to_vec().into()).await.unwrap();
        let identity = Identity::of_object(&client.head(&location).await.unwrap());
        SourceFile {
            remote: Some(Remote {
                client: Arc::clone(client) as Arc<dyn ObjectStore>,
                location,
                identity: identity.clone(),
                host: Host::Granted,
            }),
            identity,
            ..SourceFile::fake("mem://f.csv", 0)
        }
    }

    #[tokio::test]
    async fn a_range_comes_in_pieces_that_fit_together() {
        let content: Vec<u8> = (0..2 * PIECE_BYTES + 5).map(|i| (i % 251) as u8).collect();
        let file = remote(&Arc::default(), &content).await;
        assert_eq!(file.bytes(0..content.len() as u64).await.unwrap(), content);
        assert_eq!(file.bytes(3..9).await.unwrap(), content[3..9]);
        let Content::Pieces(pieces) = file.beginning(1).await.unwrap() else {
            panic!("a remote file is no local one");
        };
        let pieces: Vec<Bytes> = pieces.try_collect().await.unwrap();
        assert_eq!(pieces[0].len() as u64, FIRST_PIECE_BYTES);
        assert_eq!(pieces.concat(), content[1..]);
    }

    #[tokio::test]
    async fn a_file_that_changed_in_its_store_is_not_read() {
        let store = Arc::new(InMemory::new());
        let file = remote(&store, b"a\n1\n").await;
        store
            .put(&Location::from("f.csv"), "a\n2\n".into())
            .await
            .unwrap();
        let error = file.bytes(0..4).await.unwrap_err();
        assert_eq!(
            (error.kind, error.location.as_deref()),
            (DataErrorKind::Data, Some("mem://f.csv"))
        );
        assert!(error.message.contains("has changed"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_changed_on_disk_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.csv");
        std::fs::write(&path, "a\n1\n").unwrap();
        let file = SourceFile::on_disk(&path, "data.sources.t.path").unwrap();
        assert_eq!(file.bytes(2..3).await.unwrap(), "1");
        std::fs::write(&path, "a\n11\n").unwrap();
        let error = file.bytes(0..2).await.unwrap_err();
        assert!(error.message.contains("has changed"), "{error}");
    }

    #[tokio::test]
    async fn the_very_same_file_is_read_from_disk_and_another_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.csv");
        std::fs::write(&path, "here").unwrap();
        let elsewhere = remote(&Arc::default(), b"away").await;
        let same = SourceFile {
            remote: elsewhere.remote.clone(),
            ..SourceFile::on_disk(&path, "p").unwrap()
        };
        assert_eq!(same.bytes(0..4).await.unwrap(), "here");
        let mut other = same.clone();
        other.identity.modified_ns += 1;
        assert_eq!(other.bytes(0..4).await.unwrap(), "away");
    }
}
