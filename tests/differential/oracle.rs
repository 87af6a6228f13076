//! The other implementation: one Python process that answers line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::difference::Answer;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differential/oracle.py");
const REQUIREMENTS: &str = include_str!("requirements.txt");

pub(crate) struct Oracle {
    process: Child,
}

impl Oracle {
    /// Starts it. `None` where it is not installed, if that is allowed.
    pub(crate) fn start() -> Option<Oracle> {
        let venv = venv();
        let installed = std::fs::read_to_string(venv.join("installed")).unwrap_or_default();
        if !installed.trim_end().ends_with(REQUIREMENTS.trim_end()) {
            let missing = format!("{} is not there or not as requirements.txt has it", venv.display());
            let hint = "hint: scripts/oracle-venv makes it";
            assert!(std::env::var_os("SCIMBRIDGE_REQUIRE_ORACLE").is_none(), "{missing}\n{hint}");
            // Written past the test harness, which would keep it to itself.
            let mut stderr = std::io::stderr();
            writeln!(stderr, "SKIPPED, nothing was compared with scim2-models: {missing}\n{hint}").unwrap();
            return None;
        }
        let process = Command::new(venv.join("bin/python"))
            .arg(SCRIPT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("the Python of {} does not start: {error}", venv.display()));
        Some(Oracle { process })
    }

    /// The answers to the questions, in their order.
    pub(crate) fn ask(&mut self, questions: &[Value]) -> Vec<Answer> {
        let mut input = self.process.stdin.take().expect("its stdin is a pipe");
        let mut lines = BufReader::new(self.process.stdout.as_mut().expect("its stdout is a pipe")).lines();
        // It answers while it is asked: written and read in turns, either pipe could fill up.
        let (input, answers) = std::thread::scope(|scope| {
            let writing = scope.spawn(move || {
                for question in questions {
                    writeln!(input, "{question}").expect("the other implementation listens");
                }
                input
            });
            let answers = questions.iter().map(|question| {
                let line = lines.next().unwrap_or_else(|| panic!("it ended over {question}"));
                Answer::read(&line.expect("it answers in UTF-8"))
            });
            let answers: Vec<Answer> = answers.collect();
            (writing.join().expect("all questions were asked"), answers)
        });
        self.process.stdin = Some(input);
        answers
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // The end of its input is the end of it.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn venv() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's tmp is in its target directory");
    target.join("oracle-venv")
}
