//! Whether users who are disabled can still log in, tried with a throwaway user and a throwaway group.
//!
//! They go the way that Entra's go, through the one path with a store of their own, so that what is tried is what will
//! happen; it tells of rights to change, rename and delete too. Nothing stays behind.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::with_causes;
use crate::cli::{open_directory, rules};
use crate::config::Settings;
use crate::directory::{Action, AttributeName, Change, Dn, Modification, Tolerance, Value};
use crate::ldap::{self, Depth, Directory, Filter};
use crate::mapping::disable::PASSWORD_ATTRIBUTE;
use crate::mapping::{Finding, PasswordRule};
use crate::scim::{Draft, Kind, Patch, Precondition, ResourceId};
use crate::settle::{Bridge, Push, Verdict};
use crate::store::{Requester, SqliteStore};

/// Tries it. What was created is deleted again, whatever happens in between.
pub(super) async fn findings(settings: &Settings, directory: &Directory) -> Vec<Finding> {
    let place = std::env::temp_dir().join(format!("scimbridge-probe-{}.db", std::process::id()));
    let findings = match Probe::new(settings, &place).await {
        Ok(probe) => {
            let findings = probe.run(settings, directory).await;
            probe.bridge.close().await;
            findings
        }
        Err(error) => vec![Finding::error(
            format!("the probe cannot begin: {error:#}"),
            "see that the folder for temporary files can be written to",
        )],
    };
    for side in ["", "-wal", "-shm"] {
        // A file that was never made is as good as one that is gone.
        _ = std::fs::remove_file(PathBuf::from(format!("{}{side}", place.display())));
    }
    findings
}

struct Probe {
    bridge: Bridge,
    requester: Requester,
    name: String,
    password: SecretString,
}

/// What a bind with the right password came to.
enum Bind {
    LetIn,
    /// What the server says.
    Refused(String),
    /// The server could not be asked.
    Unanswered(String),
}

impl Probe {
    #[expect(clippy::disallowed_methods, reason = "here a password is made")]
    async fn new(settings: &Settings, place: &std::path::Path) -> anyhow::Result<Probe> {
        let store = SqliteStore::open(&format!("sqlite://{}", place.display())).await?;
        let directory = open_directory(settings)?;
        let patience = settings.ldap.timeout * 3;
        let mut rules = rules(settings);
        // It stands below the base itself: which containers there are is nobody's to guess, and none is to be left.
        rules.users.place.containers.clear();
        let bridge = Bridge::new(Arc::new(store), directory, rules, patience, CancellationToken::new());
        let password = SecretString::from(format!("Probe-{}-of-scimbridge", uuid::Uuid::new_v4()));
        let name = format!("scimbridge-probe-{}", std::process::id());
        let requester = Requester { token: name.clone(), address: String::new(), request: String::new() };
        Ok(Probe { bridge, requester, name, password })
    }

    async fn run(&self, settings: &Settings, directory: &Directory) -> Vec<Finding> {
        let user = match self.create(Kind::User, self.user()).await {
            Ok(user) => user,
            Err(finding) => return vec![finding],
        };
        let mut findings = self.log_in(settings, directory, &user).await;
        if let Some(groups) = &settings.groups {
            findings.extend(self.be_member(directory, groups.rdn.clone(), &groups.base_dn, &user).await);
        }
        findings.extend(self.delete(Kind::User, &user).await);
        findings
    }

    /// The throwaway user logs in, is disabled, is not let in, is enabled and logs in.
    async fn log_in(&self, settings: &Settings, directory: &Directory, user: &ResourceId) -> Vec<Finding> {
        let password = self.password.clone();
        let Some(dn) = self.entry(settings, directory).await else {
            let what = format!("the throwaway user {} was created, and ldap.bind_dn does not see its entry", self.name);
            return vec![Finding::error(what, "let it read below users.base_dn what it writes there")];
        };
        let is_elsewhere =
            settings.users.attributes.iter().any(|rule| rule.ldap == AttributeName::of(PASSWORD_ATTRIBUTE));
        if is_elsewhere {
            let mut findings: Vec<Finding> = self.set_active(user, false).await.err().into_iter().collect();
            findings.extend(self.set_active(user, true).await.err());
            findings.push(Finding::note(
                "whether a disabled user is let in cannot be tried: the map says that passwords are not in the directory",
                "disable somebody and see that they cannot log in",
            ));
            return findings;
        }
        let is_pushed = settings.users.password.as_ref().is_some_and(PasswordRule::is_pushed);
        if let Err(error) = if is_pushed { Ok(()) } else { set_password(directory, &dn, &password).await } {
            let what = format!("no password could be set for the throwaway user {dn}: {}", with_causes(&error));
            let remedy = "give ldap.bind_dn the right to write userPassword for the time of the probe, see that the \
                          classes allow it; or try by hand whether a disabled user is let in";
            let mut findings: Vec<Finding> = self.set_active(user, false).await.err().into_iter().collect();
            findings.extend(self.set_active(user, true).await.err());
            let needs_it = settings.users.disable.password;
            findings.push(if needs_it { Finding::error(what, remedy) } else { Finding::warning(what, remedy) });
            return findings;
        }
        match bind(settings, &dn, &password).await {
            Bind::LetIn => {}
            refused => return vec![not_let_in("before it was disabled", &dn, &refused)],
        }
        if let Err(finding) = self.set_active(user, false).await {
            return vec![finding];
        }
        let away = self.entry(settings, directory).await.unwrap_or_else(|| dn.clone());
        let mut findings = Vec::new();
        match bind(settings, &away, &password).await {
            Bind::Refused(_) => {}
            Bind::LetIn => findings.push(let_in(settings, directory, &away).await),
            Bind::Unanswered(why) => findings.push(unanswered(&away, &why)),
        }
        if let Err(finding) = self.set_active(user, true).await {
            findings.push(finding);
            return findings;
        }
        let back = self.entry(settings, directory).await.unwrap_or(dn);
        match bind(settings, &back, &password).await {
            Bind::LetIn => {}
            refused => findings.push(not_let_in("after it was disabled and enabled again", &back, &refused)),
        }
        if findings.is_empty() {
            findings.push(Finding::note(
                "a throwaway user logged in, was disabled and not let in, was enabled and logged in again; it is gone",
                "nothing",
            ));
        }
        findings
    }

