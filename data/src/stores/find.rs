//! The files that a source's path or glob names, wherever that leads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path as Location;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::address::{Address, StorePlace, is_glob, literal_folder};
use super::environment::Environment;
use super::failure;
use super::identity::Identity;
use super::names::in_order;
use super::source_file::{Host, Remote, SourceFile};
use super::store::Store;
use crate::error::{DataError, Result};
use crate::spec::SourceSpec;

/// Most objects of a bucket that are looked at for a glob.
const LISTED_MAX: usize = 1_000_000;

const FOLDER_HINT: &str = "relative paths start at the job file's folder; a folder's files are named by a glob such as \
                           \"parts/*.csv\"";

/// The files that a source's path or glob names, sorted by path.
pub(crate) async fn find_files(
    name: &str,
    spec: &SourceSpec,
    base_dir: &Path,
    environment: &Environment,
) -> Result<Vec<SourceFile>> {
    let key = format!("data.sources.{name}.path");
    let placed = |error: DataError| match error.location {
        Some(_) => error,
        None => error.at(key.as_str()),
    };
    let files = match Address::parse(&spec.path).map_err(placed)? {
        Address::Disk(_) if spec.store.is_some() => {
            return Err(DataError::spec("a local file has no store").at(format!("data.sources.{name}.store")));
        }
        Address::Disk(path) => on_disk(&key, &path, base_dir)?,
        Address::Store { place, url, pattern } => {
            let options = spec.store.clone().unwrap_or_default();
            let store = Store::open(&place, &url, &options, environment).await;
            let store = store.map_err(|error| match options == Default::default() {
                true => placed(error),
                false => error.at(format!("data.sources.{name}.store")),
            })?;
            let found = match &place {
                StorePlace::Web { .. } => on_the_web(&store, &key, &pattern).await?,
                _ => in_store(&store, &key, &pattern).await?,
            };
            let store = Arc::new(store);
            found
                .into_iter()
                .map(|meta| remote(&store, &key, &meta))
                .collect()
        }
    };
    match files.iter().find(|file| file.identity.size == 0) {
        Some(empty) => Err(DataError::data("the file is empty, expected at least a header")
            .at(empty.name.as_str())
            .hint("leave the file out of the glob, or write it with a header")),
        None => Ok(files),
    }
}

fn no_file(key: &str, text: &str, is_folder: bool) -> DataError {
    let what = if is_folder {
        "is a folder"
    } else {
        "matches no file"
    };
    DataError::spec(format!("\"{text}\" {what}"))
        .at(key)
        .hint(FOLDER_HINT)
}

fn no_glob(key: &str, glob: &str, e: &dyn std::fmt::Display) -> DataError {
    DataError::spec(format!("\"{glob}\" is not a glob: {e}")).at(key)
}

fn on_disk(key: &str, given: &str, base_dir: &Path) -> Result<Vec<SourceFile>> {
    let pattern = base_dir.join(given);
    let mut paths = Vec::new();
    if pattern.is_file() {
        paths.push(pattern.clone());
    } else {
        // The job's folder is no part of the pattern, whatever characters its name has.
        let folder = if Path::new(given).is_absolute() {
            String::new()
        } else {
            escaped_folder(base_dir)
        };
        for path in glob::glob(&format!("{folder}{given}")).map_err(|e| no_glob(key, given, &e))? {
            let path = path.map_err(|e| DataError::spec(format!("can't be read: {e}")).at(key))?;
            if path.is_file() {
                paths.push(path);
            }
        }
    }
    if paths.is_empty() {
        return Err(no_file(key, &pattern.to_string_lossy(), pattern.is_dir()));
    }
    paths.sort();
    let found = |path: PathBuf| {
        SourceFile::on_disk(&path, key)
            .map_err(|e| DataError::spec(format!("can't be read: {e}")).at(path.display().to_string()))
    };
    paths.into_iter().map(found).collect()
}

fn escaped_folder(folder: &Path) -> String {
    match folder.to_string_lossy() {
        text if text.is_empty() => String::new(),
        text => format!("{}/", glob::Pattern::escape(text.trim_end_matches('/'))),
    }
}

