//! What the log says, in the form that whoever reads it understands: people at a terminal, programs everywhere else.
//! And what a collector of traces is sent.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::entra::person;
use crate::support::slapd::Flavor;
use crate::support::workplace::{Settings, Workplace};
use crate::support::{PATIENCE, wait_for};

const FORMAT: &str = "SCIMBRIDGE__LOG__FORMAT";

/// Each line as an object, whose values are no objects themselves.
fn lines(log: &str) -> Vec<Value> {
    let parse = |line: &str| {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for (name, value) in parsed.as_object().expect("an object") {
            assert!(!value.is_object() && !value.is_array() && !value.is_null(), "{name} is not flat: {line}");
        }
        for name in ["timestamp", "level", "message", "target"] {
            assert!(parsed[name].is_string(), "no {name}: {line}");
        }
        parsed
    };
    log.lines().map(parse).collect()
}

#[test]
fn where_no_terminal_is_each_line_is_a_flat_object_with_the_id_of_its_request() {
    let app = TestApp::start_with(Flavor::AsShipped, Settings::default().variable(FORMAT, "auto"));
    let created = app.post("/Users", &person("ada")).expect(201);
    app.slapd.stop();
    let put_off = app.post("/Users", &person("bob")).expect(503);
    let refused = app.post("/Users", &json!({"userName": 7})).expect(400);
    app.terminate();
    app.wait_exit();
    let log = lines(&app.log());
    let of = |id: &str| log.iter().filter(|line| line["request.id"] == id).collect::<Vec<_>>();
    let id = created.header("x-request-id").unwrap();
    let messages: Vec<&str> = of(id).iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["directory changed", "answered"]);
    let [changed, answered] = of(id)[..] else { panic!("two lines") };
    assert_eq!((&changed["operation"], &changed["reason"]), (&json!("add"), &json!("missing")));
    assert_eq!(changed["scim.id"], created.json()["id"], "the spans between are told too");
    assert_eq!((&answered["method"], &answered["status"]), (&json!("POST"), &json!(201)));
    for (answer, message) in [(put_off, "request failed"), (refused, "request refused")] {
        let told = of(answer.header("x-request-id").unwrap());
        let line =
            told.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{message}: {told:#?}"));
        assert_eq!(line["status"], answer.status);
        if message == "request failed" {
            assert!(line["error.causes"].as_str().is_some_and(|causes| causes.contains("connect")), "{line}");
        }
    }
    // What is told of requests is told within them.
    for line in &log {
        let is_of_a_request = ["answered", "directory changed", "request failed", "request refused"];
        let is_one = is_of_a_request.iter().any(|message| line["message"] == *message);
        assert!(!is_one || line["request.id"].is_string(), "{line}");
    }
}

#[test]
fn at_a_terminal_lines_are_for_people_and_either_form_can_be_forced() {
    // In clear, so that a line is logged before the address turns out to be taken.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let said = |format: &str, is_terminal: bool| {
        let settings = Settings::default()
            .variable(FORMAT, format)
            .variable("SCIMBRIDGE__METRICS__LISTEN", &held.local_addr().unwrap().to_string());
        let workplace = Workplace::new(&settings, "ldap://directory.invalid");
        let serve = workplace.command(&["serve"]);
        let mut command = if is_terminal { at_a_terminal(&serve) } else { serve };
        let output = command.output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let first = |text: &str| text.lines().find(|line| line.contains("in clear")).unwrap_or_default().trim().to_owned();
    for (format, is_terminal, is_json) in [
        ("auto", false, true),
        ("auto", true, false),
        ("text", false, false),
        ("text", true, false),
        ("json", false, true),
        ("json", true, true),
    ] {
        let said = said(format, is_terminal);
        let line = first(&said);
        assert!(line.contains("the bind password goes to"), "{said}");
        assert_eq!(serde_json::from_str::<Value>(&line).is_ok(), is_json, "{format}, terminal {is_terminal}: {said}");
    }
}

/// The same command with a terminal for its output.
fn at_a_terminal(command: &Command) -> Command {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let mut outer = Command::new("script");
    outer.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
    outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer.current_dir(command.get_current_dir().unwrap()).stdin(std::process::Stdio::null());
    outer
}

/// What somebody was sent by HTTP, who thanks for everything.
struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, taken) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let kept = taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut request = Vec::new();
                while !is_whole(&request) {
                    let mut chunk = [0; 4096];
                    match stream.read(&mut chunk) {
                        Ok(length) if length > 0 => request.extend_from_slice(&chunk[..length]),
                        _ => break,
                    }
                }
                kept.lock().unwrap().push(request);
                let thanks = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\
                              Connection: close\r\n\r\n";
                stream.write_all(thanks.as_bytes()).ok();
            }
        });
        Self { address, taken }
    }

    fn taken(&self) -> String {
        String::from_utf8_lossy(&self.taken.lock().unwrap().concat()).into_owned()
    }
}

/// Whether a request is there up to the end of its body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let head = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_default() + 4;
    request.len() >= head + length.and_then(|length| length.parse::<usize>().ok()).unwrap_or_default()
}

#[test]
fn a_collector_is_sent_the_spans_of_requests() {
    let collector = Collector::start();
    let endpoint = format!("\"http://{}\"", collector.address);
    // Spans go whatever is logged.
    let settings = Settings::default().set("log.otlp_endpoint", &endpoint).variable("SCIMBRIDGE__LOG__LEVEL", "error");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let created = app.post("/Users", &person("ada")).expect(201);
    app.terminate();
    assert!(app.wait_exit().success());
    let taken = collector.taken();
    assert!(taken.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{taken}");
    let ids = [created.header("x-request-id").unwrap().to_owned(), created.json()["id"].as_str().unwrap().to_owned()];
    for word in
        ["service.name", "scimbridge", "request.id", &ids[0], "http.route", "/scim/v2/Users", "scim.id", &ids[1]]
    {
        assert!(taken.contains(word), "the spans tell {word}: {taken}");
    }
    assert!(!taken.contains("contoso.com"), "and nobody's name: {taken}");
    assert_eq!(app.log(), "", "nothing is an error");
}

#[test]
fn a_collector_that_is_away_costs_one_line() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("\"http://{}/v1/traces\"", nobody.local_addr().unwrap());
    drop(nobody);
    let app = TestApp::start_with(Flavor::AsShipped, Settings::default().set("log.otlp_endpoint", &endpoint));
    app.user("ada");
    let missed = || app.log().matches("traces cannot be sent").count();
    wait_for("the line", || (missed() > 0).then_some(()));
    app.user("bob");
    app.terminate();
    assert!(app.wait_exit().success());
    assert_eq!(missed(), 1);
    for endpoint in ["collector:4318", "ftp://collector", "http://name:word@collector:4318", "http://collector?x=y"] {
        app.workplace.reconfigure(&Settings::default().set("log.otlp_endpoint", &format!("{endpoint:?}")));
        let refused = app.workplace.run(&["serve"]).fails_naming(&["log.otlp_endpoint"]);
        assert!(refused.stderr.contains("http://127.0.0.1:4318"), "an example is given: {}", refused.stderr);
    }
}
