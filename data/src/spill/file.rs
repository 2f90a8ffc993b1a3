//! [`SpillFile`]: what has no room in memory, in a file that goes with its value. Its length and checksum stay in memory, so that
//! a file that was damaged is never taken for what was written.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::hash::Hasher as _;
use std::io::{BufWriter, Error, ErrorKind, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::buffer::{Buffer, MutableBuffer, ScalarBuffer};
use rookery_ml::PackedBytes;
use twox_hash::XxHash3_64;

use crate::error::{DataError, DataErrorKind, Result};

/// Whatever is put into a file begins at a multiple of so many bytes, and so may be read without a copy.
pub(super) const ALIGNMENT: usize = 64;
const WRITE_AT_ONCE: usize = 1 << 20;

/// Bytes that lie as every type of number wants it.
#[derive(Clone)]
pub struct AlignedBytes(Buffer);

impl fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBytes({} bytes)", self.0.len())
    }
}

impl AlignedBytes {
    /// So many zeros that `fill` writes to.
    pub fn filled(bytes: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut buffer = MutableBuffer::from_len_zeroed(bytes);
        fill(buffer.as_slice_mut());
        Self(buffer.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as blocks are unpacked of, which is no copy. A length that is no whole number of every type is cut.
    pub fn packed(&self) -> PackedBytes {
        let whole = self
            .0
            .slice_with_length(0, self.0.len() / size_of::<f64>() * size_of::<f64>());
        PackedBytes {
            singles: Arc::new(ScalarBuffer::<f32>::from(whole.clone())),
            doubles: Arc::new(ScalarBuffer::<f64>::from(whole.clone())),
            shorts: Arc::new(ScalarBuffer::<u16>::from(whole.clone())),
            longs: Arc::new(ScalarBuffer::<u32>::from(whole)),
        }
    }

    pub(super) fn buffer(&self) -> &Buffer {
        &self.0
    }
}

/// A file that was written whole; it goes with this value.
#[derive(Debug)]
pub struct SpillFile {
    draft: Draft,
    checksum: u64,
}

/// Why a file can't be used.
#[derive(Debug)]
pub enum Unreadable {
    /// It is not what was written: what it held is lost, and can be made again.
    Damaged(DataError),
    /// The operating system says no.
    Failed(DataError),
}

impl From<Unreadable> for DataError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Damaged(error) | Unreadable::Failed(error) => error,
        }
    }
}

impl SpillFile {
    /// What was written.
    ///
    /// # Errors
    /// The file is not what was written, or can't be read.
    pub fn read(&self) -> std::result::Result<AlignedBytes, Unreadable> {
        let draft = &self.draft;
        let failed = |e: Error| match e.kind() {
            ErrorKind::NotFound => draft.damaged("it is gone"),
            ErrorKind::UnexpectedEof => draft.damaged("it is cut off"),
            _ => Unreadable::Failed(refused(
                "what had no room in memory can't be read",
                &e,
                &draft.path,
                &draft.owner,
            )),
        };
        let mut file = File::open(&draft.path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length != draft.bytes {
            return Err(draft.damaged(&format!("it has {length} bytes, {} were written", draft.bytes)));
        }
        // Zeros that the system hands out are not written by anybody: this is as good as memory as it is.
        let mut buffer = MutableBuffer::from_len_zeroed(length as usize);
        file.read_exact(buffer.as_slice_mut()).map_err(failed)?;
        if XxHash3_64::oneshot(buffer.as_slice()) != self.checksum {
            return Err(draft.damaged("its checksum is another one"));
        }
        Ok(AlignedBytes(buffer.into()))
    }
}

/// A file, whole or not, which goes with its value.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
    owner: String,
    bytes: u64,
    /// Bytes of all files of the folder.
    total: Arc<AtomicU64>,
}

impl Draft {
    fn damaged(&self, how: &str) -> Unreadable {
        let message = format!("a file with rows that have no room in memory was damaged: {how}");
        let error = DataError::new(DataErrorKind::Unreachable, message)
            .at(place(&self.path, &self.owner))
            .hint("look after the disk, or name another folder with --spill-dir");
        Unreadable::Damaged(error)
    }

    fn grow(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.total.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
        let _ = fs::remove_file(&self.path);
    }
}

/// A file that is being written.
pub(crate) struct SpillWriter {
    file: BufWriter<Hashed>,
    at: usize,
}

