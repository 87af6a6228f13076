//! Whether an administrator has paused the service: kept as a setting, so that every process of a store sees it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Error, Store};

/// The setting that holds it.
const NAME: &str = "pause";

/// A pause, from when on and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// When it began, RFC 3339, UTC.
    pub since: String,
    /// When it ends by itself; `None`: when somebody says so.
    pub until: Option<String>,
    /// Why, in the administrator's words.
    pub reason: Option<String>,
}

impl Pause {
    /// The pause that is on at a time.
    ///
    /// # Errors
    /// [`Error::DamagedSetting`] among others.
    pub async fn at(store: &dyn Store, now: SystemTime) -> Result<Option<Pause>, Error> {
        let Some(text) = store.setting(NAME).await? else {
            return Ok(None);
        };
        let pause: Pause = serde_json::from_str(&text).map_err(|_| Error::DamagedSetting { name: NAME })?;
        Ok((!pause.is_over(now)).then_some(pause))
    }

    /// Begins it, in the place of one that is on.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn begin(&self, store: &dyn Store) -> Result<(), Error> {
        let text = serde_json::to_string(self).map_err(|_| Error::DamagedSetting { name: NAME })?;
        store.set_setting(NAME, Some(&text)).await
    }

    /// Ends whatever is on.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn end(store: &dyn Store) -> Result<(), Error> {
        store.set_setting(NAME, None).await
    }

    /// Whether it has ended by itself.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.left(now).is_some_and(|left| left.is_zero())
    }

    /// For how long it goes on; `None`: nobody knows.
    pub fn left(&self, now: SystemTime) -> Option<Duration> {
        let until = humantime::parse_rfc3339_weak(self.until.as_deref()?).ok()?;
        Some(until.duration_since(now).unwrap_or_default())
    }
}

/// ` until …: reason`, as far as they are known, for the end of a sentence.
impl std::fmt::Display for Pause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.until {
            Some(until) => write!(f, "until {until}")?,
            None => f.write_str("until it is resumed")?,
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}
