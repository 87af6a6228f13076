//! Where two implementations differ, and what explains it.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use proptest::prelude::Strategy;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::oracle::Oracle;

/// How many unexplained differences are shown; the shortest come first.
const SHOWN: usize = 12;

/// What an implementation makes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The resource after a PATCH.
    Document(Value),
    /// Whether a filter matches.
    Matches(bool),
    /// It does not take the request, and says why.
    Refused(String),
    /// It fell over.
    Broken(String),
}

impl Answer {
    /// A resource in the form in which resources are compared:
    ///
    /// - nulls and empty arrays are left out (RFC 7643 §2.5), and complex values without content with them;
    /// - so is `schemas`, which the library adds when a resource is shown;
    /// - of members only the ids are left, in order: they are a set (RFC 7643 §2.4), and where they are and of what kind
    ///   is for the server to say. The order of other values is compared: nobody is asked to keep it, and both do.
    pub(crate) fn document(document: Value) -> Answer {
        let mut document = without_nothing(document).unwrap_or_else(|| json!({}));
        if let Some(attributes) = document.as_object_mut() {
            attributes.shift_remove("schemas");
            if let Some(members) = attributes.get_mut("members").and_then(Value::as_array_mut) {
                members.iter_mut().for_each(|member| *member = member["value"].take());
                members.sort_by_key(Value::to_string);
                members.dedup();
            }
        }
        Answer::Document(document)
    }

    /// The answer of the other implementation.
    pub(crate) fn read(line: &str) -> Answer {
        let mut answer: Value = serde_json::from_str(line).expect("it answers in JSON");
        if let Some(document) = answer.get_mut("document") {
            return Answer::document(document.take());
        }
        if let Some(matches) = answer.get("matches").and_then(Value::as_bool) {
            return Answer::Matches(matches);
        }
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        match text("refused") {
            Some(reason) => Answer::Refused(reason),
            None => Answer::Broken(text("broken").unwrap_or_else(|| line.to_owned())),
        }
    }

    /// Two refusals agree, whatever they say: `scimType` is no more than a hint (RFC 7644 §3.12).
    pub(crate) fn agrees(&self, other: &Answer) -> bool {
        match (self, other) {
            (Answer::Document(one), Answer::Document(other)) => one == other,
            (Answer::Matches(one), Answer::Matches(other)) => one == other,
            (Answer::Refused(_), Answer::Refused(_)) => true,
            _ => false,
        }
    }

    /// Whether it is a refusal that says this.
    pub(crate) fn refuses(&self, part: &str) -> bool {
        matches!(self, Answer::Refused(reason) if reason.contains(part))
    }
}

impl Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Document(document) => write!(out, "{document}"),
            Answer::Matches(matches) => write!(out, "{matches}"),
            Answer::Refused(reason) => write!(out, "refused: {reason}"),
            Answer::Broken(traceback) => write!(out, "broken: {traceback}"),
        }
    }
}

fn without_nothing(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(elements) => {
            let kept: Vec<Value> = elements.into_iter().filter_map(without_nothing).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Object(attributes) => {
            let kept = attributes.into_iter().filter_map(|(name, value)| Some((name, without_nothing(value)?)));
            let kept: serde_json::Map<String, Value> = kept.collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        simple => Some(simple),
    }
}

/// Something that both implementations are asked.
pub(crate) trait Request: Clone {
    /// Our answer.
    fn ours(&self) -> Answer;
    /// The question to the other implementation.
    fn question(&self) -> Value;
    /// What the request consists of, each part a request of its own.
    fn parts(&self) -> Vec<Self>;
}

/// Why the two may differ.
#[derive(Clone)]
pub(crate) struct Explanation<R> {
    pub(crate) name: &'static str,
    /// Who is right, by which section, or what Entra needs.
    pub(crate) why: &'static str,
    pub(crate) how: How<R>,
}

#[derive(Clone)]
pub(crate) enum How<R> {
    /// We read the request as if it said this, in words that the RFCs have. Asked that, the other implementation must
    /// come to what we came to. `None` when the request has nothing of the kind.
    Reading(fn(&R) -> Option<R>),
    /// We mean to differ here. Tells from the request, our answer and the other whether this is the difference.
    Meant(fn(&R, &Answer, &Answer) -> bool),
}

/// As many requests as asked for, the same in every run.
pub(crate) fn generate<R>(count: usize, strategy: impl Strategy<Value = R>) -> Vec<R> {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("nothing is rejected").current()).collect()
}

