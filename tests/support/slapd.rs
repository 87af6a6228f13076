//! A private OpenLDAP per test, made from the same configuration that the project ships in `docker/openldap`.
//!
//! It can be stopped, started again on the same port and data, and frozen, and it can be looked at and changed as its
//! [`Administrator`]. It goes when the value is dropped.

use std::fs::{self, File};
use std::net::TcpListener;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

pub(crate) use super::administrator::{ADMIN_PASSWORD, SUFFIX};

use super::administrator::{Administrator, Server};
use super::app::PLACEHOLDER;
use super::wait_for;

const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";
const SLAPCAT: &str = "/usr/sbin/slapcat";
const ADMIN: &str = "cn=admin,dc=example,dc=org";

/// Where a test's own lines of the configuration are; see [`Slapd::reconfigure`].
const OWN_LINES: &str = "own-lines.conf";
/// The same before the database; see [`Slapd::reconfigure_server`].
const SERVER_LINES: &str = "server-lines.conf";

/// How a test's directory differs from the one that the project ships.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Flavor {
    #[default]
    AsShipped,
    /// No `refint` and no `memberof`: nobody but the bridge repairs what points at a renamed or deleted entry.
    Plain,
    /// The module of `ppolicy` is loaded, and the overlay is not on: a lock is stored and lets everybody in.
    WithoutPolicy,
    /// Knows the class `groupOfMembers`, whose `member` is optional, as in RFC 2307bis.
    OptionalMember,
}

pub(crate) struct Slapd {
    folder: TempDir,
    administrator: Administrator,
    tls_port: Mutex<Option<u16>>,
    process: Mutex<Option<Child>>,
}

impl Slapd {
    pub(crate) fn start(flavor: Flavor) -> Self {
        assert!(
            Path::new(SLAPD).exists(),
            "{SLAPD} is missing, and the stories need a real directory: `make test` installs it \
             (on Debian: apt-get install slapd ldap-utils)"
        );
        let folder = TempDir::with_prefix("scimbridge-slapd-").expect("a folder for slapd");
        write_configuration(folder.path(), flavor);
        Self::on(folder, &project().join("docker/openldap/base.ldif"))
    }

    /// Another directory that holds what this one holds now, anchors included, and goes its own way from there.
    pub(crate) fn copy(&self, flavor: Flavor) -> Self {
        let folder = TempDir::with_prefix("scimbridge-slapd-").expect("a folder for slapd");
        write_configuration(folder.path(), flavor);
        for lines in [OWN_LINES, SERVER_LINES] {
            fs::copy(self.folder.path().join(lines), folder.path().join(lines)).expect("a configuration file");
        }
        let held = folder.path().join("held.ldif");
        let configuration = self.folder.path().join("slapd.conf");
        let read = Command::new(SLAPCAT).arg("-f").arg(configuration).arg("-l").arg(&held).output();
        let read = read.expect("slapcat runs");
        assert!(read.status.success(), "slapcat: {}", String::from_utf8_lossy(&read.stderr));
        Self::on(folder, &held)
    }

    /// A directory in a folder that has its configuration, with the entries of a file.
    fn on(folder: TempDir, entries: &Path) -> Self {
        let configuration = folder.path().join("slapd.conf");
        let loaded = Command::new(SLAPADD)
            .args(["-q", "-f"])
            .arg(&configuration)
            .arg("-l")
            .arg(entries)
            .output()
            .expect("slapadd runs");
        assert!(loaded.status.success(), "slapadd: {}", String::from_utf8_lossy(&loaded.stderr));
        let administrator = Administrator::new(ADMIN, free_port());
        let mut slapd = Self { folder, administrator, tls_port: Mutex::new(None), process: Mutex::new(None) };
        while !slapd.launch() {
            // Somebody took the port in between.
            slapd.administrator = Administrator::new(ADMIN, free_port());
        }
        slapd
    }

    /// The same directory by its socket.
    pub(crate) fn socket_url(&self) -> String {
        let path = self.folder.path().join("ldapi").display().to_string();
        format!("ldapi://{}", path.replace('/', "%2F"))
    }

    /// Starts it again so that it offers TLS too, as `lines` of its configuration say. Returns its ldaps:// URL.
    pub(crate) fn listen_with_tls(&self, lines: &str) -> String {
        self.stop();
        let port = free_port();
        *self.tls_port.lock().unwrap() = Some(port);
        fs::write(self.folder.path().join(OWN_LINES), lines).expect("a configuration file");
        self.start_again();
        format!("ldaps://127.0.0.1:{port}")
    }

    fn listens_on(&self) -> String {
        let tls = self.tls_port.lock().unwrap().map(|port| format!(" ldaps://127.0.0.1:{port}/"));
        format!("{}/ {}{}", self.url(), self.socket_url(), tls.unwrap_or_default())
    }

