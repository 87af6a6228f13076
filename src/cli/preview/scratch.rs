//! A folder for a store of nobody, where there is no store yet: gone with the value.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use anyhow::Context as _;

/// The folder, for its owner alone.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> anyhow::Result<Scratch> {
        let path = std::env::temp_dir().join(format!("scimbridge-preview-{}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Scratch(path))
    }

    pub(super) fn url(&self) -> String {
        format!("sqlite://{}", self.0.join("nobody.db").display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            super::talk(&format!("cannot remove {}: {error}\n", self.0.display()));
        }
    }
}
