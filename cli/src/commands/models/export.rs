//! `rookery models export`: a model leaves in the format that others read.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono::Utc;
use clap::{Args, ValueEnum};
use rookery_formats::mlflow::Origin;
use rookery_formats::{Format, FormatError, ModelDirectory, ModelFile, PARITY_FILE, files_of};
use rookery_ml::Model;
use rookery_proto::Failure;
use serde::Serialize;

use crate::args::JsonFlag;
use crate::diagnostic::{config, internal};
use crate::output::Output;
use crate::records::{self, ModelUri, OpenRecords, StoredModel};
use crate::table;

/// Write a model to this machine, in its own format or that of another system
///
/// What was stored when the model was trained is taken as it is; where a format was not stored, it is made from the
/// model. Nothing is overwritten.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The model: runs:/RUN, models:/NAME/VERSION or models:/NAME@ALIAS
    #[arg(value_name = "MODEL_URI")]
    model: String,

    /// The format
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: ExportFormat,

    /// Where to write it: a new file, for `spark` and `mlflow` a new folder
    #[arg(long, value_name = "PATH")]
    output: PathBuf,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// Rookery's own: one file of JSON
    Native,
    /// ONNX: one file
    Onnx,
    /// A folder that Spark's `PipelineModel.load` reads
    Spark,
    /// PMML 4.4: one file
    Pmml,
    /// A folder with all of them that MLflow loads
    Mlflow,
}

impl ExportFormat {
    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Mlflow => "mlflow",
            Self::Onnx => Format::Onnx.name(),
            Self::Spark => Format::Spark.name(),
            Self::Pmml => Format::Pmml.name(),
        }
    }

    /// The folder in a model's directory that becomes the output; none if the output is a file.
    fn folder(self) -> Option<String> {
        match self {
            Self::Spark => Some(format!("{}/", Format::Spark.path())),
            Self::Mlflow => Some(String::new()),
            Self::Native | Self::Onnx | Self::Pmml => None,
        }
    }
}

#[derive(Debug, Serialize)]
struct Exported<'a> {
    event: &'static str,
    model: &'a str,
    format: &'static str,
    path: &'a str,
    files: usize,
    size_bytes: usize,
    /// Whether these are the bytes that were stored; else they were made now.
    as_stored: bool,
}

pub(super) async fn export(args: &ExportArgs, records: &OpenRecords, output: &Output) -> Result<(), Failure> {
    refuse_existing(&args.output)?;
    let uri = ModelUri::parse(&args.model).map_err(|failure| failure.at("MODEL_URI"))?;
    let stored = records::find_model(records, &uri).await?;
    let made = make(&stored.read()?, &stored, args.format)?;
    let as_stored = all_stored(records, &stored, &made, args.format).await?;
    let is_stored = as_stored.is_some();
    let files = as_stored.unwrap_or(made);
    match (args.format.folder(), files.as_slice()) {
        (None, [file]) => write_file(&args.output, &file.content),
        (folder, files) => write_folder(&args.output, files, folder.as_deref().unwrap_or_default()),
    }
    .map_err(|e| config(format!("the model can't be written: {e}")).at(args.output.display().to_string()))?;
    let path = args.output.display().to_string();
    let size_bytes = files.iter().map(|file| file.content.len()).sum();
    match output.is_json() {
        true => output.object(&Exported {
            event: "model_exported",
            model: &args.model,
            format: args.format.name(),
            path: &path,
            files: files.len(),
            size_bytes,
            as_stored: is_stored,
        }),
        false => output.line(&format!("{}  {size_bytes} bytes", table::printable(&path))),
    }
    Ok(())
}

fn refuse_existing(place: &Path) -> Result<(), Failure> {
    match place.symlink_metadata() {
        Ok(_) => Err(config("there is something already, and nothing is overwritten")
            .at(place.display().to_string())
            .hint("name another --output, or remove what is there")),
        Err(_) => Ok(()),
    }
}

