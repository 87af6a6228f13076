//! What the server's subschema says of attributes and object classes (RFC 4512 §4.1).
//!
//! Only what decisions need: equality rules, and which attributes classes demand and allow. A
//! definition that cannot be read is left out, and its names are then unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::attribute::{AttributeName, Matching, Value};
use super::syntax::Syntax;

/// The class whose entries may hold everything (RFC 4512 §4.3), in lower case.
const EXTENSIBLE_OBJECT: &str = "extensibleobject";

/// The server's schema, by lower-case name.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    attributes: BTreeMap<String, AttributeType>,
    classes: BTreeMap<String, ObjectClass>,
}

#[derive(Clone, Debug, Default)]
struct AttributeType {
    /// The first of its names, as it is written: what a server calls it.
    written: String,
    names: Vec<String>,
    superior: Option<String>,
    equality: Option<String>,
    syntax: Option<String>,
    single_valued: bool,
    operational: bool,
    no_user_modification: bool,
}

/// The class of an entry that says what kind of thing it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Structure {
    /// This one.
    Of(Value),
    /// There is none.
    Missing,
    /// There are two, and neither is the other's superior.
    Torn(String, String),
}

/// What is found of an attribute.
enum Lookup {
    /// It, or a superior of it, is in no definition.
    Unknown,
    /// It is; this is what was asked for, where that is said.
    Known(Option<String>),
}

#[derive(Clone, Debug, Default)]
struct ObjectClass {
    names: Vec<String>,
    structural: bool,
    superiors: Vec<String>,
    must: BTreeSet<String>,
    may: BTreeSet<String>,
}

impl Schema {
    /// Reads the values of `attributeTypes` and `objectClasses` of a subschema entry.
    pub fn parse(attribute_types: &[Value], object_classes: &[Value]) -> Schema {
        let mut schema = Schema::default();
        for definition in attribute_types.iter().filter_map(Value::as_str).map(Definition::parse) {
            let attribute = AttributeType {
                written: definition.written_name(),
                names: definition.names(),
                superior: definition.words("SUP").into_iter().next(),
                equality: definition.words("EQUALITY").into_iter().next(),
                syntax: definition.words("SYNTAX").into_iter().next(),
                single_valued: definition.says("SINGLE-VALUE"),
                operational: definition.words("USAGE").iter().any(|usage| usage != "userapplications"),
                no_user_modification: definition.says("NO-USER-MODIFICATION"),
            };
            for name in &attribute.names {
                schema.attributes.insert(name.clone(), attribute.clone());
            }
        }
        for definition in object_classes.iter().filter_map(Value::as_str).map(Definition::parse) {
            let class = ObjectClass {
                names: definition.names(),
                // What does not say its kind is structural (RFC 4512 §4.1.1).
                structural: !definition.says("ABSTRACT") && !definition.says("AUXILIARY"),
                superiors: definition.words("SUP"),
                must: definition.words("MUST").into_iter().collect(),
                may: definition.words("MAY").into_iter().collect(),
            };
            for name in &class.names {
                schema.classes.insert(name.clone(), class.clone());
            }
        }
        schema
    }

    /// The equality rule of an attribute. `None`: it has none, so its values cannot be named one by
    /// one. An attribute that the schema does not know is taken for a directory string.
    pub fn matching(&self, attribute: &AttributeName) -> Option<Matching> {
        match self.inherited(attribute, |known| known.equality.clone()) {
            Lookup::Unknown => Some(Matching::CaseIgnore),
            Lookup::Known(rule) => rule.as_deref().map(matching_named),
        }
    }

    /// The syntax of an attribute, where it is one that values are brought into.
    pub fn syntax(&self, attribute: &AttributeName) -> Option<Syntax> {
        let defined = match self.inherited(attribute, |known| known.syntax.clone()) {
            Lookup::Unknown => None,
            Lookup::Known(oid) => oid.as_deref().and_then(Syntax::of),
        };
        match defined {
            Some(syntax) if syntax.is_bytes() => defined,
            // Whatever the syntax: with this option its values travel as bytes (RFC 4522 §2).
            _ if attribute.has_option("binary") => Some(Syntax::Binary),
            _ => defined,
        }
    }

