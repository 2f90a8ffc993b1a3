//! `rookery artifacts`: the files of a run.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rookery_proto::Failure;
use rookery_tracking::artifacts::ArtifactEntry;
use rookery_tracking::{RunInfo, TrackingError};
use serde::Serialize;

use crate::args::{JsonFlag, Places};
use crate::diagnostic::{config, of_tracking};
use crate::output::Output;
use crate::records::{self, OpenRecords, RecordsAt};
use crate::table;

mod draft;

use draft::Draft;

/// Look at the files of a run and get them
///
/// RUN is a run's id, the start of it, or its name.
#[derive(Debug, Args)]
pub(crate) struct ArtifactsArgs {
    #[command(subcommand)]
    command: ArtifactsCommand,
}

#[derive(Debug, Subcommand)]
enum ArtifactsCommand {
    /// List the files in a folder of a run
    List(ListArgs),
    /// Get a file, or a folder with everything in it
    Get(GetArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// The run: its id, the start of it, or its name
    run: String,

    /// A folder among the run's files [default: their top]
    path: Option<String>,

    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, Args)]
struct GetArgs {
    /// The run: its id, the start of it, or its name
    run: String,

    /// The file or folder
    path: String,

    /// Where to put it: a folder that is there, or a new name; `-` writes a file to stdout [default: the folder one
    /// works in]
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,

    #[command(flatten)]
    json: JsonFlag,
}

impl ArtifactsArgs {
    pub(crate) fn json(&self) -> &JsonFlag {
        match &self.command {
            ArtifactsCommand::List(args) => &args.json,
            ArtifactsCommand::Get(args) => &args.json,
        }
    }
}

pub(crate) async fn artifacts(
    args: ArtifactsArgs,
    places: &Places,
    output: &mut Output,
) -> Result<(), Failure> {
    let records = RecordsAt::of(places)?.open_for_lookup().await?;
    match args.command {
        ArtifactsCommand::List(args) => list(&args, &records, output).await,
        ArtifactsCommand::Get(args) => get(&args, &records, output).await,
    }
}

#[derive(Debug, Serialize)]
struct ArtifactObject<'a> {
    event: &'static str,
    path: &'a str,
    is_dir: bool,
    size_bytes: Option<u64>,
}

async fn list(args: &ListArgs, records: &OpenRecords, output: &Output) -> Result<(), Failure> {
    let run = records::find_run(records.store.as_ref(), &args.run).await?.info;
    let folder = args.path.as_deref().unwrap_or_default().trim_end_matches('/');
    let entries = records
        .artifacts
        .list(&run, folder)
        .await
        .map_err(|e| of_tracking(&e))?;
    if entries.is_empty() && !folder.is_empty() {
        return Err(missing(&run, folder));
    }
    if output.is_json() {
        for entry in &entries {
            output.object(&ArtifactObject {
                event: "artifact",
                path: &entry.path,
                is_dir: entry.is_dir(),
                size_bytes: entry.size_bytes,
            });
        }
        return Ok(());
    }
    let rows = entries.iter().map(|entry| match entry.size_bytes {
        Some(bytes) => vec![entry.path.clone(), bytes.to_string()],
        None => vec![format!("{}/", entry.path), String::new()],
    });
    output.line(&table::table(&["PATH", "BYTES"], rows));
    Ok(())
}

fn missing(run: &RunInfo, path: &str) -> Failure {
    config(format!("run {} has no artifact {path:?}", run.run_name)).hint(format!(
        "`rookery artifacts list {}` shows what it has",
        run.run_id
    ))
}

async fn get(args: &GetArgs, records: &OpenRecords, output: &Output) -> Result<(), Failure> {
    let run = records::find_run(records.store.as_ref(), &args.run).await?.info;
    let path = args.path.trim_end_matches('/');
    let wanted = args.output.as_deref().unwrap_or(Path::new("."));
    let is_file = match wanted == Path::new("-") {
        true => to_stdout(&run, path, records, output).await?,
        false => to_file(&run, path, &target(wanted, path), records, output).await?,
    };
    match is_file {
        true => Ok(()),
        false => get_folder(wanted, path, &run, records, output).await,
    }
}

/// `false` if there is no such file.
async fn to_stdout(
    run: &RunInfo,
    path: &str,
    records: &OpenRecords,
    output: &Output,
) -> Result<bool, Failure> {
    let take = |part: &[u8]| output.bytes(part);
    match records.artifacts.get_in_parts(run, path, take).await {
        Ok(_) => Ok(true),
        Err(TrackingError::ArtifactNotFound { .. }) => Ok(false),
        Err(error) => Err(of_tracking(&error)),
    }
}

