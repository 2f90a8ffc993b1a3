//! Errors as people read them, and the same on any cluster.

use rookery_data::DataError;

use crate::cluster::{Cluster, ingest_locally};
use crate::job::Folder;

/// The error of a job on this process and on three workers, as `Kind: place: message (hint)`; the same for all.
pub(crate) async fn refusal(folder: &Folder, job: &str) -> String {
    let plan = match folder.open(job).await {
        Ok(plan) => plan,
        Err(error) => return shown(folder, &error),
    };
    let local = shown(folder, &ingest_locally(&plan, 1).await.unwrap_err());
    for threads in [1, 4] {
        let cluster = Cluster::start(3).await;
        let distributed = shown(folder, &cluster.ingest(&plan, threads).await.unwrap_err());
        assert_eq!(local, distributed, "on three workers");
    }
    local
}

pub(crate) fn shown(folder: &Folder, error: &DataError) -> String {
    let hint = error
        .hint
        .as_ref()
        .map(|hint| format!(" ({hint})"))
        .unwrap_or_default();
    folder.strip(&format!("{:?}: {error}{hint}", error.kind))
}

/// The error for one file `t.csv` with columns `id` (int) and `x` (float).
pub(crate) async fn csv(text: impl AsRef<[u8]>) -> String {
    refusal(&Folder::new().with("t.csv", text), &job("t.csv", "")).await
}

pub(crate) fn job(path: &str, data: &str) -> String {
    format!(
        "[data]\n{data}\n[data.sources.t]\npath = \"{path}\"\ncolumns = {{ id = \"int\", x = \"float\" }}"
    )
}

/// Two thousand good lines, so that the bad one after them is in a later partition.
pub(crate) fn long(bad: &str) -> String {
    (0..2000).fold("id,x\n".to_string(), |text, id| text + &format!("{id},0.5\n")) + bad + "\n1,1\n"
}
