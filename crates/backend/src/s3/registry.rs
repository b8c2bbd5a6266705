//! The open buckets, one a mount, and the runtime that their requests run on.

use super::client::Connector;
use super::config::{Credentials, Settings};
use super::credentials::FileCredentials;
use super::error::Refusal;
use super::objects::HELD_MIB;
use super::{Bucket, PATIENCE, failed};
use crate::{Error, Operation};
use object_store::aws::AmazonS3Builder;
use object_store::client::HttpConnector;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;

/// Attempts after the first.
const RETRIES: usize = 4;

/// The buckets of one filestore. Nothing is started before the first is opened.
#[derive(Debug, Default)]
pub struct Buckets {
    runtime: Mutex<Option<Runtime>>,
    open: Mutex<HashMap<i64, Arc<Bucket>>>,
}

impl Buckets {
    /// The bucket of the mount with this id. Nothing is asked of it yet.
    ///
    /// # Errors
    /// Its client cannot be built.
    pub fn bucket(&self, id: i64, settings: Settings) -> Result<Arc<Bucket>, Error> {
        let mut open = self.open.lock();
        if let Some(bucket) = open.get(&id).filter(|b| b.settings == settings) {
            return Ok(Arc::clone(bucket));
        }
        let bucket = Arc::new(self.connect(settings)?);
        open.insert(id, Arc::clone(&bucket));
        Ok(bucket)
    }

    /// A bucket with these settings.
    ///
    /// # Errors
    /// Its client cannot be built.
    pub fn connect(&self, settings: Settings) -> Result<Bucket, Error> {
        let bucket = settings.bucket.clone();
        self.build(settings)
            .map_err(failed(&bucket, Operation::Open, ""))
    }

    fn build(&self, settings: Settings) -> Result<Bucket, Refusal> {
        let runtime = self.runtime().map_err(Refusal::unavailable)?;
        let connector = Connector(runtime.clone());
        let options = ClientOptions::new().with_allow_http(settings.allow_http);
        let http = connector.connect(&options)?;
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(3),
                base: 2.0,
            },
            max_retries: RETRIES,
            retry_timeout: PATIENCE,
        };
        let mut builder = match &settings.credentials {
            Credentials::Environment => AmazonS3Builder::from_env(),
            Credentials::File { path, profile } => {
                let credentials = FileCredentials {
                    path: path.clone(),
                    profile: profile.clone(),
                };
                AmazonS3Builder::new().with_credentials(Arc::new(credentials))
            }
        };
        builder = builder
            .with_bucket_name(&settings.bucket)
            .with_region(&settings.region)
            .with_endpoint(&settings.endpoint)
            .with_virtual_hosted_style_request(settings.is_virtual_hosted)
            .with_client_options(options)
            .with_retry(retry)
            .with_http_connector(connector);
        // Its client builds its sessions on the runtime.
        let _entered = runtime.enter();
        Ok(Bucket {
            store: builder.build()?,
            http,
            settings,
            runtime: runtime.clone(),
            held: Arc::new(Semaphore::new(usize::try_from(HELD_MIB).unwrap_or(1))),
            owner: OnceLock::new(),
        })
    }

    fn runtime(&self) -> std::io::Result<Handle> {
        let mut runtime = self.runtime.lock();
        if runtime.is_none() {
            *runtime = Some(
                Builder::new_multi_thread()
                    .worker_threads(2)
                    .thread_name("filestore-s3")
                    .enable_all()
                    .build()?,
            );
        }
        runtime
            .as_ref()
            .map(|runtime| runtime.handle().clone())
            .ok_or_else(|| std::io::Error::other("the runtime is gone"))
    }
}

impl Drop for Buckets {
    fn drop(&mut self) {
        // It may be dropped by a task, where waiting for the runtime's threads is not allowed.
        if let Some(runtime) = self.runtime.get_mut().take() {
            runtime.shutdown_background();
        }
    }
}