    /// Stops it as an administrator would: the port is closed, the data stays.
    pub(crate) fn stop(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            signal("-TERM", &child);
            child.wait().expect("slapd ends");
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            child.kill().expect("slapd is killed");
            child.wait().expect("slapd ends");
        }
    }

    /// Starts it again, same port and same data.
    pub(crate) fn start_again(&self) {
        assert!(self.launch(), "slapd does not start again at {}", self.url());
    }

    /// Starts it again with these lines in the part of its configuration that is about the database, in the place of
    /// any that were put there before.
    pub(crate) fn reconfigure(&self, lines: &str) {
        self.stop();
        fs::write(self.folder.path().join(OWN_LINES), lines).expect("a configuration file");
        self.start_again();
    }

    /// The same with lines that stand before the database, such as other databases.
    pub(crate) fn reconfigure_server(&self, lines: &str) {
        self.stop();
        fs::write(self.folder.path().join(SERVER_LINES), lines).expect("a configuration file");
        self.start_again();
    }

    /// Freezes it: connections open, requests are taken in by the kernel, nothing answers.
    pub(crate) fn pause(&self) {
        signal("-STOP", self.process.lock().unwrap().as_ref().expect("slapd runs"));
    }

    pub(crate) fn resume(&self) {
        signal("-CONT", self.process.lock().unwrap().as_ref().expect("slapd runs"));
    }

    /// Starts the process and waits until it answers; false when it ended instead, as it does on a taken port.
    fn launch(&self) -> bool {
        let log = File::options().create(true).append(true).open(self.folder.path().join("slapd.log")).expect("a log");
        let child = Command::new(SLAPD)
            .arg("-f")
            .arg(self.folder.path().join("slapd.conf"))
            .args(["-h", &self.listens_on(), "-d", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("slapd runs");
        let mut process = self.process.lock().unwrap();
        let child = process.insert(child);
        let up = wait_for("slapd to answer", || {
            if child.try_wait().expect("slapd's state").is_some() {
                return Some(false);
            }
            self.answers().then_some(true)
        });
        if !up {
            *process = None;
        }
        up
    }
}

impl Server for Slapd {
    const EMPTY_GROUP: &[&str] = &[PLACEHOLDER];
}

impl Deref for Slapd {
    type Target = Administrator;

    fn deref(&self) -> &Administrator {
        &self.administrator
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        if let Ok(process) = self.process.get_mut()
            && let Some(mut child) = process.take()
        {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The project's folder, where the shipped configuration is.
pub(crate) fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Sends a signal by the command that a person would type: the standard library only knows SIGKILL.
pub(crate) fn signal(name: &str, child: &Child) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success(), "kill {name} {}", child.id());
}

fn write_configuration(folder: &Path, flavor: Flavor) {
    let shipped = fs::read_to_string(project().join("docker/openldap/slapd.conf.in")).expect("the shipped slapd.conf");
    let mut text = shipped
        .replace("@RUN@", &folder.display().to_string())
        .replace("rootpw   secret", &format!("rootpw   {ADMIN_PASSWORD}"));
    assert!(text.contains(ADMIN_PASSWORD), "slapd.conf.in has another rootpw than the one that is replaced here");
    match flavor {
        Flavor::AsShipped => {}
        Flavor::Plain => text = without(&text, &["overlay refint", "refint_", "overlay memberof", "memberof-"]),
        Flavor::WithoutPolicy => text = without(&text, &["overlay ppolicy", "ppolicy_default"]),
        Flavor::OptionalMember => {
            let schema = folder.join("optional-member.schema");
            fs::write(
                &schema,
                "objectclass ( 1.3.6.1.4.1.4203.666.99.1 NAME 'groupOfMembers' SUP top STRUCTURAL\n\
                 \tMUST cn MAY ( member $ description $ ou $ o ) )\n",
            )
            .expect("a schema file");
            let last = "include /etc/ldap/schema/inetorgperson.schema";
            text = text.replace(last, &format!("{last}\ninclude {}", schema.display()));
        }
    }
    let last = "maxsize  1073741824\n";
    assert!(text.contains(last), "slapd.conf.in has another maxsize than the one that lines are put after here");
    text = text.replace(last, &format!("{last}include \"{}\"\n", folder.join(OWN_LINES).display()));
    let database = "\ndatabase mdb\n";
    assert!(text.contains(database), "slapd.conf.in has another database than the one that lines are put before here");
    let server = format!("\ninclude \"{}\"\n{database}", folder.join(SERVER_LINES).display());
    text = text.replace(database, &server);
    fs::write(folder.join(OWN_LINES), "").expect("a configuration file");
    fs::write(folder.join(SERVER_LINES), "").expect("a configuration file");
    fs::create_dir(folder.join("data")).expect("a folder for the data");
    fs::write(folder.join("slapd.conf"), text).expect("slapd.conf");
}

fn without(text: &str, beginnings: &[&str]) -> String {
    let kept = text.lines().filter(|line| !beginnings.iter().any(|beginning| line.starts_with(beginning)));
    kept.collect::<Vec<_>>().join("\n")
}

/// A port that nobody listens on, below the range that the kernel hands to outgoing connections: from that range a
/// stranger could sit on the port while slapd is stopped. No two tests of one run get the same.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = (std::process::id() % 97) as u16 * 200;
        let port = 11_000 + offset.wrapping_add(step) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
