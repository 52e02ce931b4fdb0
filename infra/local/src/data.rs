//! The data directory: who uses it, and the keys that belong to it.

use crate::error::{Context, StackError};
use crate::ids::{token, webhook_secret};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The keys and secrets of a stack: random, and the same for as long as its data directory lives.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// API key of the demo partner.
    pub partner_key: String,
    /// API key of a partner that sees nothing of the first.
    pub other_partner_key: String,
    /// API key of a manager.
    pub manager_key: String,
    /// Signs Stripe's webhooks.
    pub stripe_secret: String,
    /// Signs Standard Webhooks payments.
    pub standard_secret: String,
    /// Signs requests to the sandbox operator.
    pub carrier_secret: String,
    /// Signs the console's sessions. One that a directory of before the console lacks is made anew at each start.
    #[serde(default = "webhook_secret")]
    pub console_secret: String,
}

impl Keys {
    fn random() -> Self {
        Self {
            partner_key: format!("sdk_partner_{}", token()),
            other_partner_key: format!("sdk_partner_{}", token()),
            manager_key: format!("sdk_manager_{}", token()),
            stripe_secret: webhook_secret(),
            standard_secret: webhook_secret(),
            carrier_secret: webhook_secret(),
            console_secret: webhook_secret(),
        }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// A data directory that belongs to this stack until it is dropped, or memory.
#[derive(Debug)]
pub struct Data {
    file: Option<PathBuf>,
    keys: Keys,
    _lock: Option<File>,
}

impl Data {
    /// Opens a directory, and makes it if it is missing; or memory without one.
    pub fn open(directory: Option<&Path>) -> Result<Self, StackError> {
        let Some(directory) = directory else { return Ok(Self { file: None, keys: Keys::random(), _lock: None }) };
        let shown = directory.display();
        private_directory(directory).context(format!("the data directory {shown} cannot be made"))?;
        let lock = private(&directory.join("lock"), false).context(format!("the data directory {shown} cannot be used"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StackError::new(format!(
                    "another stack uses the data directory {shown}; stop it, or choose another with --data DIR or --memory"
                )));
            }
            Err(TryLockError::Error(error)) => {
                return Err(StackError::new(format!("the data directory {shown} cannot be locked: {error}")));
            }
        }
        let keys = keys(&directory.join("keys.json")).context(format!("the keys in {shown}"))?;
        Ok(Self { file: Some(directory.join("data.db")), keys, _lock: Some(lock) })
    }

    /// The file of what the stack itself remembers; none in memory.
    pub fn state_file(&self) -> Option<PathBuf> {
        self.file().map(|file| file.with_file_name("stack.db"))
    }

    /// The file of the tables; none in memory.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// Makes a directory that only its owner may look into: the data holds names, addresses and codes.
fn private_directory(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// A file that only its owner may read.
fn private(path: &Path, truncate: bool) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(truncate);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn keys(path: &Path) -> Result<Keys, StackError> {
    match std::fs::read(path) {
        Ok(stored) => serde_json::from_slice(&stored).context("cannot be read"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let keys = Keys::random();
            write_private(path, &serde_json::to_vec_pretty(&keys).context("cannot be written")?).context("cannot be written")?;
            Ok(keys)
        }
        Err(error) => Err(StackError::new(format!("cannot be read: {error}"))),
    }
}

/// Writes a file that only its owner may read; nobody ever sees half of it.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let mut file = private(&part, true)?;
    file.write_all(content)?;
    drop(file);
    std::fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_stack_at_a_time_and_keeps_its_keys() {
        let directory = crate::ids::scratch_directory();
        let first = Data::open(Some(&directory)).unwrap();
        let problem = Data::open(Some(&directory)).unwrap_err().to_string();
        assert!(problem.contains("another stack"), "{problem}");
        let key = first.keys().partner_key.clone();
        drop(first);
        assert_eq!(Data::open(Some(&directory)).unwrap().keys().partner_key, key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(directory.join("keys.json")).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
