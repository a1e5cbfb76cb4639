//! TLS and mutual TLS, and what is said about wrong files.

use crate::topologies::counts;
use limit_runtime::{Limiter, limits, store::ConnectError};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use test_support::servers::{Server, free_port, patient};

/// Certificates and keys in a directory of their own.
pub(crate) struct Files(PathBuf);

impl Files {
    /// Makes a certificate authority, and what it signed for 127.0.0.1 and for a client.
    pub(crate) fn make() -> Self {
        // With characters that a URL encodes.
        let dir = std::env::temp_dir().join(format!("limit tls@{}", free_port()));
        fs::create_dir_all(&dir).unwrap();
        let script = r#"
            new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
            sign='openssl x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days 2' &&
            $new -x509 -days 2 -subj /CN=tests -keyout ca.key -out ca.pem &&
            $new -subj /CN=localhost -keyout key.pem -out request.pem &&
            printf 'subjectAltName=IP:127.0.0.1\n' > extensions &&
            $sign -in request.pem -extfile extensions -out cert.pem &&
            $new -subj /CN=client -keyout client.key -out client.request &&
            printf 'extendedKeyUsage=clientAuth\n' > extensions &&
            $sign -in client.request -extfile extensions -out client.pem &&
            openssl pkcs8 -topk8 -passout pass:hunter2 -in client.key -out encrypted.key &&
            sed 's/^M/*/' client.key > damaged.key &&
            sed 's/^M/*/' ca.pem > damaged.pem
        "#;
        let output = Command::new("sh")
            .args(["-c", script])
            .current_dir(&dir)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self(dir)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// The path as a value of a parameter.
    pub(crate) fn encoded(&self, name: &str) -> String {
        self.path(name).replace('@', "%40").replace(' ', "%20")
    }

    fn dir(&self) -> &Path {
        &self.0
    }

    /// The options of a server with TLS on this port. `clients`: whether it asks for certificates.
    pub(crate) fn options(&self, port: u16, clients: &str) -> Vec<String> {
        [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", self.path("cert.pem")),
            ("--tls-key-file", self.path("key.pem")),
            ("--tls-ca-cert-file", self.path("ca.pem")),
            ("--tls-auth-clients", clients.to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }

    /// A server with TLS, and the port.
    pub(crate) fn server(&self, clients: &str) -> (Server, u16) {
        let port = free_port();
        let options = self.options(port, clients);
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        (Server::redis_with(&options), port)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether the store has answered a check of this limiter.
async fn answers(limiter: &Limiter) -> bool {
    limiter.check(&limits!("9/minute"), "bob").await.is_ok() && limiter.health().answered > 0
}

#[tokio::test]
async fn over_tls() {
    let files = Files::make();
    let (_server, port) = files.server("no");
    let ca = files.encoded("ca.pem");
    let limiter = patient(&format!("rediss://127.0.0.1:{port}?tls-ca={ca}")).await;
    counts(&limiter).await;
    // Signed by no known authority, and for another host.
    for url in [
        format!("rediss://127.0.0.1:{port}"),
        format!("rediss://localhost:{port}?tls-ca={ca}"),
        format!("rediss+cluster://127.0.0.1:{port}"),
    ] {
        let error = Limiter::connect(&url).await.unwrap_err();
        assert!(matches!(error, ConnectError::Misconfigured { .. }));
        let text = error.to_string();
        assert!(text.contains("invalid peer certificate"), "{text}");
        assert!(text.contains("`rediss://host:6380?tls-ca="), "{text}");
    }
}

#[tokio::test]
async fn over_mutual_tls() {
    let files = Files::make();
    let (_server, port) = files.server("yes");
    let [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map(|name| files.encoded(name));
    let url = format!("rediss://127.0.0.1:{port}?tls-ca={ca}");
    let limiter = patient(&format!("{url}&tls-cert={cert}&tls-key={key}")).await;
    counts(&limiter).await;
    // Without a certificate, the server refuses, but a closed connection may hide the reason.
    match Limiter::connect(&url).await {
        Ok(limiter) => assert!(!answers(&limiter).await),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("tls-cert=/path/cert.pem&tls-key="), "{text}");
        }
    }
}

#[tokio::test]
async fn a_wrong_file_is_an_error_that_says_what_it_has() {
    let files = Files::make();
    let [ca, cert, key, other] =
        ["ca.pem", "client.pem", "client.key", "key.pem"].map(|name| files.encoded(name));
    let empty = files.dir().join("empty");
    fs::write(&empty, "nothing").unwrap();
    let [encrypted, damaged_key, damaged_ca, empty, missing] = [
        "encrypted.key",
        "damaged.key",
        "damaged.pem",
        "empty",
        "missing",
    ]
    .map(|name| files.encoded(name));
    for (parameters, expected) in [
        (
            format!("tls-ca={empty}"),
            "of `tls-ca` has nothing in PEM form and no certificate; it must have the \
             certificates of the authorities",
        ),
        (
            format!("tls-ca={key}"),
            "of `tls-ca` has 1 × PRIVATE KEY and no certificate",
        ),
        (
            format!("tls-ca={damaged_ca}"),
            "of `tls-ca` has a damaged certificate",
        ),
        (
            format!("tls-ca={missing}"),
            "No such file or directory (os error 2); write the path of a PEM file, as in \
             `?tls-ca=/path/file.pem`",
        ),
        (
            format!("tls-ca={ca}&tls-cert={cert}"),
            "there is `tls-cert` without `tls-key`; write both, as in",
        ),
        (
            format!("tls-key={key}"),
            "there is `tls-key` without `tls-cert`; write both, as in",
        ),
        (
            format!("tls-cert={cert}&tls-key={ca}"),
            "of `tls-key` has 1 × CERTIFICATE and no private key; it must have that of",
        ),
        (
            format!("tls-cert={key}&tls-key={key}"),
            "of `tls-cert` has 1 × PRIVATE KEY and no certificate; it must have the client's",
        ),
        (
            format!("tls-cert={cert}&tls-key={encrypted}"),
            "of `tls-key` has 1 × ENCRYPTED PRIVATE KEY and no key without a passphrase",
        ),
        (
            format!("tls-cert={cert}&tls-key={damaged_key}"),
            "of `tls-key` has a damaged private key",
        ),
        (
            format!("tls-cert={cert}&tls-key={other}"),
            "does not belong to the first certificate in",
        ),
    ] {
        let url = format!("rediss://cache?{parameters}");
        let error = Limiter::connect(&url).await.unwrap_err();
        assert!(matches!(error, ConnectError::Url { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(expected), "{parameters}: {text}");
        for line in fs::read_to_string(files.path("client.key"))
            .unwrap()
            .lines()
            .skip(1)
        {
            assert!(!text.contains(line), "{text}");
        }
    }
}
