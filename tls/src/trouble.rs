//! Why a connection did not come about, in a line that says what to do. The libraries below say it in theirs.

use std::error::Error;

use rookery_proto::{ErrorClass, Failure};
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::SPEAKS_TLS;

/// What went wrong between this program and the `server` at `url`, if it has to do with TLS; `None` for anything else.
/// Trying again does not help.
pub fn explain(error: &(dyn Error + 'static), server: &str, url: &str) -> Option<Failure> {
    if chain(error).any(|error| error.to_string().contains(SPEAKS_TLS)) {
        return Some(
            fault(format!("the {server} speaks TLS, and this URL does not"))
                .at(url)
                .hint("write https:// instead of http://"),
        );
    }
    let found = chain(error).find_map(of_rustls)?;
    let failure = match found {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            fault(format!("the {server} does not speak TLS, and this URL does"))
                .hint("write http:// instead of https://, or start the driver with --tls")
        }
        rustls::Error::InvalidCertificate(reason) => of_certificate(reason, server),
        rustls::Error::AlertReceived(alert) => of_alert(*alert, server)?,
        _ => return None,
    };
    Some(failure.at(url))
}

fn of_certificate(reason: &CertificateError, server: &str) -> Failure {
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => fault(format!(
            "the {server} has its certificate from another authority than the one this program trusts"
        ))
        .hint("use the file tls/ca.pem of that driver's state directory (--ca FILE), or a join token that it made"),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => fault(format!(
            "the {server}'s certificate is not made for the name in this URL"
        ))
        .hint("use the URL that the driver printed, or start it with --advertise HOST"),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            fault(format!("the {server}'s certificate has expired"))
                .hint("start it again, and look at the clocks of both machines")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            fault(format!("the {server}'s certificate is not valid yet")).hint("look at the clocks of both machines")
        }
        CertificateError::ApplicationVerificationFailure => fault(format!(
            "what answers is a member of the cluster, but not the {server}"
        )),
        other => fault(format!("the {server}'s certificate is refused: {other:?}")),
    }
}

fn of_alert(alert: AlertDescription, server: &str) -> Option<Failure> {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired | Alert::UnknownCA | Alert::BadCertificate | Alert::DecryptError => Some(
            fault(format!(
                "the {server} refuses this program's certificate: it is not of its cluster"
            ))
            .hint("join that cluster with a join token of its driver"),
        ),
        Alert::CertificateExpired => Some(
            fault(format!(
                "the {server} refuses this program's certificate, which has expired"
            ))
            .hint("join again with a new join token, and look at the clocks of both machines"),
        ),
        _ => None,
    }
}

fn fault(message: String) -> Failure {
    Failure::new(ErrorClass::Config, message)
}

/// The error and its causes.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), cause)
}

/// An IO error keeps the one that it wraps to itself.
fn cause<'a>(error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let error: &'a (dyn Error + 'static) = *error;
    let wrapped = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn of_rustls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error.downcast_ref()
}
