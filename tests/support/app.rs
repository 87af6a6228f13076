//! The real program beside a private directory, and what Entra does to it.
//!
//! Each answer is checked for what is true of all of them (see [`Answer::check_protocol`]). When the value is dropped,
//! the program's log is read: no token, no password, no panic; when the test failed, the log's end is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;

use serde_json::Value;

use super::administrator::{ADMIN_PASSWORD, SUFFIX, Server as DirectoryServer};
use super::http::{Answer, exchange};
use super::slapd::{Flavor, Slapd, signal};
use super::workplace::{Settings, Workplace};
use super::{PATIENCE, entra, story, wait_for};

/// The path of `base_url`.
const BASE: &str = "/scim/v2";

/// Where the program is told to end itself, as a power cut would: see `SCIMBRIDGE_CRASH_AT` (debug builds only).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashAt {
    /// The intent is saved, the directory untouched.
    Intent,
    /// The first change has been applied to the directory.
    Apply,
    /// All changes are applied, the record is not written.
    Record,
}

/// The program before an OpenLDAP, or before another server where a story says so.
pub(crate) struct TestApp<D: DirectoryServer = Slapd> {
    pub(crate) slapd: D,
    pub(crate) workplace: Workplace,
    pub(crate) token: String,
    server: Mutex<Option<Server>>,
    names: Mutex<BTreeMap<String, String>>,
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl TestApp {
    /// The program on the example configuration and a directory as the project ships it.
    pub(crate) fn start() -> Self {
        Self::start_with(Flavor::AsShipped, Settings::default())
    }

    pub(crate) fn start_on(flavor: Flavor) -> Self {
        Self::start_with(flavor, Settings::default())
    }

    pub(crate) fn start_with(flavor: Flavor, settings: Settings) -> Self {
        Self::start_before(Slapd::start(flavor), &settings)
    }
}

impl<D: DirectoryServer> TestApp<D> {
    /// The program in front of a directory that is there already.
    pub(crate) fn start_before(slapd: D, settings: &Settings) -> Self {
        let workplace = Workplace::new(settings, &slapd.url());
        let token = workplace.create_token("entra");
        let app = Self { slapd, workplace, token, server: Mutex::new(None), names: Mutex::new(BTreeMap::new()) };
        app.launch(None);
        app
    }

    // What happens to the process.

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.lock().unwrap().as_ref().expect("the server runs").address
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        if let Some(mut server) = self.server.lock().unwrap().take() {
            server.child.kill().ok();
            server.child.wait().expect("the server ends");
        }
    }

    /// Started again on the same store, after a kill if it still runs.
    pub(crate) fn restart(&self) {
        self.kill();
        self.launch(None);
    }

    /// Started again so that it ends itself at a point of the next write.
    pub(crate) fn restart_to_crash(&self, at: CrashAt) {
        self.kill();
        self.launch(Some(at));
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(name, &self.server.lock().unwrap().as_ref().expect("the server runs").child);
    }

