//! What the service manager hears (sd_notify(3)), what `scimbridge health` says, and the token that a new installation
//! begins with.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};

use crate::support::slapd::{Flavor, Slapd, signal};
use crate::support::workplace::{Settings, Workplace, finish};
use crate::support::{PATIENCE, wait_for};

/// `scimbridge serve` as a service manager runs it.
struct Supervised {
    workplace: Workplace,
    manager: UnixDatagram,
    child: Child,
    stdout: Receiver<String>,
    _slapd: Slapd,
}

impl Supervised {
    fn start(arguments: &[&str]) -> Self {
        let slapd = Slapd::start(Flavor::AsShipped);
        let workplace = Workplace::new(&Settings::default(), &slapd.url());
        let socket = workplace.path("manager");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let (child, stdout) = launch(&workplace, arguments);
        Self { workplace, manager, child, stdout, _slapd: slapd }
    }

    /// The next message, as `READY=1` and whatever stands beside it.
    fn hears(&self) -> String {
        let mut message = [0; 4096];
        let length = self.manager.recv(&mut message).expect("the manager hears something");
        String::from_utf8_lossy(&message[..length]).into_owned()
    }

    /// Everything that has been said by now.
    fn has_heard(&self) -> Vec<String> {
        self.manager.set_nonblocking(true).unwrap();
        let mut message = [0; 4096];
        let mut heard = Vec::new();
        while let Ok(length) = self.manager.recv(&mut message) {
            heard.push(String::from_utf8_lossy(&message[..length]).into_owned());
        }
        self.manager.set_nonblocking(false).unwrap();
        heard
    }

    fn listening(&self) -> String {
        let line = self.stdout.recv_timeout(PATIENCE).expect("a line on stdout");
        line.strip_prefix("listening on http://").expect("the address").trim_end_matches("/scim/v2").to_owned()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.workplace.path("server.log")).unwrap()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn launch(workplace: &Workplace, arguments: &[&str]) -> (Child, Receiver<String>) {
    let log = File::options().create(true).append(true).open(workplace.path("server.log")).unwrap();
    let mut command = workplace.command(arguments);
    command.env("NOTIFY_SOCKET", workplace.path("manager")).env("WATCHDOG_USEC", "100000");
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, stdout) = mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).all(|line| sender.send(line).is_ok()));
    (child, stdout)
}

#[test]
fn the_service_manager_hears_that_the_service_is_ready_alive_and_stopping() {
    let mut service = Supervised::start(&["serve"]);
    let ready = service.hears();
    assert!(ready.starts_with("READY=1\nSTATUS=listening on http://127.0.0.1:"), "{ready:?}");
    // More than once, and twice as often as it must.
    for _ in 0..3 {
        assert_eq!(service.hears().trim_end(), "WATCHDOG=1");
    }
    signal("-TERM", &service.child);
    let last = wait_for("the farewell", || Some(service.hears()).filter(|heard| !heard.starts_with("WATCHDOG=1")));
    assert!(last.starts_with("STOPPING=1\n"), "{last:?}");
    assert!(service.child.wait().unwrap().success());
    assert_eq!(service.has_heard(), [] as [String; 0], "nothing after the farewell");
}

#[test]
fn a_service_that_cannot_read_its_store_is_left_to_the_watchdog() {
    let service = Supervised::start(&["serve"]);
    assert!(service.hears().starts_with("READY=1"));
    assert_eq!(service.hears().trim_end(), "WATCHDOG=1");

    // What a disk does that loses what it was given. The files stay the same: nobody opens them anew.
    let overwrite = |name: &str, bytes: usize| {
        let mut file = File::options().write(true).open(service.workplace.path(name)).unwrap();
        file.write_all(&vec![0; bytes]).unwrap();
    };
    let length = fs::metadata(service.workplace.path("scimbridge.db")).unwrap().len();
    File::options().write(true).open(service.workplace.path("scimbridge.db-wal")).unwrap().set_len(0).unwrap();
    overwrite("scimbridge.db", usize::try_from(length).unwrap());
    // The head of the shared index, by which pages that were read before are known to be still good.
    overwrite("scimbridge.db-shm", 136);

    let complaints = || service.log().matches("the watchdog is not told that the service is alive").count();
    wait_for("the first complaint", || (complaints() > 0).then_some(()));
    service.has_heard();
    let before = complaints();
    wait_for("more complaints", || (complaints() > before + 2).then_some(()));
    assert_eq!(service.has_heard(), [] as [String; 0], "the manager is not told that all is well");
}

