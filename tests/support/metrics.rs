//! What monitoring reads, and what a program that reads it makes of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::app::TestApp;
use super::http::exchange;
use super::wait_for;
use super::workplace::Settings;

/// A text of metrics, taken apart.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// The type of each family that is described and typed.
    pub(crate) families: BTreeMap<String, String>,
    /// Each line: the name with its labels, and the value.
    pub(crate) samples: Vec<(String, f64)>,
    pub(crate) text: String,
}

impl Metrics {
    fn parse(text: String) -> Self {
        let (mut families, mut helped, mut samples) = (BTreeMap::new(), Vec::new(), Vec::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect("a help says something");
                assert!(!words.is_empty(), "{line}");
                helped.push(name.to_owned());
            } else if let Some(typed) = line.strip_prefix("# TYPE ") {
                let (name, kind) = typed.split_once(' ').expect("a type");
                assert!(helped.iter().any(|helped| helped == name), "no HELP before {line}");
                assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice");
            } else if !line.is_empty() {
                let (name, value) = line.rsplit_once(' ').expect("a name and a value");
                samples.push((name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}"))));
            }
        }
        let metrics = Self { families, samples, text };
        for (name, _) in &metrics.samples {
            assert!(metrics.family_of(name).is_some(), "{name} belongs to no family that is described");
        }
        metrics
    }

    fn family_of(&self, sample: &str) -> Option<&str> {
        let name = sample.split('{').next().unwrap_or_default();
        let parts = ["", "_bucket", "_sum", "_count"].into_iter().filter_map(|part| name.strip_suffix(part));
        let mut known = parts.filter_map(|name| self.families.get_key_value(name));
        known.next().map(|(name, _)| name.as_str())
    }

    /// The values of all lines of a name whose labels hold all of `labels`, such as `status="201"`, summed up.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let fits = |sample: &&(String, f64)| {
            let (sampled, rest) = sample.0.split_once('{').unwrap_or((&sample.0, ""));
            sampled == name && labels.iter().all(|label| rest.contains(label))
        };
        self.samples.iter().filter(fits).map(|(_, value)| value).sum()
    }

    /// Whether there is a line of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|(sample, _)| sample.split('{').next() == Some(name))
    }
}

/// The settings with metrics at an address that the system chooses.
pub(crate) fn shown(settings: Settings) -> Settings {
    settings.set("metrics.listen", "\"127.0.0.1:0\"")
}

impl TestApp {
    /// Where this program shows its metrics: it says so in its log.
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        wait_for("the address of the metrics", || {
            let log = self.log();
            let line = log.lines().rfind(|line| line.contains("metrics are shown"))?;
            line.split("address=").nth(1)?.trim().parse().ok()
        })
    }

    /// What monitoring reads now.
    pub(crate) fn metrics(&self) -> Metrics {
        let request = b"GET /metrics HTTP/1.1\r\nHost: metrics.test\r\nConnection: close\r\n\r\n";
        let answer = exchange(self.metrics_address(), request).expect("metrics are shown");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Metrics::parse(answer.text())
    }
}
