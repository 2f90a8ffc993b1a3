//! [`StateDir`]: the folder of records, models, logs and the running driver's URL. Only its owner can read it.

use std::fs;
use std::path::{Path, PathBuf};

use rookery_proto::{ErrorClass, Failure};
use rookery_tls::{Authority, private_file};
use rookery_tracking::{Environment as _, SystemEnvironment};
use url::Url;

use crate::diagnostic::{config, internal};
use crate::{listen, times};

/// The variable that names a PostgreSQL database for the records, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Not a
/// flag: its password would be there for everybody to see who lists the machine's processes.
const DATABASE_VARIABLE: &str = "ROOKERY_DATABASE";

/// Where records are kept.
pub(crate) enum Database {
    File(PathBuf),
    Server(String),
}

impl Database {
    /// Whether there may be records already. A server is asked by whoever opens it.
    pub(crate) fn may_exist(&self) -> bool {
        match self {
            Database::File(path) => path.exists(),
            Database::Server(_) => true,
        }
    }
}

/// A state directory, which need not exist yet.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    path: PathBuf,
    /// As given by the flag, for the commands we suggest.
    flag: Option<String>,
    /// The named cluster it belongs to, and the state directory of the records, which every cluster shares.
    cluster: Option<(String, PathBuf)>,
}

impl StateDir {
    /// The folder of `--state-dir`, of `ROOKERY_HOME`, or `~/.rookery`.
    pub(crate) fn resolve(flag: Option<&Path>) -> Result<Self, Failure> {
        let environment = std::env::var_os("ROOKERY_HOME")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        let home = || std::env::home_dir().map(|home| home.join(".rookery"));
        let path = flag
            .map(Path::to_path_buf)
            .or(environment)
            .or_else(home)
            .ok_or_else(|| {
                config("there is no home directory to keep the state in")
                    .hint("set --state-dir or ROOKERY_HOME")
            })?;
        let path = std::path::absolute(&path)
            .map_err(|e| config(format!("not a usable folder: {e}")).at(path.display().to_string()))?;
        Ok(Self {
            path,
            flag: flag.map(|path| path.display().to_string()),
            cluster: None,
        })
    }

    /// The state directory of a named cluster: what its driver keeps is at `path`, the records are here.
    pub(crate) fn of_cluster(&self, path: PathBuf, name: &str) -> Self {
        Self {
            path,
            flag: self.flag.clone(),
            cluster: Some((name.to_string(), self.path.clone())),
        }
    }

    /// The state directory of the records: this one, or that of all named clusters.
    pub(crate) fn home(&self) -> Self {
        Self {
            path: self.records().to_path_buf(),
            flag: self.flag.clone(),
            cluster: None,
        }
    }

    /// The words by which a command finds the driver at `url`: by the cluster's name, which also finds the token.
    pub(crate) fn driver_flag(&self, url: &str) -> String {
        match &self.cluster {
            Some(_) => self.cluster_flag(),
            None => format!(" --driver {url}"),
        }
    }

    /// Where the records are.
    fn records(&self) -> &Path {
        self.cluster.as_ref().map_or(&self.path, |(_, records)| records)
    }

