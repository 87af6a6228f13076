//! Whoever runs a test's directory, with the tools that such a person has: `ldapsearch`, `ldapmodify`, `ldapwhoami`.
//!
//! Any server that speaks LDAP; nothing here knows which one it is.

use std::io::Write as _;
use std::ops::Deref;
use std::process::{Command, Stdio};

use super::ldif::{self, Entry};

pub(crate) const SUFFIX: &str = "dc=example,dc=org";
/// Not the password of the example: so a log that holds it is easy to find, and the setting is seen to be used.
pub(crate) const ADMIN_PASSWORD: &str = "Adm1n-of-the-test-directory";

/// A running directory, whichever it is.
pub(crate) trait Server: Deref<Target = Administrator> {
    /// The `member` values of a group of the example's classes that has no members.
    const EMPTY_GROUP: &[&str];
}

pub(crate) struct Administrator {
    dn: &'static str,
    url: String,
}

impl Administrator {
    /// Who may do everything on the server at that port of this machine.
    pub(crate) fn new(dn: &'static str, port: u16) -> Self {
        Self { dn, url: format!("ldap://127.0.0.1:{port}") }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Whether the server takes requests yet.
    pub(crate) fn answers(&self) -> bool {
        let probe = self.tool("ldapsearch").args(["-b", "", "-s", "base", "1.1"]).output();
        probe.expect("ldapsearch runs").status.success()
    }

    /// What an administrator does by hand: LDIF for `ldapmodify`. A record without a `changetype` is an add.
    #[track_caller]
    pub(crate) fn by_hand(&self, ldif: &str) {
        self.try_by_hand(ldif).unwrap_or_else(|refusal| panic!("ldapmodify: {refusal}\n{ldif}"));
    }

    /// The same where the server may refuse it: then it says why.
    pub(crate) fn try_by_hand(&self, ldif: &str) -> Result<(), String> {
        let mut child = self
            .tool("ldapmodify")
            .args(["-a", "-D", self.dn, "-w", ADMIN_PASSWORD])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ldapmodify runs");
        child.stdin.take().expect("a pipe").write_all(ldif.as_bytes()).expect("ldapmodify reads");
        let output = child.wait_with_output().expect("ldapmodify ends");
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    pub(crate) fn set_password(&self, dn: &str, password: &str) {
        self.by_hand(&format!("dn: {dn}\nchangetype: modify\nreplace: userPassword\nuserPassword: {password}\n"));
    }

    /// Whether a simple bind with this password is let in: the only proof that somebody is locked out.
    pub(crate) fn bind(&self, dn: &str, password: &str) -> bool {
        let output = self.tool("ldapwhoami").args(["-D", dn, "-w", password]).output().expect("ldapwhoami runs");
        match output.status.code() {
            Some(0) => true,
            Some(49 | 50 | 53) => false,
            _ => panic!("a bind as {dn}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// The entries below `branch` (such as `ou=groups`) and the branch itself, with their user attributes.
    pub(crate) fn entries(&self, branch: &str) -> Vec<Entry> {
        self.search(&format!("{branch},{SUFFIX}"), "sub", &["*"])
    }

    /// All entries of the tree, with the operational attributes that are asked for beside the user attributes.
    pub(crate) fn tree(&self, operational: &[&str]) -> Vec<Entry> {
        let mut attributes = vec!["*"];
        attributes.extend_from_slice(operational);
        self.search(SUFFIX, "sub", &attributes)
    }

    /// The entries below a branch as text; see [`ldif`].
    pub(crate) fn ldif(&self, branch: &str) -> String {
        let below: Vec<Entry> = self.entries(branch).into_iter().filter(|entry| entry.rdn() != branch).collect();
        ldif::render(&below)
    }

    /// One entry, with the operational attributes that are asked for beside the user attributes.
    pub(crate) fn entry_with(&self, dn: &str, operational: &[&str]) -> Option<Entry> {
        let mut attributes = vec!["*"];
        attributes.extend_from_slice(operational);
        self.search(dn, "base", &attributes).pop()
    }

    pub(crate) fn entry(&self, dn: &str) -> Option<Entry> {
        self.entry_with(dn, &[])
    }

    /// An attribute of an entry that must be there; operational attributes too.
    #[track_caller]
    pub(crate) fn values(&self, dn: &str, attribute: &str) -> Vec<String> {
        self.entry_with(dn, &[attribute]).unwrap_or_else(|| panic!("{dn} is not in the directory")).values(attribute)
    }

    /// Who is under `ou=people` with exactly this value, byte for byte.
    pub(crate) fn people(&self, attribute: &str, value: &str) -> Vec<Entry> {
        self.exactly("ou=people", attribute, value)
    }

    /// Which groups are under `ou=groups` with exactly this `cn`, byte for byte.
    pub(crate) fn groups(&self, name: &str) -> Vec<Entry> {
        self.exactly("ou=groups", "cn", name)
    }

    fn exactly(&self, branch: &str, attribute: &str, value: &str) -> Vec<Entry> {
        let has = |entry: &Entry| entry.values(attribute).iter().any(|known| known == value);
        self.entries(branch).into_iter().filter(has).collect()
    }

    fn search(&self, base: &str, scope: &str, attributes: &[&str]) -> Vec<Entry> {
        let output = self
            .tool("ldapsearch")
            .args(["-D", self.dn, "-w", ADMIN_PASSWORD, "-LLL", "-o", "ldif-wrap=no"])
            .args(["-b", base, "-s", scope, "(objectClass=*)"])
            .args(attributes)
            .output()
            .expect("ldapsearch runs");
        match output.status.code() {
            Some(0) => ldif::parse(&String::from_utf8_lossy(&output.stdout)),
            // No such object, or a DN that cannot be one.
            Some(32 | 34) => Vec::new(),
            _ => panic!("ldapsearch at {base}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.args(["-x", "-H", &self.url]);
        command
    }
}