#[test]
fn a_manager_that_is_not_there_holds_nothing_up() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let workplace = Workplace::new(&Settings::default(), &slapd.url());
    let (mut child, stdout) = launch(&workplace, &["serve"]);
    assert!(stdout.recv_timeout(PATIENCE).unwrap().starts_with("listening on"));
    signal("-TERM", &child);
    assert!(child.wait().unwrap().success());
    let log = fs::read_to_string(workplace.path("server.log")).unwrap();
    assert!(log.contains("the service manager cannot be told"), "{log}");
}

#[test]
fn health_tells_whether_the_service_is_well() {
    let mut service = Supervised::start(&["serve"]);
    let address = service.listening();
    let ask = |arguments: &[&str]| {
        let mut command = service.workplace.command(arguments);
        command.env("SCIMBRIDGE__SERVER__LISTEN", &address);
        finish(command)
    };
    let well = ask(&["health"]);
    assert_eq!((well.code, well.stderr.as_str()), (Some(0), ""), "{well:#?}");
    assert!(serde_json::from_str::<serde_json::Value>(&well.stdout).is_ok(), "what the service says: {well:#?}");
    wait_for("the directory to have been looked at", || (ask(&["health", "--ready"]).code == Some(0)).then_some(()));

    service.child.kill().unwrap();
    service.child.wait().unwrap();
    let gone = ask(&["health"]);
    assert_eq!((gone.code, gone.stdout.as_str()), (Some(1), ""));
    assert!(gone.stderr.starts_with(&format!("error: no answer from {address}\n  because: ")), "{gone:#?}");
}

#[test]
fn health_reads_who_listens_everywhere_on_the_loopback() {
    let service = Supervised::start(&["serve"]);
    let port = service.listening().rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap();
    let mut command = service.workplace.command(&["health"]);
    command.env("SCIMBRIDGE__SERVER__LISTEN", format!("0.0.0.0:{port}"));
    assert_eq!(finish(command).code, Some(0));
}

#[test]
fn a_new_installation_is_given_its_first_token_once() {
    let mut service = Supervised::start(&["serve", "--first-token", "entra"]);
    service.listening();
    let token = wait_for("the token", || {
        let line = service.stdout.recv_timeout(PATIENCE).unwrap();
        line.strip_prefix("    ").map(str::to_owned)
    });
    assert_eq!(token.len(), 43, "{token:?}");
    let listed = service.workplace.run(&["token", "list"]).succeeds().stdout;
    assert!(listed.lines().any(|line| line.starts_with("entra ")), "{listed:?}");
    assert!(!service.log().contains(&token), "it is told on stdout, not logged");

    // Neither while there is one nor after it was revoked.
    for revoked in [false, true] {
        signal("-TERM", &service.child);
        service.child.wait().unwrap();
        if revoked {
            service.workplace.run(&["token", "revoke", "entra"]).succeeds();
        }
        (service.child, service.stdout) = launch(&service.workplace, &["serve", "--first-token", "entra"]);
        service.listening();
        wait_for("the service to be ready", || service.hears().starts_with("READY=1").then_some(()));
        assert!(service.stdout.try_recv().is_err(), "no token is shown");
    }
    assert_eq!(service.workplace.run(&["token", "list"]).succeeds().stdout, "");
}

#[test]
fn who_brings_a_token_is_given_none() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let settings = Settings::default().variable("SCIMBRIDGE__AUTH__TOKEN", "brought-from-outside-0123456789");
    let workplace = Workplace::new(&settings, &slapd.url());
    let manager = UnixDatagram::bind(workplace.path("manager")).unwrap();
    let (mut child, stdout) = launch(&workplace, &["serve", "--first-token", "entra"]);
    stdout.recv_timeout(PATIENCE).unwrap();
    // Ready is told after the token.
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    manager.recv(&mut [0; 4096]).unwrap();
    assert!(stdout.try_recv().is_err(), "no token is shown");
    signal("-TERM", &child);
    assert!(child.wait().unwrap().success());
    assert_eq!(workplace.run(&["token", "list"]).succeeds().stdout, "");
}
