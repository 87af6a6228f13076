//! Where entries stand: a base that is the same for all, and below it the containers that a template names.
//!
//! Invariant: a template fills values of names and never the text of a DN, so that no value can leave its place.

use super::template::Template;
use crate::directory::{AttributeName, Attributes, Dn, Rdn, Value};
use crate::scim::{Document, Error, ScimType};

/// Which object class an entry has that holds others, by the attribute that names it (RFC 4519 §3, RFC 4524 §3.4).
const CONTAINER_CLASSES: [(&str, &str); 5] =
    [("ou", "organizationalUnit"), ("o", "organization"), ("l", "locality"), ("c", "country"), ("dc", "domain")];

/// Below which entry a resource's entry belongs.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// What is the same for all.
    pub base: Dn,
    /// The entries between the base and a resource's, the one next to the base first.
    pub containers: Vec<Container>,
}

/// An entry between the base and those of resources.
#[derive(Clone, Debug)]
pub struct Container {
    attribute: AttributeName,
    name: Template,
}

impl Container {
    /// The class that such an entry has when it is created; `None` when it is not known how.
    pub fn object_class(&self) -> Option<&'static str> {
        class_of(&self.attribute)
    }

    /// The attribute that names it.
    pub fn attribute(&self) -> &AttributeName {
        &self.attribute
    }
}

fn class_of(attribute: &AttributeName) -> Option<&'static str> {
    let known = CONTAINER_CLASSES.iter().find(|(name, _)| AttributeName::of(name) == *attribute);
    known.map(|(_, class)| *class)
}

/// What a container of that name holds when it is created; `None` when its class is not known.
pub fn container_attributes(dn: &Dn) -> Option<Attributes> {
    let (attribute, value) = dn.rdn()?.parts().first()?;
    let class = (AttributeName::of("objectClass"), vec![Value::from(class_of(attribute)?)]);
    Some([class, (attribute.clone(), vec![value.clone()])].into())
}

impl Place {
    /// Parses a DN whose values may have `{{ … }}` in them, such as `ou={{ department }},ou=people,dc=example,dc=org`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Place, String> {
        let (plain, holes) = take_out(text)?;
        let dn: Dn = plain.parse().map_err(|error: crate::directory::dn::DnError| error.to_string())?;
        let mut containers = Vec::new();
        let mut rest = dn;
        while has_hole(&rest) {
            let (Some(rdn), Some(parent)) = (rest.rdn(), rest.parent()) else {
                break;
            };
            let [(attribute, value)] = rdn.parts() else {
                return Err(format!("{rdn} has several parts, and a template can only fill one"));
            };
            if attribute.as_str().contains(HOLE) {
                return Err("a template stands for the value of a name, not for its attribute".to_owned());
            }
            let source = fill(value.as_str().unwrap_or_default(), &holes);
            let name = Template::compile(&source)?;
            containers.insert(0, Container { attribute: attribute.clone(), name });
            rest = parent;
        }
        if rest.rdn().is_none() {
            return Err(
                "needs an entry of the directory behind the templates, such as ou=people,dc=example,dc=org".into()
            );
        }
        Ok(Place { base: rest, containers })
    }

    /// Whether the place depends on anything that the document holds.
    pub fn reads(&self, document: &Document) -> bool {
        self.containers.iter().any(|container| container.name.reads(document))
    }

    /// What the place depends on, as its templates name it.
    pub fn variables(&self) -> impl Iterator<Item = String> {
        self.containers.iter().flat_map(|container| container.name.variables())
    }

    /// The entry that the resource's belongs below.
    ///
    /// # Errors
    /// `invalidValue` when a template fails or leaves a container without a name.
    pub fn parent_of(&self, document: &Document) -> Result<Dn, Error> {
        let mut parent = self.base.clone();
        for Container { attribute, name } in &self.containers {
            let refuse = |why: String| {
                let detail = format!("the place of the entry is {attribute}={name} below {parent}, and {why}");
                Error::new(ScimType::InvalidValue, detail)
            };
            let value = name.render(document).map_err(|reason| refuse(format!("the template failed: {reason}")))?;
            if value.trim().is_empty() {
                return Err(refuse("what it is made of has no value".to_owned()));
            }
            parent = parent.child(Rdn::new(attribute.clone(), Value::from(value)));
        }
        Ok(parent)
    }
}

/// Marks where a template stood; private, so that no name has it.
const HOLE: char = '\u{F8FF}';

/// The text with a mark for every `{{ … }}`, and what stood there.
fn take_out(text: &str) -> Result<(String, Vec<&str>), String> {
    if text.contains(HOLE) {
        return Err("has a character for private use in it".to_owned());
    }
    let (mut plain, mut holes, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((expression, behind)) = after.split_once("}}") else {
            return Err("a {{ has no }} behind it".to_owned());
        };
        plain.push_str(&format!("{before}{HOLE}{}{HOLE}", holes.len()));
        holes.push(expression);
        rest = behind;
    }
    plain.push_str(rest);
    Ok((plain, holes))
}

fn has_hole(dn: &Dn) -> bool {
    dn.to_string().contains(HOLE)
}

/// Puts the templates back where their marks stand.
fn fill(value: &str, holes: &[&str]) -> String {
    // Text, mark, text, mark, …: every other part is the number of a hole.
    let parts = value.split(HOLE).enumerate().map(|(position, part)| match part.parse::<usize>() {
        Ok(number) if position % 2 == 1 => holes.get(number).map(|hole| format!("{{{{{hole}}}}}")).unwrap_or_default(),
        _ => part.to_owned(),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let document = json!({
            "userName": "ada@contoso.com", "userType": " ",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D, \"old\"+", "division": "EMEA"},
        });
        let place = Place::parse(text).unwrap();
        let parent = place.parent_of(document.as_object().unwrap());
        assert_eq!(parent.map(|dn| dn.to_string()).unwrap_or_else(|error| error.to_string()), expected);
    }

    #[test]
    fn values_stay_in_their_places() {
        check("ou=people,dc=x", "ou=people,dc=x");
        check("ou={{ department }},ou=people,dc=x", r#"ou=R&D\, \"old\"\+,ou=people,dc=x"#);
        check("ou={{ department | upper }},l={{ division or 'none' }},dc=x", r#"ou=R&D\, \"OLD\"\+,l=EMEA,dc=x"#);
        check("ou=all,ou=Site {{ division }}-{{ userName | localpart }},dc=x", "ou=all,ou=Site EMEA-ada,dc=x");
        check(r#"ou={{ division | replace(",", "=") }},dc=x"#, "ou=EMEA,dc=x");
    }

    #[test]
    fn a_container_needs_a_name() {
        let wrong = |text: &str| {
            let document = json!({"userType": " "});
            let place = Place::parse(text).unwrap();
            place.parent_of(document.as_object().unwrap()).unwrap_err().to_string()
        };
        assert!(wrong("ou={{ department }},dc=x").contains("has no value"));
        assert!(wrong("ou={{ userType }},dc=x").contains("has no value"));
    }

    #[test]
    fn what_is_no_place_is_told() {
        let wrong = |text: &str| Place::parse(text).unwrap_err();
        assert!(wrong("ou={{ department }}").contains("behind the templates"));
        assert!(wrong("ou={{ department,dc=x").contains("}}"));
        assert!(wrong("{{ attribute }}=x,dc=x").contains("attribute"));
        assert!(wrong("ou={{ a }}+cn=b,dc=x").contains("several parts"));
        assert!(wrong("ou={{ a | nosuchfilter }},dc=x").contains("nosuchfilter"));
    }
}
