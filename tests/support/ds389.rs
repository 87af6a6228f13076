//! A private 389 Directory Server per test, made from the templates that its package ships for `dscreate`.
//!
//! Not made by `dscreate`: that writes below `/etc` and `/var`, and wants systemd. Here all is in one folder, which goes
//! when the value is dropped. As the package has it, the server keeps no references (`refint` is off) and no reverse
//! membership; and it takes `uid` and `mail` in ASCII alone (the plugin "7-bit check").

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;

use super::administrator::{ADMIN_PASSWORD, Administrator, SUFFIX, Server};
use super::slapd::free_port;
use super::wait_for;

const NS_SLAPD: &str = "/usr/sbin/ns-slapd";
const TEMPLATES: &str = "/usr/share/dirsrv/data";
const ADMIN: &str = "cn=Directory Manager";

/// A port may be taken in between; a server that never starts is to be told of.
const ATTEMPTS: usize = 5;

pub(crate) struct Ds389 {
    folder: TempDir,
    administrator: Administrator,
    process: Mutex<Option<Child>>,
}

impl Ds389 {
    pub(crate) fn start() -> Self {
        assert!(
            Path::new(NS_SLAPD).exists(),
            "{NS_SLAPD} is missing, and the stories need a real directory: `make test` installs it \
             (on Debian: apt-get install 389-ds-base ldap-utils)"
        );
        for _ in 0..ATTEMPTS {
            let folder = TempDir::with_prefix("scimbridge-ds389-").expect("a folder for ns-slapd");
            let port = free_port();
            write_configuration(folder.path(), port);
            let server = Self { folder, administrator: Administrator::new(ADMIN, port), process: Mutex::new(None) };
            if server.launch() {
                server.by_hand(&base_entries());
                return server;
            }
            eprintln!("ns-slapd ended:\n{}", server.errors());
        }
        panic!("ns-slapd does not start");
    }

    /// Ends it as a power cut would: what it has acknowledged is on the disk, and it recovers when it starts.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            child.kill().expect("ns-slapd is killed");
            child.wait().expect("ns-slapd ends");
        }
    }

    /// Starts it again, same port and same data.
    pub(crate) fn start_again(&self) {
        assert!(self.launch(), "ns-slapd does not start again at {}:\n{}", self.url(), self.errors());
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default()
    }

    /// Starts the process and waits until it answers; false when it ended instead, as it does on a taken port.
    fn launch(&self) -> bool {
        let child = Command::new(NS_SLAPD)
            .arg("-D")
            .arg(self.folder.path())
            .arg("-i")
            .arg(self.folder.path().join("pid"))
            // Stays in the foreground.
            .args(["-d", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ns-slapd runs");
        let mut process = self.process.lock().unwrap();
        let child = process.insert(child);
        let up = wait_for("ns-slapd to answer", || {
            if child.try_wait().expect("ns-slapd's state").is_some() {
                return Some(false);
            }
            self.answers().then_some(true)
        });
        if !up {
            *process = None;
        }
        up
    }

    /// The counters that `ldap-agent` reads, which lie outside of the folder wherever the server runs.
    fn counters(&self) -> Option<PathBuf> {
        let name = self.folder.path().file_name()?.to_str()?;
        Some(Path::new("/dev/shm").join(format!("sem.{name}.stats")))
    }
}

impl Server for Ds389 {
    /// Its `groupOfNames` demands no member, unlike that of RFC 4519.
    const EMPTY_GROUP: &[&str] = &[];
}

impl Deref for Ds389 {
    type Target = Administrator;

    fn deref(&self) -> &Administrator {
        &self.administrator
    }
}

impl Drop for Ds389 {
    fn drop(&mut self) {
        if let Ok(process) = self.process.get_mut()
            && let Some(mut child) = process.take()
        {
            child.kill().ok();
            child.wait().ok();
        }
        if let Some(counters) = self.counters() {
            fs::remove_file(counters).ok();
        }
    }
}

fn base_entries() -> String {
    format!(
        "dn: {SUFFIX}\nobjectClass: domain\ndc: example\n\n\
         dn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: ou=groups,{SUFFIX}\nobjectClass: organizationalUnit\nou: groups\n"
    )
}

/// What `dscreate` makes of the templates, in one folder.
fn write_configuration(folder: &Path, port: u16) {
    let here = folder.display().to_string();
    let user = Command::new("id").arg("-un").output().expect("id runs").stdout;
    let user = String::from_utf8_lossy(&user).trim().to_owned();
    let (port, password) = (port.to_string(), format!("{{CLEAR}}{ADMIN_PASSWORD}"));
    let db = format!("{here}/db");
    let words: [(&str, &str); 17] = [
        ("schema_dir", &format!("{here}/schema")),
        ("db_dir", &db),
        ("db_home_dir", &db),
        ("db_lib", "bdb"),
        ("fqdn", "localhost"),
        ("ds_port", &port),
        ("ds_user", &user),
        ("ds_passwd", &password),
        ("rootdn", ADMIN),
        ("ldapi", &format!("{here}/ldapi")),
        ("ldapi_enabled", "off"),
        ("ldapi_autobind", "off"),
        ("ds_suffix", SUFFIX),
        ("ds_bename", "userRoot"),
        ("lock_dir", &format!("{here}/lock")),
        ("run_dir", &format!("{here}/run")),
        ("instance_name", "test"),
    ];
    let mut text = [template("template-dse.ldif"), template("template-suffix-db.ldif")].join("\n");
    for (word, value) in words {
        text = text.replace(&format!("%{word}%"), value);
    }
    // Certificates, dumps and logs need no folders of their own.
    for word in ["tmp_dir", "cert_dir", "ldif_dir", "bak_dir", "inst_dir", "log_dir", "config_dir"] {
        text = text.replace(&format!("%{word}%"), &here);
    }
    // By itself it takes a part of the machine's memory.
    let home = "nsslapd-db-home-directory:";
    assert!(text.contains(home), "the template has no {home} that the size of the cache is put before");
    text = text.replace(home, &format!("nsslapd-dbcachesize: 1000000\nnsslapd-cache-autosize: 0\n{home}"));
    for folder in ["schema", "db", "lock", "run"] {
        fs::create_dir(Path::new(&here).join(folder)).expect("a folder");
    }
    // It wants a schema of its own beside that of the package.
    let schema = "dn: cn=schema\nobjectClass: top\nobjectClass: ldapSubentry\nobjectClass: subschema\n";
    fs::write(folder.join("schema/99user.ldif"), schema).expect("a schema file");
    fs::write(folder.join("dse.ldif"), text).expect("dse.ldif");
}

/// A template without its comments: the server takes them for entries.
fn template(name: &str) -> String {
    let path = Path::new(TEMPLATES).join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let entries = lines.split(|line| line.trim().is_empty()).filter(|entry| !entry.is_empty());
    entries.map(|entry| entry.join("\n") + "\n").collect::<Vec<_>>().join("\n")
}
