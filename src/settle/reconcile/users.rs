//! Whether a user's entry is plainly as wanted.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::Progress;
use super::right::version_of;
use super::scan::{Scan, everything, missing_base};
use crate::directory::{Anchor, AttributeName, Dn, Entry, Matching, Value};
use crate::ldap::{Profile, Unread};
use crate::mapping::user::map_user;
use crate::mapping::{References, UserRules, fit_syntaxes, rules};
use crate::plan::{attribute_changes, diff};
use crate::scim::{Kind, ResourceId, resource};
use crate::settle::{Bridge, Error, is_pending};
use crate::store::{Checked, Mark, State};

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
                self.scan_user_page(scan, &marks, base, entries).await?;
            }
            scan.refer(pages.referrals());
        }
        Ok(())
    }

    /// Looks at those of a page of whom it is not known that they are right.
    async fn scan_user_page(&self, scan: &mut Scan, marks: &Marks, base: &Dn, page: Vec<Unread>) -> Result<(), Error> {
        let anchors: Vec<Option<Anchor>> = page.iter().map(|entry| entry.anchor(self.directory.anchor())).collect();
        let asked: Vec<Anchor> = anchors.iter().flatten().cloned().collect();
        let mut owners: HashMap<Anchor, Vec<Checked>> = HashMap::new();
        for checked in self.store.checked(&asked).await? {
            owners.entry(checked.anchor.clone()).or_default().push(checked);
        }
        let (mut doubtful, mut new_marks) = (Vec::new(), Vec::new());
        for (entry, anchor) in page.into_iter().zip(anchors) {
            let digest = entry.digest();
            match anchor.as_ref().and_then(|anchor| owners.get(anchor)).map(Vec::as_slice) {
                Some([one])
                    if one.kind == Kind::User && one.mark.as_ref().is_some_and(|mark| marks.hold(mark, &digest)) =>
                {
                    scan.see(&one.id);
                }
                _ => {
                    doubtful.push(entry.read()?);
                    new_marks.push(digest);
                }
            }
        }
        self.scan_doubtful_users(scan, marks, base, &doubtful, &new_marks).await
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
            if states.is_empty() && entry.dn.is_under(base) && looks_like_a_user(rules, entry) {
                scan.unmanaged.push(entry.dn.clone());
            }
            for state in states.iter().filter(|state| state.kind == Kind::User) {
                if entry.dn.is_under(base) && self.is_user_right(&marks.profile, state, entry, &references) {
                    right.push((state.id.clone(), version_of(state), marks.mark(state, rules, digest)));
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

/// What makes an entry right, in short: its content, and everything that the judgement depends on beside the resource.
struct Marks {
    profile: Arc<Profile>,
    /// The settings, the schema and the attributes that were asked for.
    context: [u8; 32],
    name_changes: i64,
}

/// How many bytes of a digest are kept.
const MARK_LENGTH: usize = 16;

impl Marks {
    async fn new(bridge: &Bridge, attributes: &[AttributeName]) -> Result<Marks, Error> {
        let profile = bridge.directory.profile().await?;
        let mut context = Sha256::new();
        context.update(env!("CARGO_PKG_VERSION"));
        context.update(format!("{:?} {:?}", bridge.rules, bridge.directory.anchor()));
        context.update(format!("{attributes:?} {:?} {:?}", profile.flavor, profile.schema));
        let name_changes = bridge.store.name_changes().await?;
        Ok(Marks { profile, context: context.finalize().into(), name_changes })
    }

    /// The mark of an entry that was found right. Of one that refers to others it counts until a name changes.
    fn mark(&self, state: &State, rules: &UserRules, digest: &[u8; 32]) -> Mark {
        let mut mark = self.short(digest).to_vec();
        if state.desired().is_some_and(|document| !rules::referenced(&rules.attributes, document).is_empty()) {
            mark.extend(self.name_changes.to_be_bytes());
        }
        Mark(mark)
    }

    /// Whether a mark says of an entry with this content that it is right.
    fn hold(&self, mark: &Mark, digest: &[u8; 32]) -> bool {
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

/// Whether an entry that is nobody's may be taken for a user's: it has one of the classes.
fn looks_like_a_user(rules: &UserRules, entry: &Entry) -> bool {
    has_class_of(&rules.object_classes, entry)
}

/// Whether an entry has one of the classes, other than the one that every entry has.
pub(super) fn has_class_of(classes: &[Value], entry: &Entry) -> bool {
    let present = entry.values(&AttributeName::of("objectClass"));
    let tells = |class: &&Value| !Matching::CaseIgnore.equal(class, &Value::from("top"));
    classes.iter().filter(tells).any(|class| present.iter().any(|other| Matching::CaseIgnore.equal(class, other)))
}