    /// Waits until the process has ended.
    pub(crate) fn wait_exit(&self) -> ExitStatus {
        let mut server = self.server.lock().unwrap();
        let child = &mut server.as_mut().expect("the server ran").child;
        let status = wait_for("the server to end", || child.try_wait().expect("its state"));
        *server = None;
        status
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.workplace.path("server.log")).unwrap_or_default()
    }

    fn launch(&self, crash: Option<CrashAt>) {
        let log = self.workplace.path("server.log");
        let log = File::options().create(true).append(true).open(log).expect("a log file");
        let mut command = self.workplace.command(&["serve"]);
        if let Some(at) = crash {
            command.env("SCIMBRIDGE_CRASH_AT", format!("{at:?}").to_lowercase());
        }
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("a pipe");
        let (sender, lines) = mpsc::channel();
        // Reads on after the first line, so that the program never waits for a reader.
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        let ready = lines.recv_timeout(PATIENCE).unwrap_or_default();
        let address = ready
            .strip_prefix("listening on ")
            .and_then(|rest| rest.strip_prefix("http://").or(rest.strip_prefix("https://")))
            .and_then(|rest| rest.strip_suffix(BASE))
            .and_then(|address| address.parse().ok());
        let Some(address) = address else {
            child.kill().ok();
            child.wait().ok();
            panic!("the server is not ready, its first line is {ready:?}\n{}", self.log());
        };
        *self.server.lock().unwrap() = Some(Server { child, address });
    }

    // What is said over the wire.

    /// Sends bytes as they are.
    pub(crate) fn raw(&self, request: &[u8]) -> io::Result<Answer> {
        exchange(self.address(), request)
    }

    /// A request as Entra sends it: no User-Agent, an ADSCIMVersion, the target not normalised. May find nobody there.
    pub(crate) fn try_request(&self, method: &str, target: &str, body: Option<&[u8]>) -> io::Result<Answer> {
        self.try_request_at(self.address(), method, target, body)
    }

    /// The same for who took the address while the server still ran.
    pub(crate) fn try_request_at(
        &self,
        address: SocketAddr,
        method: &str,
        target: &str,
        body: Option<&[u8]>,
    ) -> io::Result<Answer> {
        let mut request = format!(
            "{method} {BASE}{target} HTTP/1.1\r\nHost: bridge.test\r\nAuthorization: Bearer {}\r\n\
             ADSCIMVersion: 5.0\r\nConnection: close\r\n",
            self.token
        )
        .into_bytes();
        if let Some(body) = body {
            let head =
                format!("Content-Type: application/scim+json; charset=utf-8\r\nContent-Length: {}\r\n", body.len());
            request.extend_from_slice(head.as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body.unwrap_or_default());
        exchange(address, &request)
    }

    #[track_caller]
    pub(crate) fn request(&self, method: &str, target: &str, body: Option<&Value>) -> Answer {
        let body = body.map(|body| body.to_string().into_bytes());
        self.try_request(method, target, body.as_deref()).unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.request("GET", target, None)
    }

    #[track_caller]
    pub(crate) fn post(&self, target: &str, body: &Value) -> Answer {
        self.request("POST", target, Some(body))
    }

    #[track_caller]
    pub(crate) fn put(&self, target: &str, body: &Value) -> Answer {
        self.request("PUT", target, Some(body))
    }

    #[track_caller]
    pub(crate) fn patch(&self, target: &str, operations: &Value) -> Answer {
        self.request("PATCH", target, Some(&entra::patch(operations.clone())))
    }

    #[track_caller]
    pub(crate) fn delete(&self, target: &str) -> Answer {
        self.request("DELETE", target, None)
    }

    // What Entra does. Each of these must succeed; a story that expects otherwise uses the ones above.

    /// Creates a user and returns its id, which snapshots show as the local part of the user name.
    #[track_caller]
    pub(crate) fn create_user(&self, user: &Value) -> String {
        let answer = self.post("/Users", user).expect(201).json();
        self.know(&answer)
    }

    /// `person(name)`, created.
    #[track_caller]
    pub(crate) fn user(&self, name: &str) -> String {
        self.create_user(&entra::person(name))
    }

    #[track_caller]
    pub(crate) fn patch_user(&self, id: &str, operations: &Value) -> Value {
        self.patch(&format!("/Users/{id}"), operations).expect(200).json()
    }

    #[track_caller]
    pub(crate) fn rename_user(&self, id: &str, user_name: &str) -> Value {
        self.patch_user(id, &serde_json::json!([{"op": "Replace", "path": "userName", "value": user_name}]))
    }

    #[track_caller]
    pub(crate) fn disable_user(&self, id: &str) -> Value {
        self.patch_user(id, &serde_json::json!([{"op": "Replace", "path": "active", "value": "False"}]))
    }

    #[track_caller]
    pub(crate) fn enable_user(&self, id: &str) -> Value {
        self.patch_user(id, &serde_json::json!([{"op": "Replace", "path": "active", "value": "True"}]))
    }

    #[track_caller]
    pub(crate) fn read_user(&self, id: &str) -> Value {
        self.get(&format!("/Users/{id}")).expect(200).json()
    }

    /// The matching query by which Entra finds a user.
    #[track_caller]
    pub(crate) fn lookup_user(&self, user_name: &str) -> Option<Value> {
        let mut found = self.find("Users", &format!("userName eq {}", entra::quoted(user_name)));
        assert!(found.len() < 2, "one userName, several users: {found:#?}");
        found.pop()
    }

    #[track_caller]
    pub(crate) fn create_group(&self, name: &str) -> String {
        let answer = self.post("/Groups", &entra::group(name)).expect(201).json();
        self.know(&answer)
    }

    #[track_caller]
    pub(crate) fn create_group_with(&self, group: &Value) -> String {
        let answer = self.post("/Groups", group).expect(201).json();
        self.know(&answer)
    }

    #[track_caller]
    pub(crate) fn patch_group(&self, id: &str, operations: &Value) {
        self.patch(&format!("/Groups/{id}"), operations).expect(204);
    }

    #[track_caller]
    pub(crate) fn add_members<I: AsRef<str>>(&self, group: &str, ids: &[I]) {
        self.patch_group(group, &entra::add_members(ids));
    }

    #[track_caller]
    pub(crate) fn remove_members<I: AsRef<str>>(&self, group: &str, ids: &[I]) {
        self.patch_group(group, &entra::remove_members(ids));
    }

    #[track_caller]
    pub(crate) fn rename_group(&self, id: &str, name: &str) {
        self.patch_group(id, &serde_json::json!([{"op": "Replace", "path": "displayName", "value": name}]));
    }

    #[track_caller]
    pub(crate) fn read_group(&self, id: &str) -> Value {
        self.get(&format!("/Groups/{id}")).expect(200).json()
    }

    /// The ids of a group's members, as SCIM shows them.
    #[track_caller]
    pub(crate) fn members(&self, id: &str) -> BTreeSet<String> {
        member_ids(&self.read_group(id))
    }

    /// The query by which Entra finds a group.
    #[track_caller]
    pub(crate) fn lookup_groups(&self, name: &str) -> Vec<Value> {
        let filter = entra::encode(&format!("displayName eq {}", entra::quoted(name)));
        resources(&self.get(&format!("/Groups?excludedAttributes=members&filter={filter}")).expect(200).json())
    }

    /// All resources for a filter.
    #[track_caller]
    pub(crate) fn find(&self, endpoint: &str, filter: &str) -> Vec<Value> {
        resources(&self.get(&format!("/{endpoint}?filter={}", entra::encode(filter))).expect(200).json())
    }

    // What the directory should hold.

    /// The `member` values of the one group entry with this `cn`, byte for byte.
    #[track_caller]
    pub(crate) fn directory_members(&self, name: &str) -> Vec<String> {
        let groups = self.slapd.groups(name);
        assert_eq!(groups.len(), 1, "one entry for {name:?}: {groups:#?}");
        groups[0].values("member")
    }

    /// Everything that both sides show, with ids and times made the same in every run.
    pub(crate) fn view(&self) -> String {
        let mut seen = resources(&self.get("/Users?count=1000").expect(200).json());
        seen.extend(resources(&self.get("/Groups?count=1000").expect(200).json()));
        for resource in &seen {
            self.know(resource);
        }
        // The lists are ordered by id, which is random.
        let mut texts: Vec<String> =
            seen.into_iter().map(|resource| format!("{:#}\n", self.normalised(resource))).collect();
        texts.sort();
        texts.concat() + "\n" + &self.redact(&self.directory())
    }

    /// The people and groups of the directory as text, with who is locked.
    pub(crate) fn directory(&self) -> String {
        let mut text = self.slapd.ldif("ou=people") + "\n" + &self.slapd.ldif("ou=groups");
        for person in self.slapd.entries("ou=people") {
            if self.is_locked(&person.dn) {
                text.push_str(&format!("\nlocked: {}\n", person.dn));
            }
        }
        text
    }

    pub(crate) fn is_locked(&self, dn: &str) -> bool {
        // An entry may be renamed between two looks at the directory.
        let locks = ["pwdAccountLockedTime", "nsAccountLock"];
        let entry = self.slapd.entry_with(dn, &locks);
        entry.is_some_and(|entry| locks.iter().any(|lock| !entry.values(lock).is_empty()))
    }

    // What snapshots show.

    /// Remembers a resource's id, so that snapshots show a name in its place.
    pub(crate) fn know(&self, resource: &Value) -> String {
        let id = resource["id"].as_str().unwrap_or_else(|| panic!("a resource has an id: {resource}")).to_owned();
        let name = resource["userName"].as_str().or(resource["displayName"].as_str()).unwrap_or_default();
        let name = name.split('@').next().unwrap_or_default();
        self.names.lock().unwrap().entry(id.clone()).or_insert_with(|| name.to_owned());
        id
    }

    /// An answer's JSON in which ids, times and versions are the same in every run.
    pub(crate) fn normalised(&self, mut value: Value) -> Value {
        story::normalise(&mut value, &self.names.lock().unwrap());
        value
    }

    /// Text in which ids are the same in every run.
    pub(crate) fn redact(&self, text: &str) -> String {
        story::redact(text, &self.names.lock().unwrap())
    }
}

