//! How a worker proves who it is: with a certificate that it got when it joined, kept in the state directory, so that it
//! joins once.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rookery_proto::{Failure, Token};
use rookery_tls::{CaCertificate, Identity, JoinToken, PrivateKey, private_file};
use rookery_tracking::{Environment as _, SystemEnvironment};
use rookery_worker::Joined;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::diagnostic::{config, internal};
use crate::state_dir::StateDir;

/// The variable that holds a join token. Better than the flag: everybody on the machine sees those.
pub(crate) const JOIN_TOKEN_VARIABLE: &str = "ROOKERY_JOIN_TOKEN";

const HINT: &str = "`rookery token create` where the driver runs prints the command to join with: rookery worker --driver URL --join-token TOKEN";

/// A worker about to join.
#[derive(Debug)]
pub(crate) struct Joining<'a> {
    pub(crate) driver: &'a Url,
    pub(crate) token: Option<JoinToken>,
    /// The name or address under which it is reached.
    pub(crate) host: String,
    /// Where its identity is kept; `None` keeps it in memory only.
    pub(crate) state: Option<&'a StateDir>,
    /// How long the driver is tried.
    pub(crate) within: Duration,
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    ca_pem: String,
    certificate_pem: String,
    key_pem: String,
    token: Option<String>,
}

/// The join token of the flag, or of the environment.
pub(crate) fn join_token(flag: Option<&str>) -> Result<Option<JoinToken>, Failure> {
    let variable = std::env::var(JOIN_TOKEN_VARIABLE).ok();
    let (text, place) = match (flag, variable.filter(|text| !text.trim().is_empty())) {
        (Some(flag), _) => (flag.to_string(), "--join-token"),
        (None, Some(variable)) => (variable, JOIN_TOKEN_VARIABLE),
        (None, None) => return Ok(None),
    };
    JoinToken::parse(&text)
        .map(Some)
        .map_err(|failure| failure.at(place))
}

impl Joining<'_> {
    /// The identity that is kept, if it is good for this cluster and this address; else one from the driver. `None` when
    /// the shutdown came first.
    ///
    /// # Errors
    /// There is none that is good, and no join token; the driver does not let this worker in.
    pub(crate) async fn joined(&self, shutdown: &CancellationToken) -> Result<Option<Joined>, Failure> {
        let file = self.state.map(StateDir::worker_identity_file);
        let kept = file.as_deref().map(read).transpose()?.flatten();
        let unfit = match kept {
            Some(kept) => match self.unfit(&kept.identity)? {
                None => return Ok(Some(kept)),
                reason => reason,
            },
            None => None,
        };
        let Some(token) = &self.token else {
            let reason = unfit.unwrap_or("this worker has not joined its cluster yet");
            return Err(config(format!("the driver is on TLS, and {reason}"))
                .at(self.driver.as_str())
                .hint(HINT));
        };
        let names = vec![self.host.clone()];
        let joined = rookery_worker::join(self.driver, token, names, self.within, shutdown).await?;
        if let (Some(joined), Some(file)) = (&joined, &file) {
            write(file, joined)?;
        }
        Ok(joined)
    }

    /// Why an identity that was kept can't be used.
    fn unfit(&self, identity: &Identity) -> Result<Option<&'static str>, Failure> {
        let is_foreign = |token: &JoinToken| token.authority() != identity.ca().fingerprint();
        if self.token.as_ref().is_some_and(is_foreign) {
            return Ok(Some("this worker has joined another cluster"));
        }
        if identity.expires()? * 1000 < SystemEnvironment.now_ms() {
            return Ok(Some("this worker's certificate has expired"));
        }
        if !identity.is_for(&self.host) {
            return Ok(Some("this worker's certificate is for another address"));
        }
        Ok(None)
    }
}

fn read(file: &Path) -> Result<Option<Joined>, Failure> {
    let place = || file.display().to_string();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(internal(format!("this worker's identity can't be read: {e}")).at(place())),
    };
    // serde's message would repeat what is in the file.
    let damaged = |_| {
        config("this worker's identity is damaged")
            .at(place())
            .hint("remove the file and join again")
    };
    let kept: Kept = serde_json::from_str(&text).map_err(damaged)?;
    let ca = CaCertificate::from_pem(&kept.ca_pem).map_err(|failure| failure.at(place()))?;
    let identity = Identity::new(ca, &kept.certificate_pem, PrivateKey::new(kept.key_pem))
        .map_err(|failure| failure.at(place()))?;
    let token = kept.token.as_deref().map(Token::new).transpose()?;
    Ok(Some(Joined { identity, token }))
}

fn write(file: &Path, joined: &Joined) -> Result<(), Failure> {
    let kept = Kept {
        ca_pem: joined.identity.ca().pem().to_string(),
        certificate_pem: joined.identity.certificate_pem().to_string(),
        key_pem: joined.identity.key().expose().to_string(),
        token: joined.token.as_ref().map(|token| token.expose().to_string()),
    };
    let text = serde_json::to_string(&kept).map_err(|e| internal(format!("no JSON: {e}")))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    private_file::make_folder(folder)
        .and_then(|()| private_file::replace(file, &text))
        .map_err(|e| {
            internal(format!("this worker's identity can't be written: {e}")).at(file.display().to_string())
        })
}
