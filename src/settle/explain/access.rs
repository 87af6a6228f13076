//! Whether a user may log in, and what keeps them out.

use super::Access;
use crate::directory::attribute::PASSWORD_ATTRIBUTE;
use crate::directory::{AttributeName, BeforeDisable, Entry, Value};
use crate::mapping::disable;
use crate::plan::hidden::is_password;
use crate::scim::resource;
use crate::settle::Bridge;
use crate::store::State;

impl Bridge {
    pub(super) async fn access(&self, state: &State, entry: Option<&Entry>) -> Access {
        let document = state.desired().or(state.settled.as_ref().map(|settled| &settled.document));
        let mut kept_out_by = None;
        if let (Some(entry), Ok(profile)) = (entry, self.directory.profile().await) {
            let (disable, lock) = (&self.rules.users.disable, profile.flavor.lock);
            let mut by = Vec::new();
            let locked = entry.values(&lock.attribute()).iter().find(|value| lock.is_locked(value));
            by.extend(locked.map(|value| format!("the lock ({}: {})", lock.attribute(), text(value))));
            let passwords = entry.values(&AttributeName::of(PASSWORD_ATTRIBUTE));
            if !passwords.is_empty() && passwords.iter().all(disable::is_unusable) {
                by.push("its passwords, which are made unusable".to_owned());
            }
            let branch = disable.move_to.as_ref().filter(|branch| entry.dn.is_under(branch));
            by.extend(branch.map(|branch| format!("its place below {branch} (users.disable.move_to)")));
            for (attribute, values) in &disable.set {
                if values.iter().all(|value| entry.values(attribute).contains(value)) && !values.is_empty() {
                    by.push(format!("{attribute} (users.disable.set)"));
                }
            }
            kept_out_by = Some(by);
        }
        Access {
            disabled: document.is_some_and(|document| !resource::is_active(document)),
            kept_out_by,
            ours: state.may_be_disabled,
            before: state.before_disable.as_ref().map(stood_before).unwrap_or_default(),
        }
    }
}

fn stood_before(before: &BeforeDisable) -> Vec<String> {
    let mut stood: Vec<String> = before.parent.iter().map(|parent| format!("it stood below {parent}")).collect();
    for (attribute, values) in &before.attributes {
        let values: Vec<String> = values
            .iter()
            .map(|value| if is_password(attribute) { "(hidden)".to_owned() } else { format!("{:?}", text(value)) })
            .collect();
        stood.push(match values.is_empty() {
            true => format!("{attribute} was not there"),
            false => format!("{attribute}: {}", values.join(", ")),
        });
    }
    stood
}

fn text(value: &Value) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}
