//! Credentials from a file, read when a request is signed: a file that is rotated is taken up
//! without a restart, and what was read is kept nowhere.

use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct FileCredentials {
    pub(super) path: PathBuf,
    pub(super) profile: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("the credentials file {} cannot be read: {source}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "the credentials file {} has no aws_access_key_id and aws_secret_access_key under [{profile}]",
        path.display()
    )]
    Missing { path: PathBuf, profile: String },
}

impl FileCredentials {
    pub(super) fn read(&self) -> Result<AwsCredential, FileError> {
        let text = std::fs::read_to_string(&self.path).map_err(|source| FileError::Read {
            path: self.path.clone(),
            source,
        })?;
        parse(&text, &self.profile).ok_or_else(|| FileError::Missing {
            path: Path::to_owned(&self.path),
            profile: self.profile.clone(),
        })
    }
}

#[async_trait::async_trait]
impl CredentialProvider for FileCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        match self.read() {
            Ok(credential) => Ok(Arc::new(credential)),
            Err(error) => Err(object_store::Error::Unauthenticated {
                path: self.path.display().to_string(),
                source: Box::new(error),
            }),
        }
    }
}

/// The credentials of a profile, in the format of the AWS command line's `credentials` file.
fn parse(text: &str, profile: &str) -> Option<AwsCredential> {
    let mut is_meant = false;
    let (mut key_id, mut secret_key, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            is_meant = section.trim() == profile;
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| is_meant) else {
            continue;
        };
        let value = Some(value.trim().to_owned());
        match name.trim() {
            "aws_access_key_id" => key_id = value,
            "aws_secret_access_key" => secret_key = value,
            "aws_session_token" => token = value,
            _ => {}
        }
    }
    Some(AwsCredential {
        key_id: key_id?,
        secret_key: secret_key?,
        token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_by_its_name() {
        let text = "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=b=c\n\n\
                    [other]\naws_access_key_id=D\naws_secret_access_key=E\naws_session_token=F\n";
        let default = parse(text, "default").unwrap();
        assert_eq!((&*default.key_id, &*default.secret_key), ("A", "b=c"));
        assert_eq!(parse(text, "other").unwrap().token.as_deref(), Some("F"));
        assert!(parse(text, "third").is_none());
        assert!(parse("[default]\naws_access_key_id=A\n", "default").is_none());
    }
}
