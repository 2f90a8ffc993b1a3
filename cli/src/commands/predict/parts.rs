//! [`Parts`]: the folder that rows are written to. It is written under another name beside it, and appears whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rookery_data::scored::{self, PartFile, PartFormat, Provenance};
use rookery_driver::failure_of_data as of_data;
use rookery_proto::{ErrorClass, Failure, v1};
use serde::Serialize;
use tonic::{Status, Streaming};

use crate::diagnostic::{config, internal};

/// How long nothing may come: as long as a job may take to read its rows, and some more.
const SILENCE: Duration = Duration::from_secs(4 * 3600);
/// The last file to be written.
const SUCCESS_FILE: &str = "_SUCCESS";

/// What was written, as programs read it.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    event: &'static str,
    rows: u64,
    parts: u32,
    folder: String,
    model_name: Option<String>,
    model_version: Option<i64>,
    run_id: Option<String>,
}

impl Summary {
    /// The same for people.
    pub(super) fn text(&self) -> String {
        format!("{} rows in {} files: {}", self.rows, self.parts, self.folder)
    }
}

/// The parts of a result that is being written.
#[derive(Debug)]
pub(super) struct Parts {
    /// Where it is to be.
    folder: PathBuf,
    /// Where it is written.
    hidden: PathBuf,
    format: PartFormat,
    open: BTreeMap<u32, PartFile>,
    parts: u32,
    rows: u64,
    is_published: bool,
}

impl Parts {
    /// Makes ready to write to `folder`, which may be there if nothing is in it.
    ///
    /// # Errors
    /// Class config: something is in it. Nothing can be written beside it.
    pub(super) fn create(folder: &Path, format: PartFormat) -> Result<Self, Failure> {
        let place = folder.display().to_string();
        let unwritable = |e: std::io::Error| internal(format!("the folder can't be written: {e}")).at(&place);
        let folder = std::path::absolute(folder).map_err(unwritable)?;
        let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
            return Err(config("this is no folder to write to").at(place));
        };
        check_empty(&folder, &place)?;
        fs::create_dir_all(parent).map_err(unwritable)?;
        let mut hidden_name = std::ffi::OsString::from(".");
        hidden_name.push(name);
        hidden_name.push(format!(".{}.tmp", std::process::id()));
        let hidden = parent.join(hidden_name);
        fs::create_dir(&hidden).map_err(unwritable)?;
        Ok(Self {
            folder,
            hidden,
            format,
            open: BTreeMap::new(),
            parts: 0,
            rows: 0,
            is_published: false,
        })
    }

    /// Writes all rows that come.
    ///
    /// # Errors
    /// The stream breaks off; a file can't be written.
    pub(super) async fn write(
        &mut self,
        mut rows: Streaming<v1::ScoredRows>,
        provenance: &Provenance,
    ) -> Result<(), Failure> {
        loop {
            let next = tokio::time::timeout(SILENCE, rows.message()).await;
            let next = next.map_err(|_| Failure::new(ErrorClass::TimedOut, "no row came from the driver"))?;
            match next.map_err(broken_off)? {
                Some(rows) => tokio::task::block_in_place(|| self.add(&rows, provenance))?,
                None if self.open.is_empty() => return Ok(()),
                None => return Err(internal("the rows ended in the middle of a part")),
            }
        }
    }

    fn add(&mut self, message: &v1::ScoredRows, provenance: &Provenance) -> Result<(), Failure> {
        let rows = scored::decode(&message.arrow_ipc, provenance).map_err(of_data)?;
        let part = message.part;
        if !self.open.contains_key(&part) {
            let name = format!("part-{part:05}.{}", self.format.ending());
            let file = PartFile::create(&self.hidden.join(name), self.format, rows.schema_ref());
            self.open.insert(part, file.map_err(of_data)?);
            self.parts += 1;
        }
        if let Some(file) = self.open.get_mut(&part)
            && rows.num_rows() > 0
        {
            file.write(&rows).map_err(of_data)?;
            self.rows += rows.num_rows() as u64;
        }
        if !message.ends_part {
            return Ok(());
        }
        match self.open.remove(&part) {
            Some(file) => file.finish().map_err(of_data),
            None => Ok(()),
        }
    }

    /// Lets the folder appear, and says what is in it.
    ///
    /// # Errors
    /// Somebody has written to the folder meanwhile; it can't be written.
    pub(super) fn publish(mut self, provenance: &Provenance) -> Result<Summary, Failure> {
        let place = self.folder.display().to_string();
        let unwritable = |e: std::io::Error| internal(format!("the folder can't be written: {e}")).at(&place);
        let summary = Summary {
            event: "predicted",
            rows: self.rows,
            parts: self.parts,
            folder: place.clone(),
            model_name: provenance.model_name.clone(),
            model_version: provenance.model_version,
            run_id: provenance.run_id.clone(),
        };
        let text = serde_json::to_string(&summary).map_err(|e| internal(e.to_string()))?;
        let success = self.hidden.join(SUCCESS_FILE);
        fs::write(&success, format!("{text}\n")).map_err(unwritable)?;
        fs::File::open(&success)
            .and_then(|file| file.sync_all())
            .map_err(unwritable)?;
        check_empty(&self.folder, &place)?;
        // In place of an empty folder too.
        fs::rename(&self.hidden, &self.folder).map_err(unwritable)?;
        self.is_published = true;
        Ok(summary)
    }
}

