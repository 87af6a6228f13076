//! What is imagined is what would be: a rehearsal answers as slapd does, change by change, and leaves the directory as it
//! is. The changes are random, and about half of them are wrong. A law that is broken names the seed that broke it.
//!
//! Each sequence is carried out below one base and rehearsed below another that was the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use scimbridge::directory::{Action, AttributeName, Change, Dn, Entry, Modification, Rdn, Tolerance, Value};
use scimbridge::ldap::{Depth, Directory, Error, Filter, Settings};
use secrecy::SecretString;
use tokio::runtime::Runtime;

use crate::support::random::Random;
use crate::support::slapd::{ADMIN_PASSWORD, Flavor, Slapd};

const SEEDS: u64 = 10;
const STEPS: usize = 50;

const BRANCHES: [&str; 3] = ["ou=people", "ou=leavers", "ou=groups"];
/// Relative names as people have them, and some that they have not.
const NAMES: [&str; 12] = [
    "cn=Smith\\, John",
    "cn=Ada Lovelace+uid=ada",
    "uid=ada+cn=ADA  lovelace",
    "cn=Jürgen Größe",
    "cn=JÜRGEN GRÖSSE",
    "cn=\\20Spaces \\20",
    "cn=x \\+ y \\= z",
    "uid=plain",
    "uid=PLAIN",
    "cn=plain",
    "employeeNumber=7",
    "ou=nobody",
];
/// Attributes with values to try; the last ones no person may have, or nobody.
const VALUES: [(&str, &[&str]); 17] = [
    ("cn", &["Ada Lovelace", "ada  lovelace", "Smith, John", "plain", "Jürgen Größe"]),
    ("commonName", &["by another name", "plain"]),
    ("cn;lang-de", &["Ada", "ada"]),
    ("sn", &["Lovelace", "LOVELACE", "Smith"]),
    ("mail", &["ada@contoso.com", "ADA@contoso.com", "a@b.example"]),
    ("uid", &["ada", "plain", "Plain"]),
    ("displayName", &["Ada", "ADA", "Someone"]),
    ("employeeNumber", &["7", "8"]),
    ("telephoneNumber", &["+1 555-0100", "+15550100", "030 1"]),
    ("facsimileTelephoneNumber", &["+49 30 1", "+49 30 2"]),
    ("uidNumber", &["1000", "1001"]),
    ("description", &["", "two  blanks", "two blanks"]),
    (
        "objectClass",
        &["inetOrgPerson", "person", "posixAccount", "extensibleObject", "groupOfNames", "account", "noSuchClass"],
    ),
    ("homeDirectory", &["/home/ada"]),
    ("businessCategory", &["trade"]),
    ("noSuchAttribute", &["x"]),
    ("creatorsName", &["cn=me"]),
];

/// One sequence of changes, carried out and rehearsed.
struct Trial<'a> {
    runtime: &'a Runtime,
    server: &'a Directory,
    rehearsal: Directory,
    real: Dn,
    imagined: Dn,
    random: Random,
    seed: u64,
    refused: BTreeMap<u32, usize>,
    done: usize,
}

