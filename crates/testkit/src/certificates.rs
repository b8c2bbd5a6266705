//! Certificates of one's own, for servers on loopback.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A certificate authority, and what it signed: a certificate for 127.0.0.1 and one for a client.
#[derive(Debug)]
pub struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// openssl is missing or refuses.
    #[must_use]
    #[track_caller]
    pub fn make() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let certificates = Self { directory };
        let authority = ["-addext", "keyUsage=critical,keyCertSign"];
        certificates.sign("ca", &authority);
        for (name, host) in [
            ("server", "IP:127.0.0.1,DNS:localhost"),
            ("client", "DNS:client"),
        ] {
            let host = format!("subjectAltName={host}");
            let (ca, key) = (certificates.path("ca.pem"), certificates.path("ca.key"));
            let leaf = "basicConstraints=critical,CA:FALSE";
            let signed_by = ["-CA", &text(&ca), "-CAkey", &text(&key)];
            let about = ["-addext", leaf, "-addext", &host];
            certificates.sign(name, &[&signed_by[..], &about].concat());
        }
        certificates
    }

    /// The authority, in PEM.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The server's certificate and its key, in PEM.
    #[must_use]
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.path("server.pem"), self.path("server.key"))
    }

    /// The client's certificate and its key, in PEM.
    #[must_use]
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.path("client.pem"), self.path("client.key"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    #[track_caller]
    fn sign(&self, name: &str, more: &[&str]) {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"])
            .args(["-subj", &format!("/CN=tidemark test {name}")])
            .arg("-keyout")
            .arg(self.path(&format!("{name}.key")))
            .arg("-out")
            .arg(self.path(&format!("{name}.pem")))
            .args(more)
            .output()
            .expect("openssl is missing; install it with: scripts/setup --test");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl refuses: {said}");
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
