//! Who may ask: what expires soon, and the issuers whose keys are needed.

use super::with_causes;
use crate::cli::{auth, open_store};
use crate::config::Settings;
use crate::mapping::Finding;
use crate::store::SqliteStore;

pub(super) async fn findings(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A check makes no files.
    if SqliteStore::is_there(&settings.store_url) {
        let expiring = match open_store(settings).await {
            Ok(store) => auth::expiring(&store).await.map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        findings.extend(expiring.unwrap_or_else(|error| {
            let detail = format!("the store does not tell who may ask: {error:#}");
            vec![Finding::error(detail, "see that store.url names the file of the store, and that it can be read")]
        }));
    }
    findings.extend(issuers(settings).await);
    findings
}

/// Whether the keys can be had by which signed tokens are verified.
async fn issuers(settings: &Settings) -> Vec<Finding> {
    let auth = match auth::auth(settings) {
        Ok(auth) => auth,
        Err(error) => return vec![Finding::error(format!("{error:#}"), "give a file of PEM certificates")],
    };
    let unreachable = |(issuer, reached): (String, Result<(), crate::http::FetchError>)| {
        let error = reached.err()?;
        Some(Finding::error(
            format!("tokens of {issuer} cannot be verified: {}", with_causes(&error)),
            "let this machine reach the issuer over HTTPS, or set keys_url to where its keys are",
        ))
    };
    auth.reach_issuers().await.into_iter().filter_map(unreachable).collect()
}