impl Trial<'_> {
    fn run(&mut self) {
        for step in 0..STEPS {
            let change = self.change();
            let told = format!("seed {}, step {step}: {}", self.seed, serde_json::to_string(&change).unwrap());
            if self.random.one_in(20) {
                self.set_a_password(&change, &told);
            }
            let real = self.runtime.block_on(self.server.apply(&change));
            let imagined = self.runtime.block_on(self.rehearsal.apply(&self.rehearsed(&change)));
            self.compare_answers(&real.map(|_| ()), &imagined.map(|_| ()), &told);
            self.compare_entries(&told);
            self.compare_searches(&told);
        }
    }

    fn set_a_password(&self, change: &Change, told: &str) {
        let password = SecretString::from("Correct-Horse-2");
        let real = self.runtime.block_on(self.server.set_password(change.dn(), &password));
        let dn = rebased(change.dn(), &self.real, &self.imagined);
        let imagined = self.runtime.block_on(self.rehearsal.set_password(&dn, &password));
        assert_eq!(real.is_ok(), imagined.is_ok(), "{told}: a password\n{real:?}\n{imagined:?}");
    }

    fn compare_answers(&mut self, real: &Result<(), Error>, imagined: &Result<(), Error>, told: &str) {
        let (real_code, code) = (code(real), code(imagined));
        assert!(real_code == code, "{told}\nslapd:     {real:?}\nrehearsal: {imagined:?}");
        if let (Err(real), Err(imagined)) = (real, imagined) {
            let (real, imagined) = (named(real.text()), named(imagined.text()));
            // An entry may be against its classes in several ways, and each names the first that it finds.
            let agree = if code == 65 { real.is_empty() == imagined.is_empty() } else { real == imagined };
            assert!(agree, "{told}\nslapd names {real:?}, the rehearsal {imagined:?}");
        }
        match code {
            0 => self.done += 1,
            code => *self.refused.entry(code).or_default() += 1,
        }
    }

    fn compare_entries(&self, told: &str) {
        let everything = Filter::Present(AttributeName::of("objectClass"));
        let all = [AttributeName::of("*")];
        self.compare_search(&everything, &all, told);
        let structure = [AttributeName::of("structuralObjectClass")];
        self.compare_search(&everything, &structure, told);
    }

    fn compare_searches(&mut self, told: &str) {
        let filter = self.filter();
        let asked = self.random.pick(&["cn", "name", "commonName", "cn;lang-de", "SN", "mail", "objectClass"]);
        let asked = [AttributeName::of(asked)];
        self.compare_search(&filter, &asked, &format!("{told}\n{filter} {asked:?}"));
        let dn = self.some_name();
        let (attribute, value) = self.some_value();
        let real = self.runtime.block_on(self.server.holds(&dn, &attribute, &value));
        let there = rebased(&dn, &self.real, &self.imagined);
        let moved = rebased_value(&attribute, &value, &self.real, &self.imagined);
        let imagined = self.runtime.block_on(self.rehearsal.holds(&there, &attribute, &moved));
        // slapd looks for the class of an entry alone here, and an unknown attribute is an error.
        if let Ok(real) = real
            && attribute != AttributeName::of("objectClass")
        {
            let imagined = imagined.unwrap();
            assert_eq!(real, imagined, "{told}\nwhether {dn} holds {attribute} {value:?}");
        }
        let real = self.runtime.block_on(self.server.read(&dn, &asked)).unwrap();
        let imagined = self.runtime.block_on(self.rehearsal.read(&there, &asked)).unwrap();
        let picture = |entry: Option<Entry>| entry.map(|entry| self.picture(entry));
        assert_eq!(picture(imagined), picture(real), "{told}\nwhat is read at {dn}");
    }

    fn compare_search(&self, filter: &Filter, attributes: &[AttributeName], told: &str) {
        let subtree = Depth::Subtree;
        let search = |directory: &Directory, base: &Dn, filter: &Filter| {
            let found = self.runtime.block_on(directory.search(base, subtree, filter, attributes)).unwrap();
            found.into_iter().map(|entry| self.picture(entry)).collect::<BTreeMap<_, _>>()
        };
        let real = search(self.server, &self.real, filter);
        let filter = rebased_filter(filter, &self.real, &self.imagined);
        let imagined = search(&self.rehearsal, &self.imagined, &filter);
        let differs = |(name, entry): &(&String, &_)| real.get(*name) != Some(*entry);
        let other: Vec<_> = imagined.iter().filter(differs).map(|(name, entry)| (entry, real.get(name))).collect();
        assert!(other.is_empty() && imagined.len() == real.len(), "{told}\n{filter}: {other:#?}\nslapd: {real:#?}");
        let some = self.runtime.block_on(self.rehearsal.search_some(&self.imagined, &filter)).unwrap();
        let names: BTreeSet<String> = some.into_iter().map(|entry| self.picture(entry).0).collect();
        assert_eq!(names, real.into_keys().collect(), "{told}\n{filter}, by name alone");
    }

    /// An entry as it would be below the real base, without what differs from one server's entry to another.
    fn picture(&self, entry: Entry) -> (String, BTreeMap<String, BTreeSet<Value>>) {
        let back = |dn: &Dn| rebased(dn, &self.imagined, &self.real);
        let attributes = entry.attributes.into_iter().filter(|(name, _)| name.folded() != "entryuuid");
        let shown = attributes.map(|(name, values)| {
            let show = |value: Value| match name.folded().as_str() {
                "userpassword" => Value::from("some password"),
                "member" | "manager" => Value::from(back(&value.as_str().unwrap().parse().unwrap()).normalized()),
                _ => value,
            };
            (name.folded(), values.into_iter().map(show).collect())
        });
        (back(&entry.dn).normalized(), shown.collect())
    }

    fn rehearsed(&self, change: &Change) -> Change {
        rebased_change(change, &self.real, &self.imagined)
    }

    /// A name below the real base: mostly one that is there.
    fn some_name(&mut self) -> Dn {
        let everything = Filter::Present(AttributeName::of("objectClass"));
        let search = self.server.search(&self.real, Depth::Subtree, &everything, &[]);
        let mut there: Vec<Dn> = self.runtime.block_on(search).unwrap().into_iter().map(|entry| entry.dn).collect();
        there.sort_by_key(Dn::normalized);
        // The base and the branches stay.
        there.retain(|dn| dn.is_under(&self.real) && dn.parent().as_ref() != Some(&self.real));
        match self.random.pick_if_any(&there) {
            Some(dn) if !self.random.clone().one_in(6) => {
                self.random.one_in(6);
                dn.clone()
            }
            _ => self.new_name(),
        }
    }

    fn new_name(&mut self) -> Dn {
        let rdn = self.some_rdn();
        self.some_parent().child(rdn)
    }

    fn some_rdn(&mut self) -> Rdn {
        let name: Dn = self.random.pick(&NAMES).parse().unwrap();
        name.rdn().unwrap().clone()
    }

    fn some_parent(&mut self) -> Dn {
        let branch = if self.random.one_in(12) { "ou=missing" } else { *self.random.pick(&BRANCHES) };
        self.real.child(branch.parse::<Dn>().unwrap().rdn().unwrap().clone())
    }

    fn some_value(&mut self) -> (AttributeName, Value) {
        if self.random.one_in(5) {
            let name = *self.random.pick(&["member", "manager"]);
            return (AttributeName::of(name), Value::from(&self.some_name()));
        }
        let (name, values) = *self.random.pick(&VALUES);
        // An empty text is no value of a directory string.
        let value = Some(*self.random.pick(values)).filter(|value| !value.is_empty()).unwrap_or("some text");
        (AttributeName::of(name), Value::from(value))
    }

    fn filter(&mut self) -> Filter {
        match self.random.below(6) {
            0 => Filter::And(vec![self.filter(), self.filter()]),
            1 => Filter::Or(vec![self.filter(), self.filter()]),
            2 => match self.some_value().0 {
                // A server's own note, which is not imagined.
                name if name == AttributeName::of("creatorsName") => Filter::Present(AttributeName::of("sn")),
                name => Filter::Present(name),
            },
            3 => Filter::equal(AttributeName::of("name"), "ADA  Lovelace"),
            _ => {
                let (attribute, value) = self.some_value();
                Filter::Equal(attribute, value)
            }
        }
    }

    fn change(&mut self) -> Change {
        match self.random.below(10) {
            0 | 1 => self.addition(),
            2 | 3 => {
                let (dn, new_rdn) = (self.some_name(), self.some_rdn());
                let new_parent = self.random.one_in(2).then(|| self.some_parent());
                Change::Rename { dn, new_rdn, new_parent }
            }
            4 if self.random.one_in(2) => Change::Delete { dn: self.some_name() },
            5 => self.leaving_of_a_member(),
            6 if self.random.one_in(2) => {
                let class = *self.random.pick(&["inetOrgPerson", "person", "posixAccount", "groupOfNames"]);
                let (attribute, values) = (AttributeName::of("objectClass"), vec![Value::from(class)]);
                let modifications = vec![Modification { attribute, action: Action::Add, values }];
                Change::Modify { dn: self.some_name(), modifications, tolerance: Tolerance::Exact }
            }
            _ => {
                let tolerance = if self.random.one_in(2) { Tolerance::Exact } else { Tolerance::AlreadySo };
                let mut modifications: Vec<Modification> =
                    (0..=self.random.below(3)).map(|_| self.modification()).collect();
                // Nobody tolerates what is to be replaced: the values that are wanted are there afterwards or not.
                modifications.retain(|part| tolerance == Tolerance::Exact || part.action != Action::Replace);
                Change::Modify { dn: self.some_name(), modifications, tolerance }
            }
        }
    }

    fn addition(&mut self) -> Change {
        let dn = self.new_name();
        let mut attributes = BTreeMap::new();
        let text = |values: &[&str]| values.iter().map(|value| Value::from(*value)).collect::<Vec<Value>>();
        let class = if self.random.one_in(3) { "groupOfNames" } else { "inetOrgPerson" };
        attributes.insert(AttributeName::of("objectClass"), text(&[class]));
        if class == "groupOfNames" {
            attributes.insert(AttributeName::of("member"), vec![Value::from(&self.some_name())]);
        } else {
            attributes.insert(AttributeName::of("sn"), text(&["Born"]));
        }
        attributes.insert(AttributeName::of("cn"), text(&["New"]));
        if self.random.one_in(3) {
            let missing = *self.random.pick(&["cn", "sn", "member", "objectClass"]);
            attributes.remove(&AttributeName::of(missing));
        }
        if self.random.one_in(2) {
            let (name, value) = self.some_value();
            attributes.entry(name).or_insert_with(Vec::new).push(value);
        }
        Change::Add { dn, attributes }
    }

    fn modification(&mut self) -> Modification {
        let (attribute, value) = self.some_value();
        let action = *self.random.pick(&[Action::Add, Action::Delete, Action::Replace]);
        let mut values = vec![value];
        if self.random.one_in(3)
            && let Some((_, others)) = VALUES.iter().find(|(name, _)| AttributeName::of(name) == attribute)
        {
            let other = *self.random.pick(others);
            values.extend(Some(other).filter(|other| !other.is_empty()).map(Value::from));
        }
        if action != Action::Add && self.random.one_in(5) {
            values.clear();
        }
        Modification { attribute, action, values }
    }

    /// Of a group: the last one, as often as not.
    fn leaving_of_a_member(&mut self) -> Change {
        let member = AttributeName::of("member");
        let groups = Filter::Present(member.clone());
        let search = self.server.search(&self.real, Depth::Subtree, &groups, std::slice::from_ref(&member));
        let mut found = self.runtime.block_on(search).unwrap();
        found.sort_by_key(|group| group.dn.normalized());
        let Some(group) = self.random.pick_if_any(&found).cloned() else {
            return Change::Delete { dn: self.some_name() };
        };
        let values = vec![self.random.pick(group.values(&member)).clone()];
        let modifications = vec![Modification { attribute: member, action: Action::Delete, values }];
        Change::Modify { dn: group.dn, modifications, tolerance: Tolerance::AlreadySo }
    }
}