    /// The throwaway user joins a throwaway group, which is renamed and deleted.
    async fn be_member(
        &self,
        directory: &Directory,
        naming: AttributeName,
        base: &Dn,
        user: &ResourceId,
    ) -> Vec<Finding> {
        let group = match self.create(Kind::Group, json!({"displayName": self.name})).await {
            Ok(group) => group,
            Err(finding) => return vec![finding],
        };
        let renamed = format!("{} renamed", self.name);
        let operations = json!([
            {"op": "add", "path": "members", "value": [{"value": user.as_str()}]},
            {"op": "replace", "path": "displayName", "value": renamed},
        ]);
        let mut findings: Vec<Finding> = self.patch(Kind::Group, &group, operations).await.err().into_iter().collect();
        findings.extend(self.delete(Kind::Group, &group).await);
        let left = Filter::Or(vec![
            Filter::equal(naming.clone(), self.name.as_str()),
            Filter::equal(naming, renamed.as_str()),
        ]);
        if let Ok(left) = directory.search(base, Depth::Subtree, &left, &[]).await {
            findings.extend(left.iter().map(|entry| left_behind(&entry.dn)));
        }
        findings
    }

    fn user(&self) -> Json {
        let text = &self.name;
        json!({
            // Set as those that Entra sends are, where it may send any.
            "password": self.password.expose_secret(),
            "userName": format!("{text}@probe.invalid"), "externalId": text, "displayName": text, "active": true,
            "name": {"formatted": text, "familyName": text, "givenName": text},
            "emails": [{"type": "work", "primary": true, "value": format!("{text}@probe.invalid")}],
            "title": "probe", "userType": "probe", "nickName": text,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
                "employeeNumber": std::process::id().to_string(), "department": "scimbridge-probe", "division": "probe",
                "organization": "probe", "costCenter": "probe",
            },
        })
    }

    /// Where the throwaway user's entry is now.
    async fn entry(&self, settings: &Settings, directory: &Directory) -> Option<Dn> {
        let rule = settings.users.attributes.iter().find(|rule| rule.ldap == settings.users.match_attribute)?;
        let Json::Object(document) = self.user() else {
            return None;
        };
        let value = rule.sample(&document)?;
        let filter = Filter::Equal(rule.ldap.clone(), value);
        for tree in settings.users.trees() {
            if let Ok(found) = directory.search(tree, Depth::Subtree, &filter, &[]).await
                && let Some(entry) = found.into_iter().next()
            {
                return Some(entry.dn);
            }
        }
        None
    }

    fn push(&self) -> Push<'_> {
        self.bridge.push(&self.requester)
    }

    async fn create(&self, kind: Kind, body: Json) -> Result<ResourceId, Finding> {
        let failed = |why: String| {
            Finding::error(
                format!("a throwaway {kind} could not be created: {why}"),
                "what keeps it from being created keeps Entra's from it: put that right first",
            )
        };
        let draft = Draft::read(self.bridge.schema_of(kind), &body).map_err(|error| failed(error.detail))?;
        let created = self.push().create(kind, draft).await;
        created.map(|resource| resource.id).map_err(|error| failed(said(&error)))
    }

    async fn set_active(&self, user: &ResourceId, active: bool) -> Result<(), Finding> {
        self.patch(Kind::User, user, json!([{"op": "replace", "path": "active", "value": active}])).await
    }

    async fn patch(&self, kind: Kind, id: &ResourceId, operations: Json) -> Result<(), Finding> {
        let failed = |why: String| {
            Finding::error(
                format!("the throwaway {kind} could not be changed: {why}"),
                "what keeps it from being changed keeps Entra's from it, those who leave among them: put that right",
            )
        };
        let body = json!({"Operations": operations});
        let patch = Patch::read(self.bridge.schema_of(kind), &body).map_err(|error| failed(error.detail))?;
        let patched = self.push().patch(kind, id, patch, &Precondition::default()).await;
        patched.map(|_| ()).map_err(|error| failed(said(&error)))
    }

    async fn delete(&self, kind: Kind, id: &ResourceId) -> Option<Finding> {
        let error = self.push().delete(kind, id, &Precondition::default()).await.err()?;
        Some(Finding::error(
            format!("the throwaway {kind} {} could not be deleted: {}", self.name, said(&error)),
            "delete it by hand, and give ldap.bind_dn the right to delete entries",
        ))
    }
}

