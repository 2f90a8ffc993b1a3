//! Whose certificates a client believes: those of the authority that a flag, the environment or the state directory names.

use std::path::Path;

use rookery_proto::Failure;
use rookery_tls::CaCertificate;
use url::Url;

use crate::args::Places;
use crate::state_dir::StateDir;

/// The variable that names the file with the certificate of a driver's authority.
pub(crate) const CA_VARIABLE: &str = "ROOKERY_CA";

/// The authority of the driver at a URL; `None` when it is not on TLS.
///
/// # Errors
/// Class config: there is no certificate where it should be.
pub(crate) fn of_client(
    places: &Places,
    state: &StateDir,
    url: &Url,
) -> Result<Option<CaCertificate>, Failure> {
    read(&places.ca().unwrap_or_else(|| state.ca_file()), url)
}

/// The authority of the driver of a state directory; `None` when it is not on TLS.
///
/// # Errors
/// As [`of_client`].
pub(crate) fn of_state(state: &StateDir, url: &Url) -> Result<Option<CaCertificate>, Failure> {
    read(&state.ca_file(), url)
}

fn read(file: &Path, url: &Url) -> Result<Option<CaCertificate>, Failure> {
    if url.scheme() != "https" {
        return Ok(None);
    }
    CaCertificate::read(file).map(Some).map_err(|failure| {
        failure.hint(format!(
            "copy tls/ca.pem of the driver's state directory to this machine, and name it with --ca FILE or {CA_VARIABLE}"
        ))
    })
}
