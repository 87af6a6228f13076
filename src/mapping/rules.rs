//! The attribute map, as meant: checked types that `config` builds from what was written.

use std::collections::BTreeSet;
use std::fmt;

use super::template::Template;
use super::{Disable, PasswordRule, Place, References};
use crate::directory::schema::is_demanded;
use crate::directory::{AttributeName, Dn, Names, NumberRange, Ownership, Value};
use crate::scim::schema::{Definition, Type};
use crate::scim::{AttributePath, Document, Error, Kind, Schema, ScimType};

/// How users become entries.
#[derive(Clone, Debug)]
pub struct UserRules {
    /// Below which entry users are created and looked for.
    pub base_dn: Dn,
    /// Where below it.
    pub place: Place,
    /// Whether entries are created that a place is missing.
    pub create_containers: bool,
    /// The classes that a user's entry has.
    pub object_classes: Vec<Value>,
    /// The attribute that names the entry.
    pub rdn: AttributeName,
    /// The attribute by which an existing entry is recognised as the user's.
    pub match_attribute: AttributeName,
    /// The map.
    pub attributes: Vec<AttributeRule>,
    /// How an inactive user is kept out.
    pub disable: Disable,
    /// How an entry gets its password, if it gets one.
    pub password: Option<PasswordRule>,
}

/// How groups become entries.
#[derive(Clone, Debug)]
pub struct GroupRules {
    /// Below which entry groups are created and looked for.
    pub base_dn: Dn,
    /// The classes that a group's entry has.
    pub object_classes: Vec<Value>,
    /// The attribute that names the entry and holds the group's name, byte for byte.
    pub rdn: AttributeName,
    /// How members are listed; several lists are kept alike (RFC 2307bis).
    pub members: Vec<MemberRule>,
    /// Which members stay whom Entra does not name.
    pub member_ownership: MemberOwnership,
    /// Stands in for "no members" where the class demands one.
    pub placeholder: Dn,
    /// What happens when a name differs from another only in case or spaces.
    pub on_collision: OnCollision,
    /// The second naming attribute of such an entry; `None`: the first of `ou`, `description`, `o`
    /// that the classes allow.
    pub distinguish_with: Option<AttributeName>,
    /// The map.
    pub attributes: Vec<AttributeRule>,
}

/// Whose a list of members is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberOwnership {
    /// Members who are resources and whom Entra does not name are taken out; others stay.
    Owned,
    /// Nobody is taken out whom Entra did not take out.
    Shared,
    /// Whoever Entra does not name is taken out.
    Exclusive,
}

/// An attribute that lists a group's members.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberRule {
    /// The attribute.
    pub attribute: AttributeName,
    /// What it lists them by.
    pub by: MemberValue,
}

/// What a group lists its members by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberValue {
    /// The DNs of their entries.
    Dn,
    /// The value of an attribute of theirs.
    Attribute(AttributeName),
}

impl MemberRule {
    /// How a member of these names is listed; `None` when it has no such value.
    pub fn value(&self, names: &Names) -> Option<Value> {
        match &self.by {
            MemberValue::Dn => Some(Value::from(&names.dn)),
            MemberValue::Attribute(_) => names.key.clone(),
        }
    }
}

impl GroupRules {
    /// The attribute that lists members by DN.
    pub fn dn_list(&self) -> Option<&AttributeName> {
        self.members.iter().find(|rule| rule.by == MemberValue::Dn).map(|rule| &rule.attribute)
    }

    /// The attribute of members that they are listed by where it is not the DN.
    pub fn key(&self) -> Option<&AttributeName> {
        self.members.iter().find_map(|rule| match &rule.by {
            MemberValue::Attribute(key) => Some(key),
            MemberValue::Dn => None,
        })
    }
}

/// What happens when the directory cannot tell a new group's name from an existing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCollision {
    /// The new entry's name gets a second part.
    Distinguish,
    /// The request is refused.
    Reject,
}

/// Where one LDAP attribute's values come from.
#[derive(Clone, Debug)]
pub struct AttributeRule {
    /// The LDAP attribute.
    pub ldap: AttributeName,
    /// The source of its values.
    pub source: Source,
    /// The type of the SCIM attribute, where the map says it: of a custom one.
    pub scim_type: Option<Type>,
    /// The value when the source has none.
    pub default: Option<String>,
    /// Whether the source holds SCIM ids that become the DNs of those resources.
    pub reference: bool,
    /// Whose the attribute is.
    pub ownership: Ownership,
}

/// A source of values.
#[derive(Clone, Debug)]
pub enum Source {
    /// What a SCIM path leads to.
    Scim(AttributePath),
    /// A rendered template.
    Template(Template),
    /// The same for everybody.
    Constant(Vec<String>),
    /// A number of its own for each entry that has none.
    Allocated(NumberRange),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Scim(path) => write!(f, "{path}"),
            Source::Template(template) => write!(f, "the template {template}"),
            Source::Constant(_) => f.write_str("a constant"),
            Source::Allocated(range) => write!(f, "a number of {range}"),
        }
    }
}

