//! Whether a user's entry is plainly as wanted.

use std::collections::BTreeSet;

use super::Progress;
use super::marks::{Marks, Validity};
use super::right::version_of;
use super::scan::{Scan, everything, missing_base};
use crate::directory::{AttributeName, Dn, Entry, Matching, Value};
use crate::ldap::Profile;
use crate::mapping::user::map_user;
use crate::mapping::{References, fit_syntaxes, rules};
use crate::plan::{attribute_changes, diff};
use crate::scim::{Kind, ResourceId, resource};
use crate::settle::{Bridge, Error, is_pending};
use crate::store::State;

/// How many entries the directory is asked for at a time.
const ENTRIES_PER_PAGE: u16 = 1_000;

impl Bridge {
    pub(super) async fn scan_users(&self, scan: &mut Scan, progress: &dyn Progress) -> Result<(), Error> {
        let rules = &self.rules.users;
        let attributes = self.observed_of_users().await?;
        let marks = Marks::new(self, &attributes).await?;
        for base in rules.trees() {
            let setting = if *base == rules.base_dn { "users.base_dn" } else { "users.disable.move_to" };
            let missing = missing_base(setting, base);
            let pages = self.directory.search_pages(base, &everything(), &attributes, ENTRIES_PER_PAGE).await;
            let mut pages = pages.map_err(&missing)?.ahead();
            while let Some(entries) = pages.next().await.map_err(&missing)? {
                scan.count(entries.len(), progress);
                let (doubtful, digests) = self.doubtful(scan, &marks, Kind::User, entries).await?;
                self.scan_doubtful_users(scan, &marks, base, &doubtful, &digests).await?;
            }
            scan.refer(pages.referrals());
        }
        Ok(())
    }

    async fn scan_doubtful_users(
        &self,
        scan: &mut Scan,
        marks: &Marks,
        base: &Dn,
        entries: &[Entry],
        digests: &[[u8; 32]],
    ) -> Result<(), Error> {
        let rules = &self.rules.users;
        let owners = self.owners(entries).await?;
        let users = owners.iter().flatten().filter(|state| state.kind == Kind::User);
        let referred =
            users.filter_map(State::desired).flat_map(|document| rules::referenced(&rules.attributes, document));
        let references = self.links_of(referred.map(ResourceId).collect::<BTreeSet<_>>()).await?;
        let mut right = Vec::new();
        for ((entry, states), digest) in entries.iter().zip(&owners).zip(digests) {
            states.iter().for_each(|state| scan.see(&state.id));
            if states.is_empty() && entry.dn.is_under(base) && has_class_of(&rules.object_classes, entry) {
                scan.unmanaged.push(entry.dn.clone());
            }
            for state in states.iter().filter(|state| state.kind == Kind::User) {
                if entry.dn.is_under(base) && self.is_user_right(&marks.profile, state, entry, &references) {
                    let refers =
                        state.desired().is_some_and(|wanted| !rules::referenced(&rules.attributes, wanted).is_empty());
                    let validity = if refers { Validity::WhileNamesStand } else { Validity::WhileUnchanged };
                    right.push((state.id.clone(), version_of(state), marks.mark(digest, validity)));
                } else {
                    scan.suspect(&state.id, Kind::User);
                }
            }
        }
        if right.is_empty() { Ok(()) } else { Ok(self.store.check(&right).await?) }
    }

    /// Whether settling would find nothing to do. In doubt it is not.
    fn is_user_right(&self, profile: &Profile, state: &State, entry: &Entry, references: &References) -> bool {
        let (rules, lock) = (&self.rules.users, profile.flavor.lock);
        let (Some(document), Some(link), false) = (state.desired(), &state.link, is_pending(state)) else {
            return false;
        };
        let Ok(mut desired) = map_user(rules, document, references) else {
            return false;
        };
        if fit_syntaxes(&rules.attributes, &mut desired, &profile.schema).is_err() {
            return false;
        }
        let names = self.names_of(entry);
        if names != link.names() || rules::allocated(&rules.attributes).any(|(name, _)| entry.values(name).is_empty()) {
            return false;
        }
        if resource::is_active(document) {
            if state.may_be_disabled {
                return false;
            }
            rules.disable.leave(&mut desired, entry);
        } else {
            let barring = rules.disable.barring(lock, entry);
            let is_elsewhere = rules.disable.move_to.as_ref().is_some_and(|branch| !entry.dn.is_under(branch));
            if is_elsewhere || !attribute_changes(&barring, entry, &profile.schema).is_empty() {
                return false;
            }
            rules.disable.bar(&mut desired, lock, entry);
        }
        diff(&desired, Some(entry), &profile.schema).is_empty()
    }
}

/// Whether an entry has one of the classes, other than the one that every entry has.
pub(in crate::settle) fn has_class_of(classes: &[Value], entry: &Entry) -> bool {
    let present = entry.values(&AttributeName::of("objectClass"));
    let tells = |class: &&Value| !Matching::CaseIgnore.equal(class, &Value::from("top"));
    classes.iter().filter(tells).any(|class| present.iter().any(|other| Matching::CaseIgnore.equal(class, other)))
}