impl Drop for Parts {
    /// What was not published is nothing.
    fn drop(&mut self) {
        if !self.is_published
            && let Err(e) = fs::remove_dir_all(&self.hidden)
        {
            tracing::warn!(folder = %self.hidden.display(), %e, "what was written can't be removed");
        }
    }
}

fn check_empty(folder: &Path, place: &str) -> Result<(), Failure> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(config("the folder is not empty")
            .at(place)
            .hint("predictions are written to a new folder; name another one, or remove this one")),
        Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => Err(config("this is no folder").at(place)),
        _ => Ok(()),
    }
}

/// What the driver says of the job, or that it is gone.
fn broken_off(status: Status) -> Failure {
    match status.details().is_empty() {
        true => Failure::new(
            ErrorClass::Unreachable,
            format!("the driver is lost: {}", status.message()),
        )
        .hint("nothing was written; start again"),
        false => Failure::from(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(part: u32, values: &[Option<f64>], ends_part: bool) -> v1::ScoredRows {
        let scores = scored::Scores {
            prediction: values.to_vec(),
            probabilities: vec![values.to_vec(); 2],
        };
        let columns = [("n".to_string(), rookery_data::schema::ColumnType::Double)];
        let arrow_ipc = match values.is_empty() {
            true => scored::encode_empty(&columns, &[], 2).unwrap(),
            false => scored::encode(&scored::no_columns(values.len()), &[], scores).unwrap(),
        };
        v1::ScoredRows {
            part,
            arrow_ipc,
            ends_part,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("predicciones ñ");
        let provenance = Provenance::default();
        let mut parts = Parts::create(&folder, PartFormat::Csv).unwrap();
        parts.add(&message(0, &[], false), &provenance).unwrap();
        parts.add(&message(1, &[Some(1.0)], true), &provenance).unwrap();
        assert!(!folder.exists());
        drop(parts);
        assert_eq!(names(parent.path()), Vec::<String>::new());

        fs::create_dir(&folder).unwrap();
        let mut parts = Parts::create(&folder, PartFormat::Csv).unwrap();
        parts.add(&message(0, &[], false), &provenance).unwrap();
        parts.add(&message(1, &[Some(1.0)], true), &provenance).unwrap();
        parts
            .add(&message(0, &[Some(0.0), None], true), &provenance)
            .unwrap();
        parts.publish(&provenance).unwrap();
        assert_eq!(names(parent.path()), ["predicciones ñ"]);
        assert_eq!(names(&folder), ["_SUCCESS", "part-00000.csv", "part-00001.csv"]);
        let text = fs::read_to_string(folder.join("part-00000.csv")).unwrap();
        let expected = "prediction,probability_0,probability_1,model_name,model_version,run_id\n\
                        0.0,0.0,0.0,,,\n,,,,,\n";
        assert_eq!(text, expected);
        let refused = Parts::create(&folder, PartFormat::Csv).unwrap_err();
        assert_eq!(
            (refused.class, refused.message.as_str()),
            (ErrorClass::Config, "the folder is not empty")
        );
    }
}