/// The files as they are made from the model.
fn make(model: &Model, stored: &StoredModel, format: ExportFormat) -> Result<Vec<ModelFile>, Failure> {
    let now = Utc::now();
    let one = |format| files_of(model, format, now.timestamp_millis()).map_err(|e| of_format(&e));
    match format {
        ExportFormat::Native => one(None),
        ExportFormat::Onnx => one(Some(Format::Onnx)),
        ExportFormat::Spark => one(Some(Format::Spark)),
        ExportFormat::Pmml => one(Some(Format::Pmml)),
        ExportFormat::Mlflow => {
            let directory = ModelDirectory::new(model, now.timestamp_millis()).map_err(|e| of_format(&e))?;
            let origin = Origin {
                run_id: stored.run_id().map(str::to_string),
                model_id: None,
                created: now.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
                uuid: model.coefficients_sha256()[..32].to_string(),
            };
            Ok(directory.describe(&origin).0)
        }
    }
}

/// The same files as they were stored, if all of them were.
async fn all_stored(
    records: &OpenRecords,
    stored: &StoredModel,
    made: &[ModelFile],
    format: ExportFormat,
) -> Result<Option<Vec<ModelFile>>, Failure> {
    let mut files = Vec::new();
    for ModelFile { path, .. } in made {
        let Some(content) = stored.file(records, path).await? else {
            return Ok(None);
        };
        files.push(ModelFile {
            path: path.clone(),
            content,
        });
    }
    if format == ExportFormat::Mlflow
        && let Some(content) = stored.file(records, PARITY_FILE).await?
    {
        files.push(ModelFile {
            path: PARITY_FILE.to_string(),
            content,
        });
    }
    Ok(Some(files))
}

/// A file that is not there before; a part of one is removed.
fn write_file(place: &Path, content: &[u8]) -> std::io::Result<()> {
    make_parent(place)?;
    let mut file = fs::File::create_new(place)?;
    file.write_all(content).inspect_err(|_| {
        let _ = fs::remove_file(place);
    })
}

/// A folder under another name until it is complete. Below it lie the files of `from`.
fn write_folder(place: &Path, files: &[ModelFile], from: &str) -> std::io::Result<()> {
    make_parent(place)?;
    let mut name = place.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    let draft = place.with_file_name(name);
    let written = files.iter().try_for_each(|file| {
        let target = draft.join(file.path.strip_prefix(from).unwrap_or(&file.path));
        make_parent(&target)?;
        fs::write(target, &file.content)
    });
    written.and_then(|()| fs::rename(&draft, place)).inspect_err(|_| {
        let _ = fs::remove_dir_all(&draft);
    })
}

fn make_parent(place: &Path) -> std::io::Result<()> {
    match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => fs::create_dir_all(parent),
        _ => Ok(()),
    }
}

fn of_format(error: &FormatError) -> Failure {
    match error {
        FormatError::Unsupported { .. } => {
            config(error.to_string()).hint("--format mlflow writes a folder with every format that can")
        }
        error => internal(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_whole_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("new/ペンギン");
        let file = |path: &str| ModelFile {
            path: path.into(),
            content: b"x".to_vec(),
        };
        let files = [
            file("sparkml/metadata/part-00000"),
            file("sparkml/stages/0_a/part"),
        ];
        write_folder(&place, &files, "sparkml/").unwrap();
        assert!(place.join("metadata/part-00000").is_file() && place.join("stages/0_a/part").is_file());
        assert_eq!(
            fs::read_dir(place.parent().unwrap()).unwrap().count(),
            1,
            "no draft is left"
        );
        assert!(refuse_existing(&place).is_err());

        let one = folder.path().join("model.onnx");
        write_file(&one, b"1").unwrap();
        assert!(write_file(&one, b"2").is_err());
        assert_eq!(fs::read(&one).unwrap(), b"1");
    }
}
