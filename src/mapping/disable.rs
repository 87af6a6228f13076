//! Keeping an inactive user out, and letting an active one in again. Pure.
//!
//! What is wanted of an entry depends on what it holds: a hash is made unusable, not exchanged. Invariant: whatever
//! keeps a user out is undone to exactly what stood before.

use std::collections::BTreeMap;

use crate::directory::{
    AccountLock, AttributeName, Attributes, BeforeDisable, DesiredAttribute, DesiredEntry, Dn, Entry, Matching,
    Ownership, Placement, Value,
};

pub use crate::directory::attribute::PASSWORD_ATTRIBUTE;

/// Stands before a hash that is to let nobody in: crypt(3) has no such salt and matches no password, and the hash is
/// still there for the day when it is to match again. The scheme is one that servers know: they take a value of an
/// unknown one for a password in clear, and some would hash it, so that what was there before is lost.
const UNUSABLE: &[u8] = b"{CRYPT}!disabled!";

/// How an inactive user is kept out. The strategies can be combined.
#[derive(Clone, Debug, Default)]
pub struct Disable {
    /// By the server's own lock.
    pub lock: bool,
    /// By making the stored hashes unusable.
    pub password: bool,
    /// By moving the entry below this one.
    pub move_to: Option<Dn>,
    /// By giving attributes these values, which tell applications.
    pub set: BTreeMap<AttributeName, Vec<Value>>,
}

impl Disable {
    /// Whether anything keeps an inactive user out.
    pub fn is_any(&self) -> bool {
        self.lock || self.password || self.move_to.is_some() || !self.set.is_empty()
    }

    /// The attributes of an entry that tell whether its user is kept out.
    pub fn attributes(&self, lock: AccountLock) -> impl Iterator<Item = AttributeName> {
        let password = self.password.then(|| AttributeName::of(PASSWORD_ATTRIBUTE));
        self.set.keys().cloned().chain(self.lock.then(|| lock.attribute())).chain(password)
    }

    /// What keeps the user out, attribute by attribute, in the entry that is there, or as it would be created.
    pub fn barring(&self, lock: AccountLock, entry: &Entry) -> BTreeMap<AttributeName, DesiredAttribute> {
        let mut wanted: BTreeMap<AttributeName, DesiredAttribute> = BTreeMap::new();
        if self.lock {
            // Whatever lock was there: one after failed logins ends by itself.
            let locked = entry.values(&lock.attribute()).iter().find(|value| lock.is_locked(value)).cloned();
            let values = vec![locked.unwrap_or_else(|| lock.locked())];
            wanted.insert(lock.attribute(), DesiredAttribute::new(Ownership::Owned, values));
        }
        for (attribute, values) in &self.set {
            wanted.insert(attribute.clone(), DesiredAttribute::new(Ownership::Owned, values.clone()));
        }
        if self.password {
            wanted
                .extend([exchanged(entry, |value| (!value.as_bytes().starts_with(UNUSABLE)).then(|| unusable(value)))]);
        }
        wanted
    }

    /// Wants of the entry that is there, or as it would be created, that it keeps its user out.
    pub fn bar(&self, desired: &mut DesiredEntry, lock: AccountLock, entry: &Entry) {
        desired.attributes.extend(self.barring(lock, entry));
        if let Some(branch) = &self.move_to {
            // Below the branch somebody may sort them by hand.
            let sorted = entry.dn.parent().filter(|_| entry.dn.is_under(branch));
            desired.parent = sorted.unwrap_or_else(|| branch.clone());
            desired.placement = Placement::Owned;
        }
    }

    /// The attributes that were changed to keep a user out, by whatever was configured then.
    pub fn changed(before: &BeforeDisable, lock: AccountLock) -> impl Iterator<Item = AttributeName> {
        let password = before.password.then(|| AttributeName::of(PASSWORD_ATTRIBUTE));
        before.attributes.keys().cloned().chain(before.lock.then(|| lock.attribute())).chain(password)
    }