impl<D: DirectoryServer> Drop for TestApp<D> {
    fn drop(&mut self) {
        self.kill();
        let log = self.log();
        if std::thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("--- the end of the server's log\n{tail}\n---");
            return;
        }
        assert!(!log.contains("panicked"), "a panic in the log:\n{log}");
        assert!(!log.contains(&self.token), "the token stands in the log");
        assert!(!log.contains(ADMIN_PASSWORD), "the directory's password stands in the log");
    }
}

/// The DN that a user of this name gets, when nothing in the name needs escaping.
pub(crate) fn dn(name: &str) -> String {
    format!("uid={name}@contoso.com,ou=people,{SUFFIX}")
}

/// The DN that a group of this name gets, when nothing in the name needs escaping.
pub(crate) fn group_dn(name: &str) -> String {
    format!("cn={name},ou=groups,{SUFFIX}")
}

/// What stands in for "no members".
pub(crate) const PLACEHOLDER: &str = "cn=empty-group";

#[track_caller]
pub(crate) fn resources(list: &Value) -> Vec<Value> {
    assert_eq!(list["schemas"], serde_json::json!([entra::LIST]), "{list}");
    list["Resources"].as_array().unwrap_or_else(|| panic!("`Resources` is an array: {list}")).clone()
}

pub(crate) fn member_ids(group: &Value) -> BTreeSet<String> {
    let members = group["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|member| member["value"].as_str().expect("a member has a value").to_owned()).collect()
}