/// The objects of a bucket whose keys match.
async fn in_store(store: &Store, key: &str, pattern: &str) -> Result<Vec<ObjectMeta>> {
    let name = format!("{}/{pattern}", store.url);
    let failed = |error: &Error| match error {
        Error::NotFound { .. } => no_file(key, &name, false),
        error => failure::of_store(&name, key, error),
    };
    if !is_glob(pattern) {
        let trimmed = pattern.trim_end_matches('/');
        let location = Location::parse(trimmed)
            .map_err(|e| DataError::spec(format!("\"{name}\" can't be used: {e}")).at(key))?;
        let head = match trimmed.is_empty() {
            true => Err(no_file(key, &name, true)),
            false => store.client.head(&location).await.map_err(|e| failed(&e)),
        };
        return match head {
            Ok(meta) => Ok(vec![meta]),
            Err(error) => {
                // Like a folder on disk: nothing by that name, but something below it.
                let below = store.client.list(Some(&location)).try_next().await;
                match below {
                    Ok(Some(_)) => Err(no_file(key, &name, true)),
                    Ok(None) => Err(error),
                    // What is missing may be the bucket.
                    Err(e) => Err(failure::of_store(&store.url, key, &e)),
                }
            }
        };
    }
    let glob = glob::Pattern::new(pattern).map_err(|e| no_glob(key, pattern, &e))?;
    let folder = literal_folder(pattern);
    let folder = Location::parse(folder)
        .map_err(|e| DataError::spec(format!("\"{name}\" can't be used: {e}")).at(key))?;
    let matching = glob::MatchOptions {
        case_sensitive: true,
        // As on disk: only ** goes into folders.
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };
    let mut listed = store.client.list(Some(&folder));
    let (mut found, mut seen) = (Vec::new(), 0);
    while let Some(meta) = listed.try_next().await.map_err(|e| failed(&e))? {
        seen += 1;
        if seen > LISTED_MAX {
            return Err(DataError::spec(format!(
                "\"{name}\": more than {LISTED_MAX} objects are below {}/{folder}",
                store.url
            ))
            .at(key)
            .hint("name a folder further down before the first * of the glob"));
        }
        if glob.matches_with(meta.location.as_ref(), matching) {
            found.push(meta);
        }
    }
    if found.is_empty() {
        return Err(no_file(key, &name, false));
    }
    found.sort_by(|one, other| in_order(one.location.as_ref(), other.location.as_ref()));
    Ok(found)
}

/// The one file. Its first byte is asked for rather than its head: that tells whether the server answers ranges.
async fn on_the_web(store: &Store, key: &str, path: &str) -> Result<Vec<ObjectMeta>> {
    let name = format!("{}/{path}", store.url);
    let location = Location::parse(path)
        .map_err(|e| DataError::spec(format!("\"{name}\" can't be used: {e}")).at(key))?;
    let options = GetOptions {
        range: Some(GetRange::Bounded(0..1)),
        ..GetOptions::default()
    };
    match store.client.get_opts(&location, options).await {
        Ok(found) => Ok(vec![found.meta]),
        Err(error @ Error::NotFound { .. }) => {
            let told = failure::of_store(&name, key, &error);
            Err(DataError::spec(format!("{name} {}", told.message)).at(key))
        }
        Err(error) if ranges_are_missing(&error) => Err(DataError::spec(format!(
            "the server of {name} does not answer requests for ranges of a file"
        ))
        .at(key)
        .hint(
            "download the file, or put it where ranges are answered: most web servers and every object store",
        )),
        Err(error) if error.to_string().contains("status code: 416") => {
            Err(DataError::data("the file is empty, expected at least a header").at(name))
        }
        Err(error) => Err(failure::of_store(&name, key, &error)),
    }
}

fn ranges_are_missing(error: &Error) -> bool {
    let text = error.to_string();
    matches!(error, Error::NotSupported { .. })
        || text.contains("non-partial response")
        || text.contains("Content-Range header")
}

fn remote(store: &Arc<Store>, key: &str, meta: &ObjectMeta) -> SourceFile {
    let identity = Identity::of_object(meta);
    SourceFile {
        number: 0,
        name: format!("{}/{}", store.url, meta.location),
        source: key.to_string(),
        identity: identity.clone(),
        disk: None,
        remote: Some(Remote {
            client: Arc::clone(&store.client),
            location: meta.location.clone(),
            identity,
            host: Host::Known(Arc::clone(store)),
        }),
    }
}
