//! Putting one resource right: the same before an imagined directory and before the real one.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::{RosterDrift, Suspect};
use crate::directory::{Matching, Value};
use crate::mapping::{GroupRules, MemberValue};
use crate::plan::MemberDelta;
use crate::scim::{Kind, ResourceId};
use crate::settle::work::Work;
use crate::settle::{Audience, Error, now};
use crate::store::{Intent, MemberState, State, Wanted};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Righted {
    /// It is as wanted, whether or not anything had to be done.
    Done,
    /// A client has written it since the version that was meant.
    Overtaken,
}

impl Work<'_> {
    /// Makes the directory agree with a resource, the lists of a group included. `meant`: only if that is still wanted.
    pub(super) async fn put_right(&self, suspect: &Suspect, meant: Option<&Meant>) -> Result<Righted, Error> {
        let _groups = match suspect.kind {
            Kind::Group => Some(self.locks.structure().await?),
            Kind::User => None,
        };
        let _resource = self.locks.key(suspect.id.as_str()).await?;
        let Some(state) = self.store.state(&suspect.id).await? else {
            return Ok(Righted::Overtaken);
        };
        if meant.is_some_and(|meant| *meant != Meant::of(&state)) {
            return Ok(Righted::Overtaken);
        }
        self.renew_missing(suspect).await?;
        if self.has_pending(&state).await? {
            self.settle_or_revert(&suspect.id, Audience::Nobody).await?;
        } else {
            self.settle(&suspect.id, Audience::Nobody).await?;
        }
        match &self.rules.groups {
            Some(rules) if suspect.kind == Kind::Group => {
                self.clear_strays(rules, &suspect.id, &suspect.roster).await?
            }
            _ => {}
        }
        Ok(Righted::Done)
    }

    /// Lets the settling of the group see to members who were not listed, if they are wanted still.
    async fn renew_missing(&self, suspect: &Suspect) -> Result<(), Error> {
        let states = self.store.member_states(&suspect.id, &suspect.roster.missing).await?;
        let settled = states.into_iter().filter(|(_, state)| *state == MemberState::Settled);
        let members: Vec<(ResourceId, MemberState)> = settled.map(|(id, _)| (id, MemberState::Renewing)).collect();
        if members.is_empty() {
            return Ok(());
        }
        let wanted = Wanted {
            id: suspect.id.clone(),
            kind: Kind::Group,
            intent: None,
            name_claim: None,
            members,
            may_be_disabled: false,
            now: now(),
        };
        Ok(self.store.want(&wanted).await?)
    }

    /// Takes out of a group's lists what is not to be there, if that is so still.
    async fn clear_strays(&self, rules: &GroupRules, id: &ResourceId, drift: &RosterDrift) -> Result<(), Error> {
        let Some(state) = self.store.state(id).await? else {
            return Ok(());
        };
        let Some(link) = state.link.as_ref().filter(|_| !drift.strays.is_empty() || drift.idle_placeholder) else {
            return Ok(());
        };
        let mut sharing: Vec<State> = Vec::new();
        for sibling in self.siblings(&link.anchor, id).await? {
            sharing.extend(self.store.state(&sibling).await?);
        }
        let groups: Vec<&State> = std::iter::once(&state).chain(&sharing).collect();
        let owners: BTreeSet<ResourceId> = drift.strays.iter().flat_map(|stray| stray.owners.clone()).collect();
        let owners = self.store.known(&owners).await?;
        let profile = self.directory.profile().await?;
        let mut deltas = Vec::new();
        for rule in &rules.members {
            let matching = profile.schema.matching(&rule.attribute).unwrap_or(Matching::Octets);
            let mut values = Vec::new();
            for stray in drift.strays.iter().filter(|stray| stray.attribute == rule.attribute) {
                values.push(stray.value.clone());
                // Whoever was renamed by hand may have the old name again, and the list with them.
                let links = stray.owners.iter().filter_map(|owner| owners.get(owner)).map(|known| &known.link);
                let names = links.filter_map(|link| match &rule.by {
                    MemberValue::Dn => Some(Value::from(&link.dn)),
                    MemberValue::Attribute(_) => link.key.clone(),
                });
                values.extend(names.filter(|name| !matching.equal(name, &stray.value)));
            }
            let (leaving, _) = self.judge_surplus(rules, rule, &groups, values).await?;
            let leaving = leaving.into_iter().map(|stray| stray.value).collect();
            deltas.push(MemberDelta { attribute: rule.attribute.clone(), joining: Vec::new(), leaving });
        }
        self.for_resource(id).take_out(rules, &link.dn, &deltas).await
    }
}

/// What a resource should be when its plan was made, in short. Not its version: that counts up when somebody is deleted
/// who is a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meant([u8; 32]);

impl Meant {
    pub(super) fn of(state: &State) -> Meant {
        let mut digest = Sha256::new();
        let settled = state.settled.as_ref().map(|resource| &resource.document);
        let (intent, wanted) = match &state.intent {
            None => ("none", None),
            Some(Intent::Put(document)) => ("put", Some(document)),
            Some(Intent::Delete) => ("delete", None),
        };
        digest.update(intent);
        for document in settled.into_iter().chain(wanted) {
            digest.update([0]);
            digest.update(serde_json::Value::Object(document.clone()).to_string());
        }
        Meant(digest.finalize().into())
    }
}

/// The version that clients have seen.
pub(super) fn version_of(state: &State) -> i64 {
    state.settled.as_ref().map(|resource| resource.version).unwrap_or_default()
}