    /// Whether the server knows the attribute.
    pub fn knows_attribute(&self, attribute: &AttributeName) -> bool {
        self.attribute(attribute).is_some()
    }

    /// Whether entries of every class can have the attribute: it is the server's own (RFC 4512 §4.1.2).
    pub fn is_operational(&self, attribute: &AttributeName) -> bool {
        self.attribute(attribute).is_some_and(|known| known.operational)
    }

    /// Whether an entry has one value of the attribute at most.
    pub fn is_single_valued(&self, attribute: &AttributeName) -> bool {
        self.attribute(attribute).is_some_and(|known| known.single_valued)
    }

    /// Whether the server alone writes the attribute.
    pub fn is_for_the_server_alone(&self, attribute: &AttributeName) -> bool {
        self.attribute(attribute).is_some_and(|known| known.no_user_modification)
    }

    /// The attribute by the name that a server shows it under, options kept.
    pub fn shown_as(&self, attribute: &AttributeName) -> AttributeName {
        let shown = self.attribute(attribute).map(|known| {
            let options = attribute.as_str().find(';').and_then(|at| attribute.as_str().get(at..));
            format!("{}{}", known.written, options.unwrap_or_default())
        });
        shown.and_then(|name| AttributeName::parse(&name)).unwrap_or_else(|| attribute.clone())
    }

    /// Whether who asks for an attribute is shown the other one too: it is the same type or a subtype, with the options
    /// asked for and perhaps more (RFC 4512 §2.5.2).
    pub fn covers(&self, asked: &AttributeName, held: &AttributeName) -> bool {
        let kind = asked.attribute_type();
        let is_kind = held.attribute_type() == kind || self.lineage(held).contains(&kind);
        is_kind && asked.as_str().split(';').skip(1).all(|option| held.has_option(option))
    }

    /// All names of an attribute and of its superiors, in lower case.
    pub fn lineage(&self, attribute: &AttributeName) -> BTreeSet<String> {
        let mut lineage = BTreeSet::from([attribute.folded()]);
        let mut next = self.attribute(attribute);
        while let Some(known) = next {
            lineage.extend(known.names.iter().cloned());
            // A chain of superiors that comes back to itself ends there.
            let superior = known.superior.as_ref().filter(|superior| !lineage.contains(*superior));
            next = superior.and_then(|superior| self.attributes.get(superior));
        }
        lineage
    }

    fn attribute(&self, attribute: &AttributeName) -> Option<&AttributeType> {
        self.attributes.get(&attribute.attribute_type())
    }

    /// Whether the server knows the object class.
    pub fn knows_class(&self, class: &Value) -> bool {
        class.as_str().is_some_and(|class| self.classes.contains_key(&class.to_ascii_lowercase()))
    }

    /// The attributes that an entry of these classes must hold, in lower case.
    pub fn demanded(&self, classes: &[Value]) -> BTreeSet<String> {
        let mut demanded = BTreeSet::new();
        self.any_class(classes, |class| {
            demanded.extend(class.must.iter().cloned());
            false
        });
        demanded
    }

    /// What the attribute's definition says, or that of the nearest superior which says it.
    fn inherited(&self, attribute: &AttributeName, said: impl Fn(&AttributeType) -> Option<String>) -> Lookup {
        let mut name = attribute.attribute_type();
        // A chain of superiors longer than this is a loop.
        for _ in 0..16 {
            let Some(known) = self.attributes.get(&name) else {
                return Lookup::Unknown;
            };
            match (said(known), &known.superior) {
                (Some(said), _) => return Lookup::Known(Some(said)),
                (None, Some(superior)) => name = superior.clone(),
                (None, None) => return Lookup::Known(None),
            }
        }
        Lookup::Known(None)
    }

    /// Whether an entry of these classes must hold the attribute.
    pub fn demands(&self, classes: &[Value], attribute: &AttributeName) -> bool {
        self.any_class(classes, |class| class.must.contains(&attribute.folded()))
    }

