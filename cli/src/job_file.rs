//! [`JobFile`]: a job file, read and checked before anything else happens.

use std::path::{Path, PathBuf};

use clap::Args;
use rookery_driver::job_file;
use rookery_driver::job_spec::ValidJobSpec;
use rookery_proto::Failure;

use crate::diagnostic::config;

/// Which job file, and what to change in it.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobArgs {
    /// The job file (TOML)
    pub(crate) job: PathBuf,

    /// Change a value of the job, for example `runs[0].max_iter=20`; can be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// A job file whose text is known to be right.
#[derive(Debug)]
pub(crate) struct JobFile {
    /// What messages call it.
    pub(crate) name: String,
    /// Its text, overrides applied.
    pub(crate) text: String,
    /// Absolute folder that relative paths in it start from.
    pub(crate) base_dir: PathBuf,
    /// What it says.
    pub(crate) spec: ValidJobSpec,
}

impl JobFile {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// Class config, with the line.
    pub(crate) fn read(args: &JobArgs) -> Result<Self, Failure> {
        let name = args.job.display().to_string();
        let unreadable =
            |e: std::io::Error| config(format!("the job file can't be read: {e}")).at(name.clone());
        let text = std::fs::read_to_string(&args.job).map_err(unreadable)?;
        let text = job_file::apply_overrides(&text, &args.overrides)?;
        let absolute = std::path::absolute(&args.job).map_err(unreadable)?;
        let base_dir = absolute.parent().unwrap_or(Path::new("/")).to_path_buf();
        Self::of_text(name, text, base_dir)
    }

    /// Checks the text of a job whose relative paths start from `base_dir`.
    ///
    /// # Errors
    /// Class config, with the line.
    pub(crate) fn of_text(name: String, text: String, base_dir: PathBuf) -> Result<Self, Failure> {
        let spec = job_file::parse(&text, &name)?;
        Ok(Self {
            name,
            text,
            base_dir,
            spec,
        })
    }

    /// Adds the line of the job file to a failure that names one of its keys.
    pub(crate) fn locate(&self, failure: Failure) -> Failure {
        job_file::locate(failure, &self.text, &self.name)
    }
}

#[cfg(test)]
mod tests {
    use rookery_proto::ErrorClass;

    use super::*;

    const LAB: &str = include_str!("../../data/penguins/job.toml");

    #[test]
    fn paths_in_a_job_start_at_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let job = folder.path().join("job.toml");
        std::fs::write(&job, LAB).unwrap();
        let overrides = vec!["runs[0].max_iter=7".to_string()];
        let file = JobFile::read(&JobArgs { job, overrides }).unwrap();
        assert_eq!(file.base_dir, folder.path());
        assert_eq!(file.spec.runs[0].params.max_iter, 7);
        assert!(file.text.contains("max_iter = 7"));
    }

    #[test]
    fn a_missing_file_is_a_mistake_of_the_caller() {
        let args = JobArgs {
            job: "/nowhere/job.toml".into(),
            overrides: Vec::new(),
        };
        let failure = JobFile::read(&args).unwrap_err();
        assert_eq!(
            (failure.class, failure.location.as_deref()),
            (ErrorClass::Config, Some("/nowhere/job.toml"))
        );
    }
}
