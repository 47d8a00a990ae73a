//! Tests of the topology file: its form, its rules, its edits, and the locations it names.

mod addresses;
mod edits;
mod form;
mod limits;
mod locations;
mod overlaps;
mod rules;

use super::Topology;

/// The example of the design.
pub(super) const EXAMPLE: &str = include_str!("tests/example.yaml");

/// Two regions with endpoints, three realms; services are appended by each test, from line 9 on.
pub(super) const BASE: &str = "\
regions:
  us-east-1: { dynamodb: { endpoint: \"http://127.0.0.1:8001\" }, s3: { endpoint: \"http://127.0.0.1:9001\" } }
  eu-west-1: {}
realms:
  us: { dataRegions: [us-east-1] }
  eu: { dataRegions: [eu-west-1] }
  global: { dataRegions: [us-east-1, eu-west-1] }
services:
";

pub(super) fn parse(yaml: &str) -> Topology {
    Topology::parse(yaml).unwrap_or_else(|problems| panic!("{}", shown(&problems)))
}

/// The problems of a file as people see them, one a line.
pub(super) fn problems(yaml: &str) -> String {
    Topology::parse(yaml).map_or_else(|problems| shown(&problems), |_| String::new())
}

/// The problems of `BASE` with these services.
pub(super) fn with_services(services: &str) -> String {
    problems(&format!("{BASE}{services}"))
}

pub(super) fn shown(problems: &[super::Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// Asserts the whole listing, given without the last line's end.
#[track_caller]
pub(super) fn assert_problems(actual: &str, expected: &str) {
    assert_eq!(actual.trim_end(), expected);
}