    /// Whether an entry of these classes may hold the attribute, with whatever options.
    pub fn allows(&self, classes: &[Value], attribute: &AttributeName) -> bool {
        let own = [attribute.attribute_type()];
        let names = self.attribute(attribute).map_or(own.as_slice(), |known| &known.names);
        self.any_class(classes, |class| {
            let anything = class.names.iter().any(|name| name == EXTENSIBLE_OBJECT);
            anything || names.iter().any(|name| class.must.contains(name) || class.may.contains(name))
        })
    }

    /// All names of these classes and of their superiors, in lower case.
    pub fn class_lineage(&self, classes: &[Value]) -> BTreeSet<String> {
        let mut lineage = BTreeSet::new();
        self.any_class(classes, |class| {
            lineage.extend(class.names.iter().cloned());
            false
        });
        lineage
    }

    /// The structural class of an entry of these classes: the one that all others of that kind are superiors of
    /// (RFC 4512 §2.4.2).
    pub fn structure(&self, classes: &[Value]) -> Structure {
        let is_structural = |class: &&Value| {
            let name = class.as_str().map(str::to_ascii_lowercase);
            name.and_then(|name| self.classes.get(&name)).is_some_and(|class| class.structural)
        };
        let structural: Vec<&Value> = classes.iter().filter(is_structural).collect();
        let name = |class: &Value| String::from_utf8_lossy(class.as_bytes()).into_owned();
        let below = |class: &Value| self.class_lineage(std::slice::from_ref(class));
        let is_in = |lineage: &BTreeSet<String>, class: &Value| lineage.contains(&name(class).to_ascii_lowercase());
        let deepest = structural.iter().copied().reduce(
            |deepest, class| {
                if is_in(&below(class), deepest) { class } else { deepest }
            },
        );
        let Some(deepest) = deepest else {
            return Structure::Missing;
        };
        let lineage = below(deepest);
        match structural.iter().find(|class| !is_in(&lineage, class)) {
            Some(other) => Structure::Torn(name(deepest), name(other)),
            None => Structure::Of(deepest.clone()),
        }
    }

    /// Whether the two names are those of one class.
    pub fn same_class(&self, left: &Value, right: &Value) -> bool {
        let names = |class: &Value| {
            let name = class.as_str().unwrap_or_default().to_ascii_lowercase();
            self.classes.get(&name).map_or_else(|| vec![name], |class| class.names.clone())
        };
        names(left) == names(right)
    }

    fn any_class(&self, classes: &[Value], mut holds: impl FnMut(&ObjectClass) -> bool) -> bool {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<String> = classes.iter().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect();
        while let Some(name) = waiting.pop() {
            if let Some(class) = self.classes.get(&name).filter(|_| seen.insert(name)) {
                if holds(class) {
                    return true;
                }
                waiting.extend(class.superiors.iter().cloned());
            }
        }
        false
    }
}

/// The classes that people and groups usually have, of RFC 4519, RFC 4524, RFC 2798 and RFC 2307: known without asking a
/// server.
const STANDARD_CLASSES: [&str; 12] = [
    "( 2.5.6.0 NAME 'top' MUST objectClass )",
    "( 2.5.6.6 NAME 'person' SUP top MUST ( sn $ cn ) )",
    "( 2.5.6.7 NAME 'organizationalPerson' SUP person )",
    "( 2.16.840.1.113730.3.2.2 NAME 'inetOrgPerson' SUP organizationalPerson )",
    "( 0.9.2342.19200300.100.4.5 NAME 'account' SUP top MUST uid )",
    "( 1.3.6.1.1.1.2.0 NAME 'posixAccount' SUP top MUST ( cn $ uid $ uidNumber $ gidNumber $ homeDirectory ) )",
    "( 1.3.6.1.1.1.2.1 NAME 'shadowAccount' SUP top MUST uid )",
    "( 1.3.6.1.1.3.1 NAME 'uidObject' SUP top MUST uid )",
    "( 0.9.2342.19200300.100.4.19 NAME 'simpleSecurityObject' SUP top MUST userPassword )",
    "( 2.5.6.9 NAME 'groupOfNames' SUP top MUST ( member $ cn ) )",
    "( 2.5.6.17 NAME 'groupOfUniqueNames' SUP top MUST ( uniqueMember $ cn ) )",
    "( 1.3.6.1.1.1.2.2 NAME 'posixGroup' SUP top MUST ( cn $ gidNumber ) )",
];

