//! Reads and checks the files of TLS: certificate authorities, and the client's certificate and
//! key.
//!
//! The errors of the libraries can quote a line of the file, which may be a part of the key. So
//! everything is checked here, with texts that contain no more than the kinds of what was found.

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{collections::BTreeMap, fs};

/// The kinds of keys that rustls reads.
const KEYS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
const CERTIFICATE: &str = "CERTIFICATE";
const ENCRYPTED_KEY: &str = "ENCRYPTED PRIVATE KEY";

/// Installs *ring* as the crypto provider of rustls, unless the program has chosen another one.
///
/// Without a provider for the process, rustls panics.
pub(super) fn install_crypto_provider() {
    if CryptoProvider::get_default().is_none() {
        // Fails if another thread has installed one meanwhile, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Reads the files with these paths. `None`: there are no files to read.
///
/// # Errors
/// If a file cannot be read or has not the expected content, or certificate and key do not belong
/// together.
pub(super) fn read(
    ca: Option<&str>,
    cert: Option<&str>,
    key: Option<&str>,
) -> Result<Option<TlsCertificates>, String> {
    let client_tls = match (cert, key) {
        (Some(cert), Some(key)) => Some(read_client(cert, key)?),
        (None, None) => None,
        (cert, _) => {
            let (found, missing) = match cert {
                Some(_) => ("tls-cert", "tls-key"),
                None => ("tls-key", "tls-cert"),
            };
            return Err(format!(
                "there is `{found}` without `{missing}`; write both, as in \
                 `?tls-cert=/path/cert.pem&tls-key=/path/key.pem`"
            ));
        }
    };
    let root_cert = ca.map(read_authorities).transpose()?;
    Ok(
        (client_tls.is_some() || root_cert.is_some()).then_some(TlsCertificates {
            client_tls,
            root_cert,
        }),
    )
}

fn read_authorities(path: &str) -> Result<Vec<u8>, String> {
    let file = PemFile::read("tls-ca", path)?;
    let mut store = RootCertStore::empty();
    for certificate in file.certificates("the certificates of the authorities")? {
        if store.add(certificate).is_err() {
            return Err(file.problem("has a certificate that is not of an authority"));
        }
    }
    Ok(file.content)
}

fn read_client(cert: &str, key: &str) -> Result<ClientTlsConfig, String> {
    let cert = PemFile::read("tls-cert", cert)?;
    let key = PemFile::read("tls-key", key)?;
    let chain = cert.certificates("the client's certificate")?;
    let private_key = key.private_key()?;
    let is_pair = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_client_auth_cert(chain, private_key)
        .is_ok();
    if !is_pair {
        return Err(format!(
            "the key in `{}` does not belong to the first certificate in `{}`, or is of a kind that \
             is not supported; write the paths of a certificate and its own key",
            key.path, cert.path
        ));
    }
    Ok(ClientTlsConfig {
        client_cert: cert.content,
        client_key: key.content,
    })
}

struct PemFile<'a> {
    parameter: &'static str,
    path: &'a str,
    content: Vec<u8>,
}

impl<'a> PemFile<'a> {
    fn read(parameter: &'static str, path: &'a str) -> Result<Self, String> {
        let content = fs::read(path).map_err(|error| {
            format!(
                "cannot read the file `{path}` of `{parameter}`: {error}; write the path of a PEM \
                 file, as in `?{parameter}=/path/file.pem`"
            )
        })?;
        Ok(Self {
            parameter,
            path,
            content,
        })
    }

    fn certificates(&self, needed: &str) -> Result<Vec<CertificateDer<'static>>, String> {
        if !self.labels().contains_key(CERTIFICATE) {
            return Err(self.lacks(&format!("certificate; it must have {needed}")));
        }
        CertificateDer::pem_slice_iter(&self.content)
            .collect::<Result<_, _>>()
            .map_err(|_| self.problem("has a damaged certificate"))
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, String> {
        let labels = self.labels();
        if !KEYS.iter().any(|key| labels.contains_key(key)) {
            let more = if labels.contains_key(ENCRYPTED_KEY) {
                "key without a passphrase; remove the passphrase, as with `openssl pkey`"
            } else {
                "private key; it must have that of the certificate in `tls-cert`"
            };
            return Err(self.lacks(more));
        }
        PrivateKeyDer::from_pem_slice(&self.content)
            .map_err(|_| self.problem("has a damaged private key"))
    }

    /// The kinds of sections in the file, with their numbers.
    fn labels(&self) -> BTreeMap<&'static str, usize> {
        let text = String::from_utf8_lossy(&self.content);
        let mut labels = BTreeMap::new();
        for line in text.lines() {
            let label = line
                .trim()
                .strip_prefix("-----BEGIN ")
                .and_then(|line| line.strip_suffix("-----"));
            let Some(label) = label else {
                continue;
            };
            let known = KEYS.iter().chain(&[CERTIFICATE, ENCRYPTED_KEY]);
            let known = known.copied().find(|known| *known == label);
            *labels.entry(known.unwrap_or("other section")).or_default() += 1;
        }
        labels
    }

    fn lacks(&self, needed: &str) -> String {
        let labels = self.labels();
        let found: Vec<_> = labels
            .iter()
            .map(|(label, count)| format!("{count} × {label}"))
            .collect();
        let found = if found.is_empty() {
            "nothing in PEM form".to_owned()
        } else {
            found.join(", ")
        };
        self.problem(&format!("has {found} and no {needed}"))
    }

    fn problem(&self, problem: &str) -> String {
        format!("the file `{}` of `{}` {problem}", self.path, self.parameter)
    }
}
