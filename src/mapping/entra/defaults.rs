//! Entra's default mappings of an application that is not of its gallery.
//!
//! Microsoft prints no complete list: these are the rows that its documents, its validator and the guides of vendors agree
//! on. The names of sources are those of Entra's mappings, which differ from Microsoft Graph's here and there.

use super::Sent;

/// A mapping that Entra begins with.
pub(super) struct DefaultMapping {
    pub(super) source: Sent,
    pub(super) target: &'static str,
    pub(super) matching: Option<u8>,
}

const fn direct(source: &'static str, target: &'static str) -> DefaultMapping {
    DefaultMapping { source: Sent::Direct(source), target, matching: None }
}

const fn expression(source: &'static str, target: &'static str) -> DefaultMapping {
    DefaultMapping { source: Sent::Expression(source), target, matching: None }
}

const fn matched(source: &'static str, target: &'static str) -> DefaultMapping {
    DefaultMapping { source: Sent::Direct(source), target, matching: Some(1) }
}

/// Of users.
pub(super) const USER: &[DefaultMapping] = &[
    matched("userPrincipalName", "userName"),
    expression("Switch([IsSoftDeleted], , \"False\", \"True\", \"True\", \"False\")", "active"),
    direct("displayName", "displayName"),
    direct("jobTitle", "title"),
    direct("mail", "emails[type eq \"work\"].value"),
    direct("preferredLanguage", "preferredLanguage"),
    direct("givenName", "name.givenName"),
    direct("surname", "name.familyName"),
    expression("Join(\" \", [givenName], [surname])", "name.formatted"),
    direct("physicalDeliveryOfficeName", "addresses[type eq \"work\"].formatted"),
    direct("streetAddress", "addresses[type eq \"work\"].streetAddress"),
    direct("city", "addresses[type eq \"work\"].locality"),
    direct("state", "addresses[type eq \"work\"].region"),
    direct("postalCode", "addresses[type eq \"work\"].postalCode"),
    direct("country", "addresses[type eq \"work\"].country"),
    direct("telephoneNumber", "phoneNumbers[type eq \"work\"].value"),
    direct("mobile", "phoneNumbers[type eq \"mobile\"].value"),
    direct("facsimileTelephoneNumber", "phoneNumbers[type eq \"fax\"].value"),
    direct("mailNickname", "externalId"),
    direct("employeeId", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber"),
    direct("department", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"),
    direct("manager", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"),
];

/// Of groups.
pub(super) const GROUP: &[DefaultMapping] =
    &[matched("displayName", "displayName"), direct("objectId", "externalId"), direct("members", "members")];

/// What Entra takes for attributes that it does not map by default, where there is one answer.
pub(super) const KNOWN: &[(&str, Sent)] = &[
    ("roles[primary eq \"True\"].value", Sent::Expression("SingleAppRoleAssignment([appRoleAssignments])")),
    ("roles", Sent::Expression("AppRoleAssignmentsComplex([appRoleAssignments])")),
    ("userType", Sent::Direct("userType")),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization", Sent::Direct("companyName")),
];
