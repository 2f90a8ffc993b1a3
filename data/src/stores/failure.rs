//! What an object store's error means to the user of a job: one line, with the place and what to try.

use object_store::Error;

use crate::error::{DataError, DataErrorKind};

/// Characters of a cause that are shown.
const CAUSE_CHARS: usize = 200;

/// What `error` says of `name`, the URL of a file or folder; `source` is the key of the job file that names it.
pub(super) fn of_store(name: &str, source: &str, error: &Error) -> DataError {
    let cause = cause(error);
    match error {
        Error::NotFound { .. } => {
            DataError::data(format!("can't be read: it is not there ({cause})")).at(name)
        }
        Error::Precondition { .. } | Error::NotModified { .. } => changed(name),
        _ if is_denied(error, &cause) => {
            DataError::spec(format!("the credentials do not open {name}: {cause}"))
                .at(source)
                .hint("credentials come from the environment of the driver: AWS_..., GOOGLE_..., AZURE_...")
        }
        _ if is_refusal(&cause) => DataError::spec(format!("{name} can't be read: {cause}"))
            .at(source)
            .hint("check endpoint and region under the source's [store], and the address itself"),
        _ => DataError::new(
            DataErrorKind::Unreachable,
            format!("{name} can't be reached: {cause}"),
        )
        .at(source)
        .hint("check the address, and that the store runs; then try the job again"),
    }
}

/// A file is another one than it was when the job was planned.
pub(super) fn changed(name: &str) -> DataError {
    DataError::data("the file has changed since the job was planned")
        .at(name)
        .hint("submit the job again once the file is whole")
}

/// Listings say it by their status alone.
fn is_denied(error: &Error, cause: &str) -> bool {
    matches!(
        error,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. }
    ) || cause.starts_with("401 ")
        || cause.starts_with("403 ")
}

/// The store understood the request and says no; asking again would not help.
fn is_refusal(cause: &str) -> bool {
    let is_status = |code: &str| code.parse().is_ok_and(|code: u16| (300..500).contains(&code));
    cause.split(' ').next().is_some_and(is_status) || cause.contains("redirect")
}

/// The innermost reason, in one line: a status with the store's own code, or what the network said.
fn cause(error: &Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    let mut status = None;
    while let Some(source) = innermost.source() {
        innermost = source;
        status = status.or_else(|| status_in(&innermost.to_string()));
    }
    let text = status.unwrap_or_else(|| innermost.to_string());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(CAUSE_CHARS).collect()
}

/// `403 Forbidden, SignatureDoesNotMatch` out of an HTTP client's words and the store's XML.
fn status_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("status code: ")?;
    let (status, body) = rest.split_once(": ").unwrap_or((rest, ""));
    let code = body
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    Some(match code {
        Some((code, _)) => format!("{status}, {code}"),
        None => status.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> Error {
        Error::Generic {
            store: "S3",
            source: text.to_string().into(),
        }
    }

    #[test]
    fn a_refusal_shows_status_and_code_alone() {
        let error = Error::PermissionDenied {
            path: "k".into(),
            source: "Error performing GET http://h/b/k in 1ms - Server returned non-2xx status code: 403 Forbidden: \
                     <?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>"
                .into(),
        };
        let error = of_store("s3://b/k", "data.sources.t.path", &error);
        assert_eq!(error.kind, DataErrorKind::Spec);
        assert_eq!(
            error.message,
            "the credentials do not open s3://b/k: 403 Forbidden, SignatureDoesNotMatch"
        );
    }

    #[test]
    fn what_asking_again_may_mend_is_unreachable() {
        for (text, kind) in [
            ("connection refused", DataErrorKind::Unreachable),
            (
                "Server returned non-2xx status code: 503 Slow Down: ",
                DataErrorKind::Unreachable,
            ),
            (
                "Server returned non-2xx status code: 400 Bad Request: <Code>AuthorizationHeaderMalformed</Code>",
                DataErrorKind::Spec,
            ),
        ] {
            assert_eq!(of_store("s3://b/k", "p", &generic(text)).kind, kind, "{text}");
        }
    }
}