/// By the operation for it, or as an attribute where a server does without: 389 Directory Server wants TLS for it.
async fn set_password(directory: &Directory, dn: &Dn, password: &SecretString) -> Result<(), ldap::Error> {
    if directory.set_password(dn, password).await.is_ok() {
        return Ok(());
    }
    let attribute = AttributeName::of(PASSWORD_ATTRIBUTE);
    let values = vec![Value::from(password.expose_secret())];
    let modifications = vec![Modification { attribute, action: Action::Replace, values }];
    directory.apply(&Change::Modify { dn: dn.clone(), modifications, tolerance: Tolerance::Exact }).await.map(|_| ())
}

fn said(error: &crate::settle::Error) -> String {
    match error.verdict() {
        Verdict::Refused(error) => error.detail,
        Verdict::OtherVersion(said) | Verdict::Later(said) | Verdict::Operator(said) => said,
        Verdict::NotFound(_) | Verdict::Internal => with_causes(error),
    }
}

fn left_behind(dn: &Dn) -> Finding {
    Finding::error(format!("the throwaway entry {dn} is still there"), "delete it by hand")
}

/// A simple bind on a connection of its own.
async fn bind(settings: &Settings, dn: &Dn, password: &SecretString) -> Bind {
    let mut theirs = settings.clone();
    theirs.ldap.bind_dn = dn.clone();
    theirs.ldap.bind_password = password.clone();
    theirs.ldap.connections = 1;
    let directory = match open_directory(&theirs) {
        Ok(directory) => directory,
        Err(error) => return Bind::Unanswered(format!("{error:#}")),
    };
    let answer = directory.profile().await;
    directory.close().await;
    match answer {
        Err(error @ ldap::Error::Bind { .. }) => Bind::Refused(with_causes(&error)),
        Err(error) if error.is_out_of_reach() || error.is_lost_connection() => Bind::Unanswered(with_causes(&error)),
        // Who is let in may see nothing of the server.
        Ok(_) | Err(_) => Bind::LetIn,
    }
}

fn unanswered(dn: &Dn, why: &str) -> Finding {
    Finding::error(
        format!("it could not be tried whether {dn} is let in: {why}"),
        "see what the server's log says of it",
    )
}

fn not_let_in(when: &str, dn: &Dn, bind: &Bind) -> Finding {
    let why = match bind {
        Bind::Unanswered(why) => return unanswered(dn, why),
        Bind::Refused(why) => why.as_str(),
        Bind::LetIn => "",
    };
    Finding::error(
        format!("the throwaway user was not let in {when}, with the right password: {why}"),
        "see that anonymous clients have the right `auth` to userPassword (access to attrs=userPassword by anonymous \
         auth), that no policy wants a new password first, and that the server knows the scheme of \
         users.password_storage (moduleload pw-sha2, moduleload argon2)",
    )
}

/// What is missing when somebody who is disabled is let in.
async fn let_in(settings: &Settings, directory: &Directory, dn: &Dn) -> Finding {
    let disable = &settings.users.disable;
    let what = format!("the throwaway user {dn} was disabled, and was let in all the same");
    if !disable.lock && !disable.password {
        return Finding::warning(
            what,
            "add users.disable.lock or users.disable.password, unless it is for the applications to look at what is set",
        );
    }
    let policy = AttributeName::of("pwdPolicySubentry");
    let lockout = AttributeName::of("pwdLockout");
    let entry = directory.read(dn, std::slice::from_ref(&policy)).await.ok().flatten();
    let policy = entry.and_then(|entry| entry.values(&policy).first()?.as_str()?.parse::<Dn>().ok());
    let in_force = match &policy {
        Some(policy) => directory.read(policy, std::slice::from_ref(&lockout)).await.ok().flatten(),
        None => None,
    };
    let locks = in_force.as_ref().map(|policy| {
        policy.values(&lockout).iter().filter_map(Value::as_str).any(|text| text.eq_ignore_ascii_case("TRUE"))
    });
    let remedy = match (&policy, locks) {
        (Some(policy), Some(false)) => {
            format!("the policy in force for it, {policy}, lacks pwdLockout: TRUE; see what else is said of policies")
        }
        _ => "the overlay ppolicy is not on for the database of users.base_dn, or its default policy is not there or \
              lacks pwdLockout: TRUE; see what else is said of the overlay, or use users.disable.password"
            .to_owned(),
    };
    Finding::error(what, remedy)
}