static STANDARD: LazyLock<Schema> = LazyLock::new(|| Schema::parse(&[], &STANDARD_CLASSES.map(Value::from)));

/// Whether an entry of these classes must hold the attribute, as far as standards tell: classes of a server's own are
/// not known here.
pub fn is_demanded(classes: &[Value], attribute: &AttributeName) -> bool {
    STANDARD.demands(classes, attribute)
}

fn matching_named(rule: &str) -> Matching {
    match rule {
        "caseexactmatch" | "caseexactia5match" => Matching::CaseExact,
        "telephonenumbermatch" => Matching::Telephone,
        "distinguishednamematch" => Matching::DistinguishedName,
        "caseignorelistmatch" => Matching::CaseIgnoreList,
        "numericstringmatch" => Matching::NumericString,
        "integermatch" => Matching::Integer,
        "booleanmatch" => Matching::Boolean,
        "generalizedtimematch" => Matching::GeneralizedTime,
        rule if rule.starts_with("caseignore") => Matching::CaseIgnore,
        "objectidentifiermatch" => Matching::CaseIgnore,
        _ => Matching::Octets,
    }
}

/// The tokens of a definition such as `( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )`.
struct Definition(Vec<String>);

impl Definition {
    fn parse(text: &str) -> Definition {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '\'' => rest.match_indices('\'').nth(1).map_or(rest.len(), |(end, _)| end + 1),
                '(' | ')' | '$' => 1,
                c if c.is_whitespace() => c.len_utf8(),
                _ => rest.find(|c: char| c.is_whitespace() || "()$'".contains(c)).unwrap_or(rest.len()),
            };
            let (token, after) = rest.split_at(length);
            if !token.trim().is_empty() {
                tokens.push(token.to_owned());
            }
            rest = after;
        }
        Definition(tokens)
    }

    /// Whether the definition has that flag.
    fn says(&self, flag: &str) -> bool {
        self.0.iter().any(|token| token == flag)
    }

    /// The first NAME as it is written, or the OID where there is none.
    fn written_name(&self) -> String {
        let mut after = self.0.iter().skip_while(|token| *token != "NAME").skip(1).filter(|token| *token != "(");
        let name = after.next().or(self.0.get(1)).map(|name| name.trim_matches('\'').to_owned());
        name.unwrap_or_default()
    }

    /// The NAMEs and the OID, in lower case.
    fn names(&self) -> Vec<String> {
        let mut names = self.words("NAME");
        names.extend(self.0.get(1).map(|oid| oid.to_ascii_lowercase()));
        names
    }

    /// The word after `keyword`, or the words of the list after it, in lower case without quotes.
    fn words(&self, keyword: &str) -> Vec<String> {
        let clean = |token: &String| token.trim_matches('\'').to_ascii_lowercase();
        let mut after = self.0.iter().skip_while(|token| *token != keyword).skip(1);
        match after.next() {
            Some(open) if open == "(" => {
                after.take_while(|token| *token != ")").filter(|token| *token != "$").map(clean).collect()
            }
            Some(word) => vec![clean(word)],
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let attributes = [
            "( 2.5.4.41 NAME 'name' DESC 'RFC4519: a (common) supertype' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{32768} )",
            "( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )",
            "( 2.5.4.20 NAME 'telephoneNumber' EQUALITY telephoneNumberMatch )",
            "( 2.5.4.23 NAME ( 'facsimileTelephoneNumber' 'fax' ) SYNTAX 1.3.6.1.4.1.1466.115.121.1.22 )",
            "( 0.9.2342.19200300.100.1.3 NAME ( 'mail' 'rfc822Mailbox' ) SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} )",
            "( 1.2.3.4 NAME 'privateMail' SUP mail )",
            "( 2.5.4.31 NAME 'member' SUP distinguishedName )",
            "( 2.5.4.49 NAME 'distinguishedName' EQUALITY distinguishedNameMatch )",
            "( 2.5.4.36 NAME 'userCertificate' EQUALITY certificateExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.8 )",
            "( 2.5.4.16 NAME 'postalAddress' EQUALITY caseIgnoreListMatch )",
            "( 1.3.6.1.1.1.1.0 NAME 'uidNumber' EQUALITY integerMatch )",
        ];
        let classes = [
            "( 2.5.6.0 NAME 'top' ABSTRACT MUST objectClass )",
            "( 2.5.6.9 NAME 'groupOfNames' SUP top STRUCTURAL MUST ( member $ cn ) MAY ( businessCategory $ ou $ o $ description ) )",
        ];
        Schema::parse(&attributes.map(Value::from), &classes.map(Value::from))
    }

    #[test]
    fn equality_comes_from_the_superior_where_the_attribute_has_none() {
        let rule = |name| schema().matching(&AttributeName::of(name));
        assert_eq!(rule("cn"), Some(Matching::CaseIgnore));
        assert_eq!(rule("CommonName;lang-en"), Some(Matching::CaseIgnore));
        assert_eq!(rule("member"), Some(Matching::DistinguishedName));
        assert_eq!(rule("telephoneNumber"), Some(Matching::Telephone));
        assert_eq!(rule("postalAddress"), Some(Matching::CaseIgnoreList));
        assert_eq!(rule("uidNumber"), Some(Matching::Integer));
        assert_eq!(rule("userCertificate;binary"), Some(Matching::Octets));
        assert_eq!(rule("fax"), None);
        assert_eq!(rule("unheardOf"), Some(Matching::CaseIgnore));
    }

    #[test]
    fn syntaxes_come_from_the_superior_too() {
        let syntax = |name| schema().syntax(&AttributeName::of(name));
        assert_eq!(syntax("privateMail;lang-en"), Some(Syntax::Ia5String));
        assert_eq!(syntax("cn"), None);
        assert_eq!(syntax("userCertificate;binary"), Some(Syntax::Certificate));
        assert_eq!(syntax("mail;binary"), Some(Syntax::Binary));
        assert_eq!(syntax("unheardOf;Binary"), Some(Syntax::Binary));
        assert_eq!(syntax("unheardOf"), None);
    }

    #[test]
    fn an_attribute_is_known_by_all_its_names_and_those_of_its_superiors() {
        let lineage = |name| schema().lineage(&AttributeName::of(name)).into_iter().collect::<Vec<_>>();
        assert_eq!(lineage("CommonName"), ["2.5.4.3", "2.5.4.41", "cn", "commonname", "name"]);
        assert_eq!(lineage("unheardOf"), ["unheardof"]);
        let turning = ["( 1.2.3 NAME 'a' SUP b )", "( 1.2.4 NAME 'b' SUP a )"].map(Value::from);
        assert_eq!(Schema::parse(&turning, &[]).lineage(&AttributeName::of("a")).len(), 4);
    }

    #[test]
    fn standard_classes_are_known_without_a_server() {
        let demanded = |class: &str, name| is_demanded(&[Value::from(class)], &AttributeName::of(name));
        assert!(demanded("inetOrgPerson", "sn"));
        assert!(!demanded("inetOrgPerson", "mail"));
        assert!(!demanded("corpPerson", "sn"));
    }

    #[test]
    fn classes_demand_and_allow_with_their_superiors() {
        let classes = [Value::from("groupofnames")];
        assert!(schema().demands(&classes, &AttributeName::of("member")));
        assert_eq!(schema().demanded(&classes), ["cn", "member", "objectclass"].map(str::to_owned).into());
        assert!(schema().knows_class(&classes[0]) && !schema().knows_class(&Value::from("person")));
        assert!(
            schema().knows_attribute(&AttributeName::of("cn;lang-en"))
                && !schema().knows_attribute(&AttributeName::of("sn"))
        );
        assert!(schema().demands(&classes, &AttributeName::of("objectClass")));
        assert!(!schema().demands(&classes, &AttributeName::of("ou")));
        assert!(schema().allows(&classes, &AttributeName::of("ou")));
        assert!(schema().allows(&classes, &AttributeName::of("ou;lang-de")));
        assert!(!schema().allows(&classes, &AttributeName::of("mail")));
    }
}
