//! [`Authority`]: the certificate authority of a cluster, kept in its driver's state directory.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rookery_proto::Failure;

use crate::failing::{config, internal, of_file};
use crate::{CaCertificate, Identity, PrivateKey, Role, private_file};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long the authority's certificate holds, and a member's.
const CA_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 3600);
const MEMBER_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
/// How much the clocks of two machines may differ.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// The files of an authority, in its folder.
const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca.key";

/// Makes certificates that all members of a cluster believe.
#[derive(Debug)]
pub struct Authority {
    certificate: CaCertificate,
    issuer: Issuer<'static, KeyPair>,
}

/// What a worker that wants a certificate says of itself, signed with its key.
#[derive(Debug)]
pub struct Request(CertificateSigningRequestParams);

impl Request {
    /// Makes a key, which stays here, and a request for a certificate under these names.
    ///
    /// # Errors
    /// Class config: something is no name.
    pub fn make(names: Vec<String>) -> Result<(PrivateKey, Vec<u8>), Failure> {
        let key = KeyPair::generate().map_err(|e| internal("no key could be made", &e))?;
        let params = CertificateParams::new(names)
            .map_err(|e| config(format!("a certificate can't be made for this name: {e}")))?;
        let request = params
            .serialize_request(&key)
            .map_err(|e| internal("no certificate could be asked for", &e))?;
        Ok((PrivateKey::new(key.serialize_pem()), request.der().to_vec()))
    }

    /// Reads a request, and sees that whoever made it has the key.
    ///
    /// # Errors
    /// Class config: it is no request, or not signed with its own key.
    pub fn read(der: &[u8]) -> Result<Self, Failure> {
        let request = CertificateSigningRequestParams::from_der(&der.into())
            .map_err(|e| config(format!("the certificate request is not usable: {e}")))?;
        Ok(Self(request))
    }

    pub(crate) fn wanted(&self) -> &[SanType] {
        &self.0.params.subject_alt_names
    }
}

impl Authority {
    /// The authority whose files are in `folder`; made now if there is none. Of several drivers that start at once, one
    /// makes it and all use it.
    ///
    /// # Errors
    /// Class internal: the files can't be read or written, or something else is in them.
    pub fn open_or_make(folder: &Path) -> Result<Self, Failure> {
        private_file::make_folder(folder).map_err(|e| of_file("the folder can't be made", &e, folder))?;
        let (key_file, certificate_file) = (folder.join(KEY_FILE), folder.join(CERTIFICATE_FILE));
        // The key comes first. Two certificates made for it at once are different, but only one gets its place.
        let key = kept(&key_file, || Ok(new_key()?.serialize_pem()))?;
        let key = KeyPair::from_pem(&key).map_err(|e| of_file("it is no private key", &e, &key_file))?;
        let certificate = kept(&certificate_file, || new_certificate(&key))?;
        let certificate = CaCertificate::from_pem(&certificate)
            .map_err(|failure| failure.at(certificate_file.display().to_string()))?;
        let issuer = Issuer::from_ca_cert_der(certificate.der(), key)
            .map_err(|e| of_file("it is no CA certificate", &e, &certificate_file))?;
        Ok(Self { certificate, issuer })
    }

    /// The file in a state directory's `folder` that clients find the certificate in.
    pub fn certificate_file(folder: &Path) -> std::path::PathBuf {
        folder.join(CERTIFICATE_FILE)
    }

    /// What everybody may know.
    pub fn certificate(&self) -> &CaCertificate {
        &self.certificate
    }

    /// A new identity for a driver that is reached under these names.
    ///
    /// # Errors
    /// Class config: something is no name.
    pub fn issue_driver(&self, names: &[String]) -> Result<Identity, Failure> {
        let key = new_key()?;
        let certificate = member(Role::Driver, names)?
            .signed_by(&key, &self.issuer)
            .map_err(|e| internal("the driver's certificate could not be made", &e))?;
        Identity::new(
            self.certificate.clone(),
            &certificate.pem(),
            PrivateKey::new(key.serialize_pem()),
        )
    }

    /// A worker's certificate, PEM form. Whatever the request asks for, it says no more than that its owner is a worker,
    /// reached under `names`.
    ///
    /// # Errors
    /// Class config: something is no name.
    pub fn sign_worker(&self, request: Request, names: &[String]) -> Result<String, Failure> {
        let request = CertificateSigningRequestParams {
            params: member(Role::Worker, names)?,
            public_key: request.0.public_key,
        };
        let certificate = request
            .signed_by(&self.issuer)
            .map_err(|e| internal("the worker's certificate could not be made", &e))?;
        Ok(certificate.pem())
    }
}

