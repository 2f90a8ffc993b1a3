//! Files with secrets: only their owner reads them, and they appear whole.

use std::fs;
use std::io::{ErrorKind, Result, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Makes a folder, and those above it, that only its owner can look into.
///
/// # Errors
/// What the operating system says.
pub fn make_folder(folder: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file unless it is there already; of several that try at once, one succeeds. Returns whether it was this one.
///
/// # Errors
/// What the operating system says.
pub fn create(file: &Path, text: &str) -> Result<bool> {
    let draft = write_draft(file, text)?;
    let linked = fs::hard_link(&draft, file);
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

/// Writes a file in the place of the one that may be there.
///
/// # Errors
/// What the operating system says.
pub fn replace(file: &Path, text: &str) -> Result<()> {
    let draft = write_draft(file, text)?;
    fs::rename(&draft, file)
}

fn write_draft(file: &Path, text: &str) -> Result<PathBuf> {
    // Threads of one process may write the same file, too.
    let draft = file.with_extension(format!(
        "{}-{:08x}.draft",
        std::process::id(),
        rand::random::<u32>()
    ));
    let mut options = fs::OpenOptions::new();
    let mut open = options.write(true).create_new(true).mode(0o600).open(&draft)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_made_once_replaced_whole_and_kept_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("tls");
        make_folder(&inside).unwrap();
        let file = inside.join("ca.key");
        assert!(create(&file, "one").unwrap());
        assert!(!create(&file, "two").unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        replace(&file, "three").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "three");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inside), mode(&file)), (0o700, 0o600));
        assert_eq!(fs::read_dir(&inside).unwrap().count(), 1, "no draft stays behind");
    }
}