/// Puts a file in its place whole: it is never seen half there. `false` if there is no such file.
async fn to_file(
    run: &RunInfo,
    path: &str,
    place: &Path,
    records: &OpenRecords,
    output: &Output,
) -> Result<bool, Failure> {
    let mut draft = Draft::of(place);
    let mut failed = None;
    let take = |part: &[u8]| draft.write(part).inspect_err(|e| failed = Some(e.to_string()));
    let got = records.artifacts.get_in_parts(run, path, take).await;
    let unwritten =
        |e: String| config(format!("the file can't be written: {e}")).at(place.display().to_string());
    let size_bytes = match (got, failed) {
        (_, Some(error)) => return Err(unwritten(error)),
        (Ok(size_bytes), None) => size_bytes,
        (Err(TrackingError::ArtifactNotFound { .. }), None) => return Ok(false),
        (Err(error), None) => return Err(of_tracking(&error)),
    };
    draft.finish().map_err(|e| unwritten(e.to_string()))?;
    say_written(place, size_bytes, output);
    Ok(true)
}

async fn get_folder(
    wanted: &Path,
    folder: &str,
    run: &RunInfo,
    records: &OpenRecords,
    output: &Output,
) -> Result<(), Failure> {
    let files = records
        .artifacts
        .list_all(run)
        .await
        .map_err(|e| of_tracking(&e))?;
    let inside = inside(&files, folder);
    if inside.is_empty() {
        return Err(missing(run, folder));
    }
    if wanted == Path::new("-") {
        return Err(config(format!("{folder} is a folder: only a file fits on stdout")).at("--output -"));
    }
    let target = target(wanted, folder);
    for (file, below) in inside {
        let place = place_below(&target, below)
            .ok_or_else(|| config("an artifact's name leads out of its folder").at(file.path.clone()))?;
        if !to_file(run, &file.path, &place, records, output).await? {
            return Err(missing(run, &file.path));
        }
    }
    Ok(())
}

/// The files in a folder, with their paths below it.
fn inside<'a>(files: &'a [ArtifactEntry], folder: &str) -> Vec<(&'a ArtifactEntry, &'a str)> {
    files
        .iter()
        .filter_map(|file| Some((file, file.path.strip_prefix(folder)?.strip_prefix('/')?)))
        .collect()
}

/// As `cp` does it: into a folder that is there, else under the name that was given.
fn target(wanted: &Path, path: &str) -> PathBuf {
    match wanted.is_dir() {
        true => wanted.join(path.rsplit('/').next().unwrap_or(path)),
        false => wanted.to_path_buf(),
    }
}

fn place_below(target: &Path, below: &str) -> Option<PathBuf> {
    let plain = below
        .split('/')
        .all(|step| !matches!(step, "" | "." | "..") && !step.contains('\0'));
    plain.then(|| target.join(below))
}

#[derive(Debug, Serialize)]
struct Written<'a> {
    event: &'static str,
    file: &'a str,
    size_bytes: u64,
}

fn say_written(place: &Path, size_bytes: u64, output: &Output) {
    let file = place.display().to_string();
    match output.is_json() {
        true => output.object(&Written {
            event: "artifact_written",
            file: &file,
            size_bytes,
        }),
        false => output.line(&format!("{}  {size_bytes} bytes", table::printable(&file))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_what_lies_below_its_name() {
        let file = |path: &str| ArtifactEntry {
            path: path.into(),
            size_bytes: Some(1),
        };
        let files = [file("model"), file("model/a/b.json"), file("models/c")];
        let below: Vec<&str> = inside(&files, "model").iter().map(|(_, below)| *below).collect();
        assert_eq!(below, ["a/b.json"]);
    }

    #[test]
    fn a_file_goes_into_a_folder_or_gets_a_name() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            target(folder.path(), "model/model.json"),
            folder.path().join("model.json")
        );
        let new = folder.path().join("new");
        assert_eq!(target(&new, "model/model.json"), new);
    }

    #[test]
    fn nothing_is_written_outside() {
        let target = Path::new("/t");
        assert_eq!(place_below(target, "a/ペンギン"), Some(target.join("a/ペンギン")));
        for below in ["../a", "a/../../b", "/etc/passwd", "a//b", "."] {
            assert_eq!(place_below(target, below), None, "{below}");
        }
    }
}
