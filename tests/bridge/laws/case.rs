//! The directories and the configurations that laws are tried with.

use super::model::Kind;
use crate::support::slapd::Flavor;
use crate::support::workplace::Settings;

/// Of a user's entry, what Entra says.
pub(super) const TEXTS: [&str; 18] = [
    "uid",
    "cn",
    "sn",
    "givenName",
    "displayName",
    "mail",
    "telephoneNumber",
    "mobile",
    "facsimileTelephoneNumber",
    "title",
    "preferredLanguage",
    "street",
    "l",
    "st",
    "postalCode",
    "physicalDeliveryOfficeName",
    "departmentNumber",
    "employeeNumber",
];

/// A directory, and how the bridge before it is configured.
pub(super) struct Case {
    pub(super) flavor: Flavor,
    pub(super) settings: Settings,
    /// Lines for the directory's own configuration.
    pub(super) schema: &'static str,
    /// What lists the members of a group.
    pub(super) lists: &'static [&'static str],
    /// The class by which a group's entry is told.
    pub(super) class: &'static str,
    pub(super) ownership: Ownership,
    /// What of a user's entry the strategies of disabling change beside the lock.
    pub(super) barring: &'static [&'static str],
    /// What is given to users and groups beside what Entra says.
    pub(super) given: &'static [&'static str],
    /// Whether a user who is kept out is locked.
    pub(super) locks: bool,
    /// Below which an inactive user's entry is moved.
    pub(super) gone: Option<&'static str>,
    /// Whether what Entra says tells where an entry stands.
    pub(super) places: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership {
    Owned,
    Shared,
    Exclusive,
}

impl Case {
    pub(super) fn on(flavor: Flavor) -> Self {
        let mut settings = Settings::default();
        for budget in ["max_deletes", "max_disables", "max_changes", "max_member_removals", "max_missing"] {
            settings = settings.set(&format!("reconcile.{budget}"), "\"100%\"");
        }
        Self {
            flavor,
            settings,
            schema: "",
            lists: &["member"],
            class: "groupOfNames",
            ownership: Ownership::Owned,
            barring: &[],
            given: &[],
            locks: true,
            gone: None,
            places: false,
        }
    }

    pub(super) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings = self.settings.set(key, value);
        self
    }

    pub(super) fn add(mut self, table: &str) -> Self {
        self.settings = self.settings.add(table);
        self
    }

    pub(super) fn members_are(mut self, ownership: Ownership) -> Self {
        let word = format!("{ownership:?}").to_lowercase();
        self.settings = self.settings.set("groups.member_ownership", &format!("\"{word}\""));
        self.ownership = ownership;
        self
    }

    /// Whether entries are as another set of attributes than Entra's has them.
    pub(super) fn is_ours(&self, kind: Kind, attribute: &str) -> bool {
        match kind {
            _ if self.given.contains(&attribute) => true,
            Kind::User => TEXTS.contains(&attribute) || attribute == "manager" || self.barring.contains(&attribute),
            Kind::Group => attribute == "cn" || self.lists.contains(&attribute),
        }
    }
}