struct Case<R> {
    request: R,
    ours: Answer,
    theirs: Answer,
    /// What we take the request to say, by which readings. The other answer is then to that.
    read: Option<(R, Vec<&'static str>)>,
}

/// Asks both, and fails for a difference that nothing explains and for an explanation that nothing needs.
#[track_caller]
pub(crate) fn compare<R: Request>(requests: Vec<R>, explanations: &[Explanation<R>]) {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let cases = answer(&mut oracle, requests);
    let asked = cases.len();
    let refused = cases.iter().filter(|case| matches!(case.ours, Answer::Refused(_)) && case.agrees()).count();
    let different: Vec<Case<R>> = cases.into_iter().filter(|case| !case.agrees()).collect();
    let differing = different.len();

    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let parts = take_apart(&mut oracle, different);
    for case in read_again(&mut oracle, parts, explanations) {
        if case.agrees() {
            // Of several readings at once, nobody can tell which was needed.
            let name = case.read.as_ref().and_then(|(_, names)| if let [name] = names[..] { Some(name) } else { None });
            *counts.entry(name.unwrap_or("several readings at once")).or_default() += 1;
        } else if let Some(name) = meant(&case, explanations) {
            *counts.entry(name).or_default() += 1;
        } else {
            unexplained.push(case);
        }
    }

    println!("{asked} requests: {} agree ({refused} of them refused by both), {differing} differ", asked - differing);
    println!("what differs in them:");
    for (name, count) in &counts {
        println!("{count:6}  {name}");
    }
    let idle = explanations.iter().filter(|explanation| !counts.contains_key(explanation.name));
    let idle: Vec<String> =
        idle.map(|idle| format!("nothing needs the explanation: {} ({})", idle.name, idle.why)).collect();
    assert!(unexplained.is_empty() && idle.is_empty(), "{}\n{}", describe(unexplained), idle.join("\n"));
}

fn answer<R: Request>(oracle: &mut Oracle, requests: Vec<R>) -> Vec<Case<R>> {
    let theirs = oracle.ask(&requests.iter().map(Request::question).collect::<Vec<_>>());
    let case = |(request, theirs): (R, Answer)| Case { ours: request.ours(), request, theirs, read: None };
    requests.into_iter().zip(theirs).map(case).collect()
}

/// The parts in which the two differ: what explains one part must not hide another. Where all parts agree, it is the
/// whole that differs.
fn take_apart<R: Request>(oracle: &mut Oracle, cases: Vec<Case<R>>) -> Vec<Case<R>> {
    let parts: Vec<Vec<R>> = cases.iter().map(|case| case.request.parts()).collect();
    let mut answered = answer(oracle, parts.iter().flatten().cloned().collect()).into_iter();
    let mut different = Vec::new();
    for (case, parts) in cases.into_iter().zip(parts) {
        let before = different.len();
        different.extend(answered.by_ref().take(parts.len()).filter(|part| !part.agrees()));
        if different.len() == before {
            different.push(case);
        }
    }
    different
}

impl<R> Case<R> {
    fn agrees(&self) -> bool {
        self.ours.agrees(&self.theirs)
    }
}

/// Asks the other implementation for what we take each request to say.
fn read_again<R: Request>(oracle: &mut Oracle, cases: Vec<Case<R>>, explanations: &[Explanation<R>]) -> Vec<Case<R>> {
    let read = |request: &R| {
        let (mut request, mut names) = (request.clone(), Vec::new());
        for explanation in explanations {
            if let How::Reading(read) = explanation.how
                && let Some(changed) = read(&request)
            {
                request = changed;
                names.push(explanation.name);
            }
        }
        (!names.is_empty()).then_some((request, names))
    };
    let read: Vec<Option<(R, Vec<&str>)>> = cases.iter().map(|case| read(&case.request)).collect();
    let questions: Vec<Value> = read.iter().flatten().map(|(request, _)| request.question()).collect();
    let mut answers = oracle.ask(&questions).into_iter();
    let again = |(case, read): (Case<R>, Option<_>)| {
        let theirs = read.as_ref().and_then(|_| answers.next());
        Case { theirs: theirs.unwrap_or(case.theirs), read, ..case }
    };
    cases.into_iter().zip(read).map(again).collect()
}

fn meant<R>(case: &Case<R>, explanations: &[Explanation<R>]) -> Option<&'static str> {
    let request = case.read.as_ref().map_or(&case.request, |(request, _)| request);
    let explains = |explanation: &&Explanation<R>| match explanation.how {
        How::Meant(differs) => differs(request, &case.ours, &case.theirs),
        How::Reading(_) => false,
    };
    explanations.iter().find(explains).map(|explanation| explanation.name)
}

fn describe<R: Request>(mut cases: Vec<Case<R>>) -> String {
    cases.sort_by_key(|case| case.request.question().to_string().len());
    let mut text = format!("{} differences are not explained", cases.len());
    for Case { request, ours, theirs, read } in cases.iter().take(SHOWN) {
        text.push_str(&format!("\n\n  asked:  {}", request.question()));
        if let Some((request, names)) = read {
            text.push_str(&format!("\n  read:   {} ({})", request.question(), names.join(", ")));
        }
        text.push_str(&format!("\n  ours:   {ours}\n  theirs: {theirs}"));
    }
    text
}