/// The content of a file, which is made if it is missing.
fn kept(file: &Path, make: impl FnOnce() -> Result<String, Failure>) -> Result<String, Failure> {
    match fs::read_to_string(file) {
        Ok(text) => return Ok(text),
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(of_file("the file can't be read", &e, file)),
    }
    private_file::create(file, &make()?).map_err(|e| of_file("the file can't be written", &e, file))?;
    // Another process may have been quicker: what is there counts.
    fs::read_to_string(file).map_err(|e| of_file("the file can't be read", &e, file))
}

fn new_key() -> Result<KeyPair, Failure> {
    KeyPair::generate().map_err(|e| internal("no key could be made", &e))
}

fn new_certificate(key: &KeyPair) -> Result<String, Failure> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Two authorities differ by name as well, so that a certificate of the one is never tried with the other's key.
    params.distinguished_name = named(&format!("Rookery cluster CA {:08x}", rand::random::<u32>()));
    hold(&mut params, CA_LIFETIME);
    let certificate = params
        .self_signed(key)
        .map_err(|e| internal("the CA certificate could not be made", &e))?;
    Ok(certificate.pem())
}

/// What a member's certificate says.
fn member(role: Role, names: &[String]) -> Result<CertificateParams, Failure> {
    let mut params = CertificateParams::new(names)
        .map_err(|e| config(format!("a certificate can't be made for this name: {e}")))?;
    let role_uri = role.uri().try_into().expect("the URI is ASCII");
    params.subject_alt_names.push(SanType::URI(role_uri));
    params.distinguished_name = named(&format!("Rookery {}", role.name()));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    hold(&mut params, MEMBER_LIFETIME);
    Ok(params)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Rookery");
    name.push(DnType::CommonName, common_name);
    name
}

/// From a little ago, for clocks that are behind, until `lifetime` from now.
fn hold(params: &mut CertificateParams, lifetime: Duration) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(DAY);
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(CLOCK_SKEW);
    params.not_after = epoch + now + lifetime;
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::of_request;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn drivers_that_start_at_once_have_one_authority() {
        let folder = tempfile::tempdir().unwrap();
        let tls = folder.path().join("tls");
        let open = || Authority::open_or_make(&tls).unwrap().certificate().fingerprint();
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(found.iter().all(|fingerprint| *fingerprint == found[0]));
        for file in [CERTIFICATE_FILE, KEY_FILE] {
            let mode = fs::metadata(tls.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        assert_eq!(fs::read_dir(&tls).unwrap().count(), 2);
    }

    #[test]
    fn a_worker_gets_no_more_than_a_workers_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_make(folder.path()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut greedy = CertificateParams::new(names(&["10.0.0.7", "worker.example"])).unwrap();
        greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        greedy.distinguished_name = named("Rookery driver");
        greedy.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let request = Request::read(greedy.serialize_request(&key).unwrap().der()).unwrap();
        let wanted = of_request(&request).unwrap();
        let pem = authority.sign_worker(request, &wanted).unwrap();
        let key = PrivateKey::new(key.serialize_pem());
        let identity = Identity::new(authority.certificate().clone(), &pem, key).unwrap();
        assert_eq!(identity.role(), Some(Role::Worker));
        assert!(identity.is_for("10.0.0.7") && identity.is_for("Worker.Example"));
        assert!(!identity.is_for("10.0.0.8"));
        use x509_parser::prelude::{FromDer as _, X509Certificate};
        let chain = identity.chain();
        let (_, certificate) = X509Certificate::from_der(&chain[0]).unwrap();
        assert!(!certificate.is_ca());
        assert!(!certificate.key_usage().unwrap().unwrap().value.key_cert_sign());
        assert!(certificate.subject().to_string().contains("Rookery worker"));
        let lifetime = identity.expires().unwrap() - certificate.validity().not_before.timestamp();
        assert_eq!(lifetime, (MEMBER_LIFETIME + CLOCK_SKEW).as_secs() as i64);
    }

    #[test]
    fn a_request_for_a_role_or_any_name_is_refused() {
        let key = KeyPair::generate().unwrap();
        let role = SanType::URI(Role::Driver.uri().try_into().unwrap());
        for wanted in [
            vec![],
            vec![role],
            vec![SanType::IpAddress("0.0.0.0".parse().unwrap())],
            vec![SanType::DnsName("*.example".try_into().unwrap())],
        ] {
            let mut params = CertificateParams::default();
            params.subject_alt_names = wanted.clone();
            let request = Request::read(params.serialize_request(&key).unwrap().der()).unwrap();
            assert!(of_request(&request).is_err(), "{wanted:?}");
        }
    }

    #[test]
    fn a_request_that_its_key_did_not_sign_is_refused() {
        let (_, mut request) = Request::make(names(&["10.0.0.7"])).unwrap();
        let last = request.len() - 1;
        request[last] ^= 1;
        let failure = Request::read(&request).unwrap_err();
        assert!(failure.message.contains("certificate request"), "{failure}");
        assert!(Request::read(b"no request").is_err());
    }
}