fn code(answer: &Result<(), Error>) -> u32 {
    match answer {
        Ok(()) => 0,
        Err(Error::Answer { code, .. }) => *code,
        Err(other) => panic!("{other}"),
    }
}

/// The attributes that a text speaks of: what a client is told depends on them.
fn named(text: &str) -> BTreeSet<&'static str> {
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-;".contains(c)).collect();
    let attributes = VALUES.iter().map(|(name, _)| *name).chain(["member", "manager", "gidNumber", "ou"]);
    attributes.filter(|name| words.contains(name)).collect()
}

fn rebased(dn: &Dn, from: &Dn, to: &Dn) -> Dn {
    match (dn.parent(), dn.rdn()) {
        _ if dn == from => to.clone(),
        (Some(parent), Some(rdn)) => rebased(&parent, from, to).child(rdn.clone()),
        _ => dn.clone(),
    }
}

fn rebased_value(attribute: &AttributeName, value: &Value, from: &Dn, to: &Dn) -> Value {
    match attribute.as_str() {
        "member" | "manager" => Value::from(&rebased(&value.as_str().unwrap().parse().unwrap(), from, to)),
        _ => value.clone(),
    }
}

fn rebased_filter(filter: &Filter, from: &Dn, to: &Dn) -> Filter {
    let all = |filters: &[Filter]| filters.iter().map(|filter| rebased_filter(filter, from, to)).collect();
    match filter {
        Filter::Present(attribute) => Filter::Present(attribute.clone()),
        Filter::Equal(attribute, value) => Filter::Equal(attribute.clone(), rebased_value(attribute, value, from, to)),
        Filter::And(filters) => Filter::And(all(filters)),
        Filter::Or(filters) => Filter::Or(all(filters)),
    }
}

