//! What entries were like when they were last found right, so that only those are looked at that are not so any more.
//!
//! Not a judgement: whoever has no mark that holds is looked at. Invariant: a mark holds only while everything is the same
//! that the judgement was made from. The entry's content and the settings are in it; what the store wants, the store
//! forgets the mark over.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::directory::AttributeName;
use crate::ldap::Profile;
use crate::settle::{Bridge, Error};
use crate::store::Mark;

/// How many bytes of a digest are kept.
const MARK_LENGTH: usize = 16;

/// How long an entry stays right whose content does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    /// Until something else is wanted of it.
    WhileUnchanged,
    /// Until then, or until the name of anybody changes: it refers to others.
    WhileNamesStand,
}

/// What the judgement of entries depends on beside their content and what is wanted of them.
pub(super) struct Marks {
    pub(super) profile: Arc<Profile>,
    context: [u8; 32],
    name_changes: i64,
}

impl Marks {
    /// The marks of entries of which these attributes are asked for.
    pub(super) async fn new(bridge: &Bridge, attributes: &[AttributeName]) -> Result<Marks, Error> {
        let profile = bridge.directory.profile().await?;
        let mut context = Sha256::new();
        context.update(env!("CARGO_PKG_VERSION"));
        context.update(format!("{:?} {:?}", bridge.rules, bridge.directory.anchor()));
        context.update(format!("{attributes:?} {:?} {:?}", profile.flavor, profile.schema));
        // Asked before anything else is: a name that changes meanwhile takes the marks away that are made now.
        let name_changes = bridge.store.name_changes().await?;
        Ok(Marks { profile, context: context.finalize().into(), name_changes })
    }

    /// The mark of an entry that was found right.
    pub(super) fn mark(&self, digest: &[u8; 32], validity: Validity) -> Mark {
        let mut mark = self.short(digest).to_vec();
        if validity == Validity::WhileNamesStand {
            mark.extend(self.name_changes.to_be_bytes());
        }
        Mark(mark)
    }

    /// Whether a mark says of an entry with this content that it is right.
    pub(super) fn hold(&self, mark: &Mark, digest: &[u8; 32]) -> bool {
        match mark.0.split_at_checked(MARK_LENGTH) {
            Some((content, name_changes)) => {
                let names_stand = name_changes.is_empty() || name_changes == self.name_changes.to_be_bytes();
                names_stand && content == self.short(digest)
            }
            None => false,
        }
    }

    fn short(&self, digest: &[u8; 32]) -> [u8; MARK_LENGTH] {
        let whole: [u8; 32] = Sha256::new_with_prefix(self.context).chain_update(digest).finalize().into();
        let mut short = [0; MARK_LENGTH];
        short.iter_mut().zip(whole).for_each(|(short, byte)| *short = byte);
        short
    }
}
