//! `--memory-limit` and `--spill-dir`: how much memory a worker may take, and where the rest goes.

use std::path::{Path, PathBuf};

use clap::Args;
use rookery_data::spec::ByteSize;
use rookery_worker::MemoryConfig;

use crate::state_dir::StateDir;

/// Less than that is a slip of the finger, as a unit that was left out.
const LEAST: ByteSize = ByteSize(1 << 20);

/// How much memory each worker may take.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct MemoryArgs {
    /// Memory that each worker may take for datasets and queries, such as 512MiB or 2GB; what has no room goes to its disk
    /// [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = limit)]
    memory_limit: Option<ByteSize>,

    /// Folder on a local disk for what has no room in memory; each worker makes one of its own in it
    /// [default: spill in the state folder]
    #[arg(long, value_name = "DIR", requires = "memory_limit")]
    spill_dir: Option<PathBuf>,
}

impl MemoryArgs {
    /// As it was configured, not as flags say.
    pub(crate) fn of(memory_limit: Option<ByteSize>, spill_dir: Option<&Path>) -> Self {
        Self {
            memory_limit,
            spill_dir: spill_dir.map(Path::to_path_buf),
        }
    }

    /// Whether somebody asked for a limit.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.memory_limit.is_some()
    }

    /// The limit.
    pub(crate) fn limit(&self) -> Option<ByteSize> {
        self.memory_limit
    }

    /// The folder, wherever a worker is started.
    pub(crate) fn spill_dir(&self) -> Option<PathBuf> {
        let absolute = |folder: &PathBuf| std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        self.spill_dir.as_ref().map(absolute)
    }

    /// What a worker is told; without a folder it takes one in the state directory. Not that for temporary files: on many
    /// machines it is in memory itself.
    pub(crate) fn config(&self, state: &StateDir) -> Option<MemoryConfig> {
        let limit = self.memory_limit?;
        Some(MemoryConfig {
            limit: usize::try_from(limit.0).unwrap_or(usize::MAX),
            spill_dir: self.spill_dir().unwrap_or_else(|| state.spill()),
        })
    }
}

/// A limit, from a flag or a file.
pub(crate) fn limit(text: &str) -> Result<ByteSize, String> {
    let size = ByteSize::parse(text).ok_or("expected a size in bytes, such as 512MiB or 2GB")?;
    check(size).map(|()| size)
}

/// Whether a worker can do with so little.
pub(crate) fn check(limit: ByteSize) -> Result<(), String> {
    match limit.0 >= LEAST.0 {
        true => Ok(()),
        false => Err(format!(
            "a memory limit of {} bytes, expected at least 1MiB",
            limit.0
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_a_unit_and_makes_sense() {
        assert_eq!(limit("512MiB"), Ok(ByteSize(512 << 20)));
        assert_eq!(limit("2 GB"), Ok(ByteSize(2_000_000_000)));
        assert!(limit("512").unwrap_err().contains("512 bytes"));
        assert!(limit("much").unwrap_err().contains("512MiB"));
    }

    #[test]
    fn what_has_no_room_goes_to_the_state_folder_unless_told_otherwise() {
        let state = StateDir::resolve(Some(Path::new("/state"))).unwrap();
        assert_eq!(MemoryArgs::default().config(&state), None);
        let args = MemoryArgs::of(Some(LEAST), None);
        assert_eq!(args.config(&state).unwrap().spill_dir, Path::new("/state/spill"));
        let args = MemoryArgs::of(Some(LEAST), Some(Path::new("here")));
        assert!(args.config(&state).unwrap().spill_dir.is_absolute());
    }
}