/// Counts and hashes what reaches the file.
struct Hashed {
    file: File,
    draft: Draft,
    hash: XxHash3_64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.write(&bytes[..written]);
        self.draft.grow(written);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Write for SpillWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.at += written;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl SpillWriter {
    pub(super) fn create(path: PathBuf, owner: &str, total: &Arc<AtomicU64>) -> Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|e| not_written(&e, &path, owner))?;
        let draft = Draft {
            path,
            owner: owner.to_string(),
            bytes: 0,
            total: Arc::clone(total),
        };
        let hash = XxHash3_64::new();
        Ok(Self {
            file: BufWriter::with_capacity(WRITE_AT_ONCE, Hashed { file, draft, hash }),
            at: 0,
        })
    }

    /// Adds bytes; returns where they begin, which is aligned.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let start = self.align()?;
        self.write_all(bytes).map_err(|e| self.failed(&e))?;
        Ok(start)
    }

    /// Fills up to the next aligned place, and returns it.
    pub(super) fn align(&mut self) -> Result<usize> {
        let padding = self.at.next_multiple_of(ALIGNMENT) - self.at;
        self.write_all(&[0; ALIGNMENT][..padding])
            .map_err(|e| self.failed(&e))?;
        Ok(self.at)
    }

    /// How many bytes were put so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The error for what the operating system says of this file.
    pub(super) fn failed(&self, error: &Error) -> DataError {
        let draft = &self.file.get_ref().draft;
        not_written(error, &draft.path, &draft.owner)
    }

    /// The file, written whole.
    pub(super) fn finish(mut self) -> Result<SpillFile> {
        self.file.flush().map_err(|e| self.failed(&e))?;
        let (hashed, _) = self.file.into_parts();
        Ok(SpillFile {
            checksum: hashed.hash.finish(),
            draft: hashed.draft,
        })
    }
}

fn place(path: &Path, owner: &str) -> String {
    format!("{} of {owner}", path.display())
}

fn not_written(error: &Error, path: &Path, owner: &str) -> DataError {
    refused(
        "rows that have no room in memory can't be written to disk",
        error,
        path,
        owner,
    )
}

/// The operating system says no.
pub(super) fn refused(what: &str, error: &Error, path: &Path, owner: &str) -> DataError {
    let hint = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "free space there, name a folder with more by --spill-dir, raise --memory-limit, or use more workers"
        }
        _ => "name a folder that the worker may write to with --spill-dir",
    };
    DataError::internal(format!("{what}: {error}"))
        .at(place(path, owner))
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &Path) -> (PathBuf, SpillFile) {
        let path = folder.join("0");
        let mut writer = SpillWriter::create(path.clone(), "http://here/", &Arc::default()).unwrap();
        assert_eq!(writer.put(&[1, 2, 3]).unwrap(), 0);
        assert_eq!(writer.put(&[4; 100]).unwrap(), 64);
        assert_eq!(writer.align().unwrap(), 192);
        (path, writer.finish().unwrap())
    }

    fn damage(file: &SpillFile) -> String {
        match file.read() {
            Err(Unreadable::Damaged(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_damaged_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = written(folder.path());
        let good = file.read().unwrap();
        assert_eq!(good.as_bytes()[..4], [1, 2, 3, 0]);
        assert_eq!(good.as_bytes()[64..164], [4; 100]);
        let mut bytes = fs::read(&path).unwrap();
        bytes[70] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(damage(&file).contains("checksum"));
        fs::write(&path, &bytes[1..]).unwrap();
        assert!(damage(&file).contains("it has 191 bytes, 192 were written"));
        fs::remove_file(&path).unwrap();
        assert!(damage(&file).contains("it is gone"));
    }

    #[test]
    fn only_its_owner_reads_a_file_and_it_goes_with_its_value() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = written(folder.path());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        drop(file);
        assert!(!path.exists());
    }

    /// A device that is always full, where there is one.
    #[test]
    fn a_full_disk_says_where_and_what_to_do() {
        let Ok(device) = OpenOptions::new().write(true).open("/dev/full") else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0");
        let mut writer = SpillWriter::create(path, "http://here/", &Arc::default()).unwrap();
        writer.file.get_mut().file = device;
        writer.put(&[1, 2, 3]).unwrap();
        let error = writer.finish().unwrap_err();
        assert_eq!(error.kind, DataErrorKind::Internal);
        assert!(error.message.contains("No space left"), "{error}");
        assert!(error.location.unwrap().contains("of http://here/"));
        assert!(error.hint.unwrap().starts_with("free space"));
    }
}