impl AttributeRule {
    /// The values for a document; the default if there are none.
    pub(super) fn values(&self, document: &Document, references: &References) -> Result<Vec<Value>, Error> {
        let mut texts = match &self.source {
            Source::Scim(path) => path.texts(document),
            Source::Template(template) => vec![template.render(document).map_err(|reason| {
                let detail = format!("the template of the attribute {} failed: {reason}", self.ldap);
                Error::new(ScimType::InvalidValue, detail)
            })?],
            Source::Constant(values) => values.clone(),
            // Which one is free is asked of the store and the directory.
            Source::Allocated(_) => Vec::new(),
        };
        // A directory string cannot be empty (RFC 4517 §3.3.6): empty means none.
        texts.retain(|text| !text.is_empty());
        if self.reference {
            // A resource that has no entry (yet) cannot be referred to.
            return Ok(texts.iter().filter_map(|id| references.get(id)).map(Value::from).collect());
        }
        if texts.is_empty() {
            texts.extend(self.default.clone());
        }
        Ok(texts.into_iter().map(Value::from).collect())
    }

    /// Whether the source is an attribute that SCIM writes in base64 (RFC 7643 §2.3.6): a custom one by what the map
    /// says of it.
    pub(super) fn is_binary(&self) -> bool {
        let of_users = Schema::standard(Kind::User);
        let standard = match &self.source {
            Source::Scim(path) => of_users.leaf(path).and_then(Definition::comparable).map(|known| known.kind),
            Source::Template(_) | Source::Constant(_) | Source::Allocated(_) => None,
        };
        self.scim_type.or(standard) == Some(Type::Binary)
    }

    /// The first value for a document that refers to nobody.
    pub fn sample(&self, document: &Document) -> Option<Value> {
        self.values(document, &References::new()).ok()?.into_iter().next()
    }

    /// The SCIM ids in the document that the rule needs as references.
    fn referenced(&self, document: &Document) -> Vec<String> {
        match &self.source {
            Source::Scim(path) if self.reference => path.texts(document),
            _ => Vec::new(),
        }
    }
}

/// The SCIM ids that the rules need as references.
pub fn referenced(rules: &[AttributeRule], document: &Document) -> BTreeSet<String> {
    rules.iter().flat_map(|rule| rule.referenced(document)).collect()
}

/// The SCIM paths of a map: what lookups are indexed by.
pub fn paths(rules: &[AttributeRule]) -> impl Iterator<Item = AttributePath> + '_ {
    rules.iter().filter_map(|rule| match &rule.source {
        Source::Scim(path) => Some(path.clone()),
        _ => None,
    })
}

impl UserRules {
    /// Below which entries users' entries may be: those of the disabled too.
    pub fn bases(&self) -> impl Iterator<Item = &Dn> {
        std::iter::once(&self.base_dn).chain(&self.disable.move_to)
    }

    /// The same without those that stand below another: what is to be searched to see each entry once.
    pub fn trees(&self) -> impl Iterator<Item = &Dn> {
        self.bases().filter(|base| !self.bases().any(|other| base.is_under(other)))
    }

    /// The SCIM attributes of users: RFC 7643's, those that the map names, and which of them an entry cannot do without.
    pub fn schema(&self) -> Schema {
        let schema = schema(Kind::User, &self.attributes, &self.object_classes, &self.rdn);
        let is_pushed = self.password.as_ref().is_some_and(PasswordRule::is_pushed);
        if is_pushed { schema.with_password() } else { schema }
    }
}

impl GroupRules {
    /// The same of groups.
    pub fn schema(&self) -> Schema {
        schema(Kind::Group, &self.attributes, &self.object_classes, &self.rdn)
    }
}

fn schema(kind: Kind, rules: &[AttributeRule], classes: &[Value], rdn: &AttributeName) -> Schema {
    let mapped = rules.iter().filter_map(|rule| match &rule.source {
        Source::Scim(path) => Some((path, rule.scim_type)),
        _ => None,
    });
    let required: Vec<AttributePath> = rules.iter().filter_map(|rule| required(rules, rule, classes, rdn)).collect();
    Schema::new(kind, mapped, &required)
}

/// The path of a rule whose LDAP attribute the entry must have, when nothing else can give it a value.
fn required(
    rules: &[AttributeRule],
    rule: &AttributeRule,
    classes: &[Value],
    rdn: &AttributeName,
) -> Option<AttributePath> {
    let is_alone = rules.iter().filter(|other| other.ldap == rule.ldap).count() == 1;
    let is_needed = rule.ldap == *rdn || is_demanded(classes, &rule.ldap);
    match &rule.source {
        Source::Scim(path) if is_alone && is_needed && rule.default.is_none() && path.filter.is_none() => {
            Some(path.clone())
        }
        _ => None,
    }
}

/// The attributes whose numbers are given out here.
pub fn allocated(rules: &[AttributeRule]) -> impl Iterator<Item = (&AttributeName, NumberRange)> {
    rules.iter().filter_map(|rule| match rule.source {
        Source::Allocated(range) => Some((&rule.ldap, range)),
        _ => None,
    })
}

/// The LDAP attributes of a map, in its order.
pub fn attribute_names(rules: &[AttributeRule]) -> impl Iterator<Item = AttributeName> + '_ {
    rules.iter().map(|rule| rule.ldap.clone())
}