    /// Lets the user of the entry in again: undoes what is configured, and what was when they were kept out. What the
    /// map owns, it says itself.
    pub fn readmit(
        &self,
        desired: &mut DesiredEntry,
        lock: AccountLock,
        entry: &Entry,
        before: Option<&BeforeDisable>,
    ) {
        let mut wanted: BTreeMap<AttributeName, DesiredAttribute> = BTreeMap::new();
        if self.lock || before.is_some_and(|before| before.lock) {
            // A lock after failed logins is the directory's own and stays.
            let locked = entry.values(&lock.attribute()).iter().filter(|value| lock.is_locked(value));
            wanted.insert(lock.attribute(), without(locked.cloned().collect()));
        }
        wanted.extend(self.set.iter().map(|(attribute, values)| (attribute.clone(), without(values.clone()))));
        let kept = before.iter().flat_map(|before| &before.attributes);
        wanted.extend(
            kept.map(|(attribute, values)| {
                (attribute.clone(), DesiredAttribute::new(Ownership::Owned, values.clone()))
            }),
        );
        if self.password || before.is_some_and(|before| before.password) {
            wanted.extend([exchanged(entry, |value| {
                value.as_bytes().strip_prefix(UNUSABLE).map(|hash| Value::from(hash.to_vec()))
            })]);
        }
        let is_mapped =
            |name: &AttributeName| desired.attributes.get(name).is_some_and(|own| own.ownership == Ownership::Owned);
        wanted.retain(|name, _| !is_mapped(name));
        for (name, undone) in &mut wanted {
            // What the map wants to be there at least, comes beside what stood before.
            let shared = desired.attributes.get(name).filter(|own| own.ownership == Ownership::Shared);
            undone.values.extend(shared.into_iter().flat_map(|own| own.values.iter().cloned()));
        }
        desired.attributes.extend(wanted);
        if self.move_to.as_ref().is_some_and(|branch| entry.dn.is_under(branch)) {
            if let Some(parent) = before.and_then(|before| before.parent.clone())
                && desired.placement == Placement::Initial
            {
                desired.parent = parent;
            }
            desired.placement = Placement::Owned;
        }
    }

    /// Leaves an entry where it is that somebody put below the branch of those who are disabled: like a lock by hand,
    /// that is undone only when it is said that the user is active.
    pub fn leave(&self, desired: &mut DesiredEntry, entry: &Entry) {
        if self.move_to.as_ref().is_some_and(|branch| entry.dn.is_under(branch)) {
            desired.placement = Placement::Initial;
        }
    }

    /// What must be known of an entry to undo all this, beside what is known already. `None`: nothing more.
    ///
    /// What keeps the user out by now is not worth keeping: undone, it would keep them out.
    pub fn remembered(&self, entry: &Entry, known: Option<&BeforeDisable>) -> Option<BeforeDisable> {
        let missing: Attributes = self
            .set
            .iter()
            .filter(|(name, _)| known.is_none_or(|known| !known.attributes.contains_key(*name)))
            .map(|(name, barring)| {
                let present = entry.values(name).iter().filter(|value| !barring.contains(value));
                (name.clone(), present.cloned().collect())
            })
            .collect();
        let stands_elsewhere = self.move_to.as_ref().is_some_and(|branch| !entry.dn.is_under(branch));
        let parent = if stands_elsewhere { entry.dn.parent() } else { None };
        let unknown_parent = parent.is_some() && known.is_none_or(|known| known.parent != parent);
        let is_known = |known: &BeforeDisable| (known.lock || !self.lock) && (known.password || !self.password);
        if missing.is_empty() && !unknown_parent && known.is_some_and(is_known) {
            return None;
        }
        let mut remembered = known.cloned().unwrap_or_default();
        remembered.attributes.extend(missing);
        remembered.lock |= self.lock;
        remembered.password |= self.password;
        remembered.parent = parent.or(remembered.parent);
        Some(remembered)
    }

    /// Whether an entry that was made by somebody else is that of a user who must not log in: one of the strategies
    /// that refuse a bind tells; where there is none of them, all others together.
    pub fn is_barred(&self, lock: AccountLock, entry: &Entry) -> bool {
        let is_locked = || entry.values(&lock.attribute()).iter().any(|value| lock.is_locked(value));
        let passwords = entry.values(&AttributeName::of(PASSWORD_ATTRIBUTE));
        let is_unusable = || !passwords.is_empty() && passwords.iter().all(is_unusable);
        if self.lock || self.password {
            return self.lock && is_locked() || self.password && is_unusable();
        }
        let holds = |attribute: &AttributeName, value: &Value| {
            entry.values(attribute).iter().any(|present| Matching::CaseIgnore.equal(present, value))
        };
        self.is_any()
            && self.move_to.as_ref().is_none_or(|branch| entry.dn.is_under(branch))
            && self.set.iter().all(|(name, values)| values.iter().all(|value| holds(name, value)))
    }
}

fn without(unwanted: Vec<Value>) -> DesiredAttribute {
    DesiredAttribute { ownership: Ownership::Shared, values: Vec::new(), unwanted }
}

/// Whether a hash was made unusable.
pub fn is_unusable(value: &Value) -> bool {
    value.as_bytes().starts_with(UNUSABLE)
}

