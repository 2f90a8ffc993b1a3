//! [`Address`]: where the path of a source leads.

use url::Url;

use crate::error::{DataError, Result};

/// Characters that make a path a glob.
const GLOB: [char; 3] = ['*', '?', '['];

/// A place that files are in, and the path or glob inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// This machine's file system.
    Disk(String),
    /// A store that is asked by its protocol.
    Store {
        /// Its kind, with the bucket or container.
        place: StorePlace,
        /// Scheme and authority, as the user wrote them.
        url: String,
        /// Path or glob inside it; no slash before it.
        pattern: String,
    },
}

/// A bucket, a container, or a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StorePlace {
    Amazon {
        bucket: String,
    },
    Google {
        bucket: String,
    },
    Azure {
        container: String,
        /// The account, when the address names it.
        account: Option<String>,
    },
    /// `http://host:port` or the same with https.
    Web {
        origin: String,
    },
}

impl Address {
    /// Reads the path of a source; mistakes are not placed yet.
    pub(super) fn parse(path: &str) -> Result<Self> {
        let Some((scheme, rest)) = path.split_once("://") else {
            return Ok(Self::Disk(path.to_string()));
        };
        let (authority, pattern) = rest.split_once('/').unwrap_or((rest, ""));
        let place = match scheme {
            "file" => return Ok(Self::Disk(rest.to_string())),
            "s3" | "s3a" => StorePlace::Amazon {
                bucket: bucket(path, authority)?,
            },
            "gs" => StorePlace::Google {
                bucket: bucket(path, authority)?,
            },
            "az" | "abfs" | "abfss" => azure(path, authority)?,
            "http" | "https" => return web(path, authority),
            _ => {
                return Err(DataError::spec(format!(
                    "scheme \"{scheme}\" is not supported, expected a local path or glob, s3://, gs://, az://, \
                     abfss://, http:// or https://"
                )));
            }
        };
        Ok(Self::Store {
            place,
            url: format!("{scheme}://{authority}"),
            pattern: pattern.to_string(),
        })
    }
}

/// Whether a path names files by a pattern.
pub(super) fn is_glob(path: &str) -> bool {
    path.contains(GLOB)
}

/// The folder that every match of a glob is in.
pub(super) fn literal_folder(glob: &str) -> &str {
    let literal = &glob[..glob.find(GLOB).unwrap_or(glob.len())];
    literal.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn bucket(path: &str, authority: &str) -> Result<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if authority.is_empty() || !authority.chars().all(is_name) {
        // Not repeated here: some write their keys into it.
        return Err(DataError::spec("the address names no bucket or container")
            .hint(format!("expected {}://BUCKET/PATH", scheme_of(path))));
    }
    Ok(authority.to_string())
}

/// `az://CONTAINER` with the account elsewhere, `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net`.
fn azure(path: &str, authority: &str) -> Result<StorePlace> {
    const HOSTS: [&str; 2] = ["dfs.core.windows.net", "blob.core.windows.net"];
    let (container, account) = match authority.split_once('@') {
        None => (authority, None),
        Some((container, host)) => {
            let account = match host.split_once('.') {
                None => host,
                Some((account, domain)) if HOSTS.contains(&domain) => account,
                Some(_) => {
                    return Err(DataError::spec(format!("\"{host}\" is no host of Azure's"))
                        .hint("for another server set store.endpoint"));
                }
            };
            (container, Some(bucket(path, account)?))
        }
    };
    Ok(StorePlace::Azure {
        container: bucket(path, container)?,
        account,
    })
}

/// A single file on a web server.
fn web(path: &str, authority: &str) -> Result<Address> {
    // Passwords first: the address is shown below.
    if authority.contains('@') {
        return Err(DataError::spec(
            "the address holds a user or password, which every run's record would show",
        ));
    }
    let url = Url::parse(path).map_err(|e| DataError::spec(format!("\"{path}\" is no URL: {e}")))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(DataError::spec(
            "the address has a query or fragment, expected the plain address of a file",
        )
        .hint("in an address with ? only the part before it is a path; a web server has no globs"));
    }
    if is_glob(url.path()) {
        return Err(
            DataError::spec(format!("\"{path}\" is a glob, but a web server lists no files"))
                .hint("name one file; for many use s3://, gs:// or az://, or a local folder"),
        );
    }
    let location = object_store::path::Path::from_url_path(url.path())
        .map_err(|e| DataError::spec(format!("\"{path}\" names no file: {e}")))?;
    let origin = url.origin().ascii_serialization();
    Ok(Address::Store {
        url: origin.clone(),
        place: StorePlace::Web { origin },
        pattern: location.to_string(),
    })
}

fn scheme_of(path: &str) -> &str {
    path.split_once("://").map_or("", |(scheme, _)| scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(path: &str) -> (StorePlace, String, String) {
        match Address::parse(path).unwrap() {
            Address::Store { place, url, pattern } => (place, url, pattern),
            Address::Disk(_) => panic!("{path} is a store's"),
        }
    }

    #[test]
    fn addresses_are_taken_apart() {
        let amazon = StorePlace::Amazon { bucket: "b".into() };
        assert_eq!(
            store("s3://b/d/part-?.csv"),
            (amazon, "s3://b".into(), "d/part-?.csv".into())
        );
        let azure = StorePlace::Azure {
            container: "c".into(),
            account: Some("a".into()),
        };
        let (place, url, pattern) = store("abfss://c@a.dfs.core.windows.net/x.csv");
        assert_eq!(
            (place, url.as_str(), pattern.as_str()),
            (azure, "abfss://c@a.dfs.core.windows.net", "x.csv")
        );
        let (place, url, pattern) = store("http://h:81/a%20b/x.csv");
        let web = StorePlace::Web {
            origin: "http://h:81".into(),
        };
        assert_eq!(
            (place, url.as_str(), pattern.as_str()),
            (web, "http://h:81", "a b/x.csv")
        );
        assert_eq!(
            Address::parse("file:///a/*.csv").unwrap(),
            Address::Disk("/a/*.csv".into())
        );
    }

    #[test]
    fn addresses_that_lead_nowhere_are_refused() {
        for (path, message) in [
            ("ftp://h/x", "scheme \"ftp\" is not supported"),
            ("s3:///x", "names no bucket"),
            ("s3://key:pw@b/x", "names no bucket"),
            (
                "abfss://c@a.dfs.core.windows.net.evil.example/x",
                "is no host of Azure's",
            ),
            ("https://ada:pw@h/x.csv", "holds a user or password"),
            ("https://h/x.csv?sig=abc", "has a query"),
            ("https://h/*.csv", "is a glob"),
        ] {
            let error = Address::parse(path).unwrap_err().message;
            assert!(
                error.contains(message) && !error.contains("pw"),
                "{path}: {error}"
            );
        }
    }

    #[test]
    fn the_folder_before_a_glob_is_listed() {
        assert_eq!(literal_folder("a/b/x-*.csv"), "a/b");
        assert_eq!(literal_folder("a/[bc]/x.csv"), "a");
        assert_eq!(literal_folder("*.csv"), "");
    }
}
