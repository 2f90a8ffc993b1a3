//! [`Draft`]: a file that is being downloaded, under another name until it is complete.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The file is made with its first part. One that is not finished is removed.
#[derive(Debug)]
pub(super) struct Draft {
    place: PathBuf,
    draft: PathBuf,
    file: Option<File>,
}

impl Draft {
    /// A draft beside its `place`.
    pub(super) fn of(place: &Path) -> Self {
        let mut name = place.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.part", std::process::id()));
        Self {
            place: place.to_path_buf(),
            draft: place.with_file_name(name),
            file: None,
        }
    }

    /// Adds a part.
    pub(super) fn write(&mut self, part: &[u8]) -> std::io::Result<()> {
        self.file()?.write_all(part)
    }

    /// Puts the file in its place; what was there before is replaced.
    pub(super) fn finish(mut self) -> std::io::Result<()> {
        self.file()?;
        fs::rename(&self.draft, &self.place)?;
        self.file = None;
        Ok(())
    }

    fn file(&mut self) -> std::io::Result<&mut File> {
        if self.file.is_none() {
            if let Some(folder) = self.draft.parent() {
                fs::create_dir_all(folder)?;
            }
            self.file = Some(File::create(&self.draft)?);
        }
        self.file.as_mut().ok_or_else(|| std::io::Error::other("no file"))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_file_is_there_when_it_is_complete_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("model.json");
        let mut draft = Draft::of(&place);
        draft.write(b"one ").unwrap();
        assert!(!place.exists());
        draft.write(b"two").unwrap();
        draft.finish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"one two");

        Draft::of(&folder.path().join("empty")).finish().unwrap();
        let mut broken = Draft::of(&folder.path().join("broken"));
        broken.write(b"half").unwrap();
        drop(broken);
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, ["empty", "model.json"]);
    }
}