fn rebased_change(change: &Change, from: &Dn, to: &Dn) -> Change {
    let name = |dn: &Dn| rebased(dn, from, to);
    let values = |attribute: &AttributeName, values: &[Value]| {
        values.iter().map(|value| rebased_value(attribute, value, from, to)).collect::<Vec<Value>>()
    };
    match change {
        Change::Add { dn, attributes } => {
            let attributes = attributes.iter().map(|(name, held)| (name.clone(), values(name, held))).collect();
            Change::Add { dn: name(dn), attributes }
        }
        Change::Modify { dn, modifications, tolerance } => {
            let modifications = modifications.iter().map(|modification| Modification {
                values: values(&modification.attribute, &modification.values),
                ..modification.clone()
            });
            Change::Modify { dn: name(dn), modifications: modifications.collect(), tolerance: *tolerance }
        }
        Change::Rename { dn, new_rdn, new_parent } => {
            Change::Rename { dn: name(dn), new_rdn: new_rdn.clone(), new_parent: new_parent.as_ref().map(name) }
        }
        Change::Delete { dn } => Change::Delete { dn: name(dn) },
    }
}

/// A small directory in which people are named in every way.
fn tree(base: &str) -> String {
    let above = base.split_once(',').unwrap().1;
    let mut ldif = format!("dn: {above}\nobjectClass: organizationalUnit\n");
    ldif += &format!("\ndn: {base}\nobjectClass: organizationalUnit\n");
    for branch in BRANCHES {
        ldif += &format!("\ndn: {branch},{base}\nobjectClass: organizationalUnit\n");
    }
    for (number, name) in ["cn=Smith\\, John", "cn=Jürgen Größe", "cn=\\20Spaces \\20", "uid=plain"].iter().enumerate()
    {
        ldif += &format!(
            "\ndn: {name},ou=people,{base}\nobjectClass: inetOrgPerson\ncn: Person {number}\nsn: Person\n\
             displayName: Person\nfacsimileTelephoneNumber: +49 30 1\n"
        );
    }
    ldif += &format!(
        "\ndn: cn=Ada Lovelace+uid=ada,ou=people,{base}\nobjectClass: inetOrgPerson\nobjectClass: extensibleObject\n\
         sn: Lovelace\ncn;lang-de: Ada\nhomeDirectory: /home/ada\nmail: ada@contoso.com\n\
         \ndn: cn=Only,ou=people,{base}\nobjectClass: person\nsn: Only\n\
         \ndn: cn=One,ou=groups,{base}\nobjectClass: groupOfNames\nmember: uid=plain,ou=people,{base}\n\
         \ndn: cn=Two\\+,ou=groups,{base}\nobjectClass: groupOfNames\nmember: uid=plain,ou=people,{base}\n\
         member: cn=Smith\\, John,ou=people,{base}\n"
    );
    ldif
}

