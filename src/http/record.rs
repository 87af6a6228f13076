//! Keeping in the log what a client asked for and was turned away with before the bridge heard of it.

use serde_json::Value;

use super::{Failure, Service};
use crate::scim::{Kind, ResourceId, resource};
use crate::store::{About, Requester, Verb};

/// A write that is asked for: which, of what.
#[derive(Clone, Debug)]
pub(super) struct Asked(About);

impl Asked {
    pub(super) fn create(kind: Kind) -> Asked {
        Asked(About { verb: Some(Verb::Create), kind, id: None, name: None })
    }

    pub(super) fn of(verb: Verb, kind: Kind, id: &ResourceId) -> Asked {
        Asked(About { verb: Some(verb), kind, id: Some(id.clone()), name: None })
    }

    /// With the name that a body has.
    pub(super) fn named(mut self, body: &Value) -> Asked {
        let name = body.as_object().and_then(|document| resource::text(document, self.0.kind.required()));
        self.0.name = name.map(str::to_owned);
        self
    }

    /// What was found, as it is; a failure is kept first.
    pub(super) async fn unless_refused<T>(
        self,
        service: &Service,
        by: &Requester,
        found: Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Err(failure) = &found {
            let (status, detail) = failure.told();
            service.bridge.push(by).turned_away(self.0, status, &detail).await;
        }
        found
    }
}
