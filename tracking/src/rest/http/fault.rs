//! What an answer that is no success means: MLflow's code, and whether to ask again.

use std::error::Error;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use super::Http;
use crate::error::TrackingError;

/// Why a call failed, and whether it may be repeated.
#[derive(Debug)]
pub(in crate::rest) struct Fault {
    pub(in crate::rest) error: TrackingError,
    pub(super) again: Option<Again>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Again {
    /// The server may have done it although no answer says so.
    pub(super) maybe_done: bool,
    /// How long the server asks to be left alone.
    pub(super) after: Option<Duration>,
}

impl Fault {
    /// Repeating would change nothing.
    pub(in crate::rest) fn last(error: TrackingError) -> Self {
        Fault { error, again: None }
    }
}

impl Http {
    /// The answer did not come.
    pub(in crate::rest) fn lost(&self, what: &str, error: &reqwest::Error) -> Fault {
        let error_text = chain(error);
        if error.is_builder() || error.is_redirect() {
            return Fault::last(TrackingError::Unsupported {
                message: format!("{what} cannot be asked of {}: {error_text}", self.base),
            });
        }
        if let Some(reason) = tls_reason(error) {
            return Fault::last(TrackingError::Unsupported {
                message: format!("{} can't be spoken to: {reason}", self.base),
            });
        }
        Fault {
            error: TrackingError::Unavailable {
                message: format!("{} did not answer {what}: {error_text}", self.base),
            },
            again: Some(Again {
                maybe_done: !error.is_connect(),
                after: None,
            }),
        }
    }

    pub(super) fn refused(
        &self,
        what: &str,
        status: StatusCode,
        after: Option<Duration>,
        body: &[u8],
    ) -> Fault {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Refusal {
            error_code: String,
            message: String,
        }
        let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
        let message = if refusal.message.is_empty() {
            format!("{} answered {what} with {status}", self.base)
        } else {
            refusal.message
        };
        let again = |maybe_done| Fault {
            error: TrackingError::Unavailable {
                message: format!("{} answered {what} with {status}: {message}", self.base),
            },
            again: Some(Again { maybe_done, after }),
        };
        match (status.as_u16(), refusal.error_code.as_str()) {
            (429, _) | (_, "REQUEST_LIMIT_EXCEEDED") => again(false),
            (502..=504, _) | (_, "TEMPORARILY_UNAVAILABLE") => again(true),
            (401 | 403, _) | (_, "PERMISSION_DENIED" | "UNAUTHENTICATED") => {
                let withheld = self
                    .withheld()
                    .map(|reason| format!("; {reason}"))
                    .unwrap_or_default();
                Fault::last(TrackingError::Denied {
                    message: format!("{} refused {what} with {status}: {message}{withheld}", self.base),
                })
            }
            (_, "RESOURCE_DOES_NOT_EXIST") => Fault::last(TrackingError::not_found(message)),
            (_, "RESOURCE_ALREADY_EXISTS") => Fault::last(TrackingError::exists(message)),
            (_, "INVALID_STATE") => Fault::last(TrackingError::WrongState { message }),
            (404 | 405 | 501, _) => Fault::last(TrackingError::Unsupported {
                message: format!("{} has no call {what} ({status}): {message}", self.base),
            }),
            (400..=499, _) => Fault::last(TrackingError::rejected(message)),
            _ => Fault::last(TrackingError::Storage {
                action: format!("{what} on {}", self.base),
                source: Box::<dyn std::error::Error + Send + Sync>::from(format!("{status}: {message}"))
                    .into(),
            }),
        }
    }
}

/// What is wrong with TLS, which another try meets again.
fn tls_reason(error: &(dyn Error + 'static)) -> Option<&'static str> {
    use rustls::{CertificateError, Error as Tls, InvalidMessage};
    let mut cause = Some(error);
    while let Some(inner) = cause {
        match inner.downcast_ref::<Tls>() {
            Some(Tls::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                return Some("it does not speak TLS: use http:// instead of https://");
            }
            Some(Tls::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => {
                return Some("its certificate is from an authority that is not trusted here");
            }
            Some(Tls::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => return Some("its certificate is not made for the name in this URL"),
            Some(Tls::InvalidCertificate(_)) => return Some("its certificate is not valid"),
            _ => {}
        }
        // An IO error keeps the one that it wraps to itself.
        let wrapped = inner
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => inner.source(),
        };
    }
    None
}

/// The error with its causes: reqwest's own text stops at "error sending request".
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