fn connect(slapd: &Slapd) -> Directory {
    let settings = Settings {
        urls: vec![slapd.url()],
        start_tls: false,
        ca_pem: None,
        insecure_skip_tls_verify: true,
        bind_dn: "cn=admin,dc=example,dc=org".to_owned(),
        bind_password: SecretString::from(ADMIN_PASSWORD),
        connections: 2,
        timeout: Duration::from_secs(20),
        transactions: scimbridge::directory::Transactions::Auto,
    };
    Directory::new(settings, None).unwrap()
}

fn below(slapd: &Slapd, base: &str) -> String {
    let entries = slapd.tree(&["+"]).into_iter().filter(|entry| entry.dn.ends_with(base));
    entries.map(|entry| entry.to_string()).collect()
}

#[test]
fn a_rehearsal_answers_as_the_directory_does_and_changes_nothing() {
    // Without overlays: what those do to other entries is not imagined.
    let slapd = Slapd::start(Flavor::Plain);
    let runtime = Runtime::new().unwrap();
    let server = connect(&slapd);
    let (mut done, mut refused) = (0, BTreeMap::<u32, usize>::new());
    for seed in 0..SEEDS {
        let bases = ["real", "rehearsed"].map(|name| format!("ou=tree,ou={name}-{seed},dc=example,dc=org"));
        bases.iter().for_each(|base| slapd.by_hand(&tree(base)));
        let [real, imagined] = bases.clone().map(|base| base.parse::<Dn>().unwrap());
        let untouched = below(&slapd, &bases[1]);
        let random = Random::of_seed(seed);
        let rehearsal = server.rehearsal();
        let (runtime, server) = (&runtime, &server);
        let mut trial =
            Trial { runtime, server, rehearsal, real, imagined, random, seed, refused: BTreeMap::new(), done: 0 };
        trial.run();
        assert_eq!(below(&slapd, &bases[1]), untouched, "seed {seed}: the server's entries are as they were");
        check_what_was_before(&trial);
        done += trial.done;
        trial.refused.into_iter().for_each(|(code, times)| *refused.entry(code).or_default() += times);
    }
    let expected = [16, 17, 18, 19, 20, 21, 32, 64, 65, 68, 69];
    let never: Vec<u32> = expected.into_iter().filter(|code| !refused.contains_key(code)).collect();
    assert!(never.is_empty() && done > 100, "{done} changes were made, and never refused with {never:?}: {refused:?}");
}

/// What was changed is known as it was before, and all of it.
fn check_what_was_before(trial: &Trial<'_>) {
    let everything = Filter::Present(AttributeName::of("objectClass"));
    let all = [AttributeName::of("*"), AttributeName::of("+")];
    let search = trial.server.search(&trial.imagined, Depth::Subtree, &everything, &all);
    let mut changed = 0;
    for entry in trial.runtime.block_on(search).unwrap() {
        let now = trial.runtime.block_on(trial.rehearsal.read(&entry.dn, &all)).unwrap();
        let before = trial.rehearsal.before_rehearsal(&entry.dn);
        if now.as_ref() != Some(&entry) {
            changed += 1;
            assert_eq!(before, Some(entry), "seed {}", trial.seed);
        } else {
            assert!(before.is_none_or(|before| before == entry), "seed {}", trial.seed);
        }
    }
    assert!(changed > 0, "seed {}: something was changed", trial.seed);
}