fn unusable(value: &Value) -> Value {
    Value::from([UNUSABLE, value.as_bytes()].concat())
}

/// The passwords of an entry, those exchanged for which there is something else.
fn exchanged(entry: &Entry, other: impl Fn(&Value) -> Option<Value>) -> (AttributeName, DesiredAttribute) {
    let name = AttributeName::of(PASSWORD_ATTRIBUTE);
    let present = entry.values(&name);
    let (unwanted, values) = present.iter().filter_map(|value| Some((value.clone(), other(value)?))).unzip();
    (name, DesiredAttribute { ownership: Ownership::Shared, values, unwanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disable() -> Disable {
        Disable {
            lock: true,
            password: true,
            move_to: Some("ou=gone".parse().unwrap()),
            set: [(AttributeName::of("shadowExpire"), vec![Value::from("1")])].into(),
        }
    }

    fn entry(dn: &str, attributes: &[(&'static str, &str)]) -> Entry {
        let mut entry = Entry { dn: dn.parse().unwrap(), attributes: Default::default() };
        for (name, value) in attributes {
            entry.attributes.entry(AttributeName::of(name)).or_default().push(Value::from(*value));
        }
        entry
    }

    #[test]
    fn hashes_are_marked_once_and_come_back() {
        let name = AttributeName::of(PASSWORD_ATTRIBUTE);
        let usable = entry("uid=a,ou=p", &[("userPassword", "{SSHA}x"), ("userPassword", "{CRYPT}!disabled!{SSHA}y")]);
        let barring = disable().barring(AccountLock::PASSWORD_POLICY, &usable);
        let password = barring.get(&name).unwrap();
        assert_eq!(password.values, [Value::from("{CRYPT}!disabled!{SSHA}x")]);
        assert_eq!(password.unwanted, [Value::from("{SSHA}x")]);
    }

    #[test]
    fn a_lock_is_one_in_either_case() {
        let lock = AccountLock::ACCOUNT_INACTIVATION;
        let locked = entry("uid=a,ou=p", &[("nsAccountLock", "true")]);
        let barring = disable().barring(lock, &locked);
        assert_eq!(barring.get(&lock.attribute()).unwrap().values, [Value::from("true")]);
        let open = entry("uid=a,ou=p", &[("nsAccountLock", "false")]);
        assert_eq!(disable().barring(lock, &open).get(&lock.attribute()).unwrap().values, [lock.locked()]);
    }

    #[test]
    fn what_is_remembered_is_what_stood_before_the_first_time() {
        let usable = entry("uid=a,ou=p", &[("shadowExpire", "20000")]);
        let first = disable().remembered(&usable, None).unwrap();
        assert_eq!(first.parent, Some("ou=p".parse().unwrap()));
        assert_eq!(first.attributes[&AttributeName::of("shadowExpire")], [Value::from("20000")]);
        let barred = entry("uid=a,ou=gone", &[("shadowExpire", "1")]);
        assert_eq!(disable().remembered(&barred, Some(&first)), None);
        // Somebody put it back by hand, into another branch: that is where it goes back to.
        let moved = entry("uid=a,ou=q", &[("shadowExpire", "1")]);
        let again = disable().remembered(&moved, Some(&first)).unwrap();
        assert_eq!(again.parent, Some("ou=q".parse().unwrap()));
        assert_eq!(again.attributes, first.attributes);
        // Kept out by hand before: undone, nothing would be left of it.
        let by_hand = disable().remembered(&barred, None).unwrap();
        assert_eq!((by_hand.parent, by_hand.attributes.values().next().unwrap().len()), (None, 0));
    }

    #[test]
    fn somebody_is_barred_who_cannot_log_in() {
        let lock = AccountLock::PASSWORD_POLICY;
        let locked = [("pwdAccountLockedTime", "000001010000Z")];
        let unusable = [("userPassword", "{CRYPT}!disabled!{SSHA}x")];
        let set = [("shadowExpire", "1")];
        assert!(disable().is_barred(lock, &entry("uid=a,ou=p", &locked)));
        assert!(disable().is_barred(lock, &entry("uid=a,ou=p", &unusable)));
        assert!(!disable().is_barred(lock, &entry("uid=a,ou=gone", &set)));
        let told = Disable { lock: false, password: false, ..disable() };
        assert!(told.is_barred(lock, &entry("uid=a,ou=gone", &set)));
        assert!(!told.is_barred(lock, &entry("uid=a,ou=p", &set)));
        assert!(!Disable::default().is_barred(lock, &entry("uid=a,ou=gone", &locked)));
    }
}
