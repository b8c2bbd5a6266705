//! The bus that the configuration describes.

use super::Config;
use feed::bus::BusUrl;
use feed::bus::redis::{OpenError, Server, TlsFiles};

/// The Redis server that is the bus, if one is.
///
/// # Errors
/// A file of its TLS settings cannot be used.
pub(crate) fn bus_server(config: &Config) -> Result<Option<Server>, OpenError> {
    let filestore = &config.filestore;
    let BusUrl::Redis(url) = &filestore.redis_url else {
        return Ok(None);
    };
    let files = TlsFiles {
        ca: filestore.redis_ca_file.clone(),
        cert: filestore.redis_cert_file.clone(),
        key: filestore.redis_key_file.clone(),
    };
    Server::open(url, &files).map(Some)
}