    /// The words to add to a suggested command, so that it finds the same cluster.
    pub(crate) fn cluster_flag(&self) -> String {
        let named = self.cluster.as_ref();
        named.map_or(String::new(), |(name, _)| format!(" --cluster {}", quoted(name)))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The words to add to a suggested command, so that it finds the same folder.
    pub(crate) fn suggested_flag(&self) -> String {
        match &self.flag {
            Some(path) if path.contains(char::is_whitespace) => format!(" --state-dir '{path}'"),
            Some(path) => format!(" --state-dir {path}"),
            None => String::new(),
        }
    }

    /// Makes the folder and the one for logs, for the owner's eyes only.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        private_file::make_folder(&self.logs()).map_err(|e| {
            config(format!("the state directory can't be created: {e}"))
                .at(self.path.display().to_string())
                .hint("set --state-dir or ROOKERY_HOME to a folder you can write to")
        })
    }

    /// The tracking database: the server that `ROOKERY_DATABASE` names, or a file in the folder.
    pub(crate) fn database(&self) -> Database {
        match std::env::var(DATABASE_VARIABLE)
            .ok()
            .filter(|url| !url.is_empty())
        {
            Some(url) => Database::Server(url),
            None => Database::File(self.records().join("rookery.db")),
        }
    }

    /// The folder of models and other files of runs.
    pub(crate) fn artifacts(&self) -> PathBuf {
        self.records().join("artifacts")
    }

    /// The folder for what the workers' memory has no room for.
    pub(crate) fn spill(&self) -> PathBuf {
        self.path.join("spill")
    }

    /// The folder of records on their way to other servers.
    pub(crate) fn spool(&self) -> PathBuf {
        self.records().join("spool")
    }

    /// What a driver needs to go on where it was killed.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join("journal.db")
    }

    /// The driver's serving endpoints.
    pub(crate) fn endpoints(&self) -> PathBuf {
        self.path.join("endpoints.db")
    }

    /// The folder of the workers' logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// What callers of this folder's drivers must know.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.path.join("token")
    }

    /// The folder of certificates and keys.
    pub(crate) fn tls(&self) -> PathBuf {
        self.path.join("tls")
    }

    /// The certificate of the authority of this folder's drivers.
    pub(crate) fn ca_file(&self) -> PathBuf {
        Authority::certificate_file(&self.tls())
    }

    /// The folder of the join tokens that this folder's drivers made.
    pub(crate) fn join_tokens(&self) -> PathBuf {
        self.tls().join("join-tokens")
    }

    /// How this folder's worker proves who it is.
    pub(crate) fn worker_identity_file(&self) -> PathBuf {
        self.tls().join("worker/identity.json")
    }

    fn driver_url_file(&self) -> PathBuf {
        self.path.join("driver.url")
    }

    /// Tells other commands where the driver is. They see the old file or the new one, never a part.
    pub(crate) fn write_driver_url(&self, url: &Url) -> Result<(), Failure> {
        let file = self.driver_url_file();
        private_file::replace(&file, &format!("{}\n", listen::display(url))).map_err(|e| {
            internal(format!("the driver's URL can't be written: {e}")).at(file.display().to_string())
        })
    }

    /// Takes the URL back, unless another driver has put its own there.
    pub(crate) fn remove_driver_url(&self, url: &Url) {
        let file = self.driver_url_file();
        if fs::read_to_string(&file).is_ok_and(|text| text.trim() == listen::display(url))
            && let Err(error) = fs::remove_file(&file)
        {
            tracing::warn!(%error, file = %file.display(), "the driver's URL stays behind");
        }
    }

    /// Remembers why the driver at `url` has stopped.
    pub(crate) fn note_end(&self, url: &Url, reason: &str) {
        let when = times::local(SystemEnvironment.now_ms());
        let line = format!("{} stopped on {when}: {reason}\n", listen::display(url));
        if let Err(error) = fs::write(self.last_end_file(), line) {
            tracing::warn!(%error, "why the driver stopped could not be noted");
        }
    }

    fn no_cluster(&self) -> String {
        let none = match &self.cluster {
            Some((name, _)) => format!("cluster \"{name}\" does not run"),
            None => "no cluster is known: none is running in this state directory".to_string(),
        };
        match fs::read_to_string(self.last_end_file()) {
            Ok(last) => format!("{none}; the last one, {}", last.trim()),
            Err(_) => none,
        }
    }

    fn how_to_start(&self) -> String {
        match &self.cluster {
            Some((name, _)) => format!("start it with `rookery cluster start {}`", quoted(name)),
            None => "start one with `rookery up`, name one with --driver URL, or train without one: `rookery run JOB`"
                .to_string(),
        }
    }

    fn last_end_file(&self) -> PathBuf {
        self.path.join("driver.last")
    }

    /// The driver to talk to: the one the user `named`, else the one this folder knows.
    ///
    /// # Errors
    /// Class config for something that is no URL; class unreachable when there is none.
    pub(crate) fn find_driver(&self, named: Option<&str>) -> Result<Url, Failure> {
        if let Some(named) = named {
            return listen::driver_url(named, "--driver or ROOKERY_URL");
        }
        let file = self.driver_url_file();
        match fs::read_to_string(&file) {
            Ok(text) => listen::driver_url(&text, &file.display().to_string()),
            Err(_) => Err(Failure::new(ErrorClass::Unreachable, self.no_cluster())
                .at(self.path.display().to_string())
                .hint(self.how_to_start())),
        }
    }
}

/// As it is typed in a shell: the names of clusters can hold spaces.
pub(crate) fn quoted(name: &str) -> String {
    match name.contains(' ') {
        true => format!("'{name}'"),
        false => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_can_look_inside() {
        let parent = tempfile::tempdir().unwrap();
        let state = StateDir::resolve(Some(&parent.path().join("state"))).unwrap();
        state.create().unwrap();
        state.create().unwrap();
        state
            .write_driver_url(&Url::parse("http://127.0.0.1:1").unwrap())
            .unwrap();
        assert_eq!(mode(state.path()), 0o700);
        assert_eq!(mode(&state.driver_url_file()), 0o600);
    }

    #[test]
    fn the_driver_is_found_by_name_or_by_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let state = StateDir::resolve(Some(parent.path())).unwrap();
        assert_eq!(
            state.find_driver(None).unwrap_err().class,
            ErrorClass::Unreachable
        );

        let (ours, theirs) = (
            Url::parse("http://127.0.0.1:7070").unwrap(),
            Url::parse("http://127.0.0.1:7071").unwrap(),
        );
        state.write_driver_url(&ours).unwrap();
        assert_eq!(state.find_driver(None).unwrap(), ours);
        assert_eq!(state.find_driver(Some("http://127.0.0.1:7071")).unwrap(), theirs);

        state.remove_driver_url(&theirs);
        assert_eq!(state.find_driver(None).unwrap(), ours);
        state.remove_driver_url(&ours);
        assert!(state.find_driver(None).is_err());
    }

    #[test]
    fn suggested_commands_name_a_folder_given_by_flag() {
        let state = StateDir::resolve(Some(Path::new("/tmp/my state"))).unwrap();
        assert_eq!(state.suggested_flag(), " --state-dir '/tmp/my state'");
    }
}
