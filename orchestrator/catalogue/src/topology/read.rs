//! From the tree of the file to a [`Topology`], collecting every mistake of form: unknown, missing, repeated or
//! wrong-kind fields. What the values mean is judged by `validate`.

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::Spanned;

use super::lines::Lines;
use super::model::{Endpoint, Realm, Region, Topology};
use super::names::nearest;
use super::problem::Problem;
use crate::topology::yaml_tree::{self, Node, Value};

/// A topology as far as it could be read. Parts with problems hold stand-ins, which `lines` knows as unreadable.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) topology: Topology,
    pub(super) lines: Lines,
    pub(super) problems: Vec<Problem>,
}

/// Reads the form of a file.
///
/// # Errors
/// The text is not YAML at all. Everything milder is among the problems of the answer.
pub(super) fn read(yaml: &str) -> Result<Read, Vec<Problem>> {
    let root = yaml_tree::parse(yaml).map_err(|problem| vec![problem])?;
    let mut reader = Reader::default();
    let mut fields = reader.fields(&root, "", &["regions", "realms", "services", "limits"]);
    let regions = reader.required(&mut fields, "regions");
    let realms = reader.required(&mut fields, "realms");
    let topology = Topology {
        regions: reader.entries(regions, "regions", Reader::region),
        realms: reader.entries(realms, "realms", Reader::realm),
        services: reader.entries(fields.take("services"), "services", Reader::service),
        limits: reader.limits(&mut fields),
    };
    Ok(Read { topology, lines: reader.lines, problems: reader.problems })
}

/// Collects problems and lines while the tree is walked.
#[derive(Debug, Default)]
pub(super) struct Reader {
    lines: Lines,
    problems: Vec<Problem>,
}

/// The known fields of one map, taken one by one.
pub(super) struct Fields<'n> {
    path: String,
    found: BTreeMap<&'n str, &'n Node>,
}

impl<'n> Fields<'n> {
    /// The field's value, unless it is absent or empty.
    pub(super) fn take(&mut self, name: &str) -> Option<&'n Node> {
        self.found.remove(name).filter(|node| !matches!(node.value, Value::Null))
    }

    /// The path of the field.
    pub(super) fn path(&self, name: &str) -> String {
        join(&self.path, name)
    }
}

/// The path of `name` within `path`.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl Reader {
    /// Everything that was wrong, with its lines.
    pub(super) fn finish(self) -> Vec<Problem> {
        self.lines.locate(self.problems)
    }

    fn region(&mut self, node: &Node, path: &str) -> Region {
        let mut fields = self.fields(node, path, &["dynamodb", "s3"]);
        let mut endpoint = |name: &str| {
            let (node, path) = (fields.take(name)?, fields.path(name));
            let mut inner = self.fields(node, &path, &["endpoint", "address"]);
            let (named, address) = (inner.take("endpoint"), inner.take("address"));
            if let (None, Some(_)) = (named, address) {
                let reason = "is missing: where the store was reached at first, by which the ledger knows it";
                self.unreadable(&inner.path("endpoint"), reason);
            }
            let endpoint = self.text(named?, &inner.path("endpoint"));
            let address = address.map(|node| self.text(node, &inner.path("address")));
            Some(Endpoint { endpoint, address })
        };
        Region { dynamodb: endpoint("dynamodb"), s3: endpoint("s3") }
    }

    fn realm(&mut self, node: &Node, path: &str) -> Realm {
        let mut fields = self.fields(node, path, &["dataRegions", "countries", "timezones"]);
        let data_regions = self.required(&mut fields, "dataRegions");
        let data_regions = self.texts(data_regions, &fields.path("dataRegions"));
        let countries = fields.take("countries");
        let countries = self.texts(countries, &fields.path("countries"));
        let timezones = fields.take("timezones");
        let timezones = self.texts(timezones, &fields.path("timezones"));
        Realm { data_regions, countries, timezones }
    }

    /// Reports a value that can't be used; a stand-in will take its place.
    pub(super) fn unreadable(&mut self, path: &str, reason: impl Into<String>) {
        self.lines.mark_unreadable(path);
        self.problems.push(Problem::new(path, reason));
    }

    /// Whether the value at `path` has been reported as unusable.
    pub(super) fn is_unreadable(&self, path: &str) -> bool {
        self.lines.is_unreadable(path)
    }

    /// Takes a map apart. Fields that are not `known`, or come twice, are reported.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, path: &str, known: &[&str]) -> Fields<'n> {
        let mut found = BTreeMap::new();
        for (key, value) in self.map(node, path) {
            let name = key.value.as_str();
            if !known.contains(&name) {
                let near = nearest(name, known).map(|near| format!("did you mean {near}?"));
                let hint = near.unwrap_or_else(|| format!("known: {}", known.join(", ")));
                self.problems.push(Problem::new(join(path, name), format!("unknown field; {hint}")));
            } else {
                found.insert(name, value);
            }
        }
        Fields { path: path.to_owned(), found }
    }

    /// A field that must be there.
    pub(super) fn required<'n>(&mut self, fields: &mut Fields<'n>, name: &str) -> Option<&'n Node> {
        let node = fields.take(name);
        // Where the whole map could not be read, that has been said.
        if node.is_none() && !self.lines.is_unreadable(&fields.path) {
            self.unreadable(&fields.path(name), "is missing");
        }
        node
    }

    /// A map whose keys are names of the author's choice.
    fn entries<T>(
        &mut self,
        node: Option<&Node>,
        path: &str,
        mut read: impl FnMut(&mut Self, &Node, &str) -> T,
    ) -> BTreeMap<String, T> {
        let Some(node) = node else { return BTreeMap::new() };
        let mut entries = BTreeMap::new();
        for (key, value) in self.map(node, path) {
            let entry = read(self, value, &join(path, &key.value));
            entries.insert(key.value.clone(), entry);
        }
        entries
    }

    /// The entries of a map, each key once: the first; repeated ones are reported. Null is an empty map.
    pub(super) fn map<'n>(&mut self, node: &'n Node, path: &str) -> Vec<&'n (Spanned<String>, Node)> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            other => {
                self.lines.record(path, node.referenced.line());
                self.unreadable(path, format!("must be a map, not {}", other.kind()));
                &[]
            }
        };
        let mut seen = BTreeSet::new();
        let mut unique = Vec::new();
        for entry in entries {
            let line = entry.0.referenced.line();
            let path = join(path, &entry.0.value);
            if seen.insert(entry.0.value.as_str()) {
                self.lines.record(&path, line);
                unique.push(entry);
            } else {
                self.problems.push(Problem { line: Some(line), path, reason: "is here twice".to_owned() });
            }
        }
        unique
    }

    /// The entries of a list with their paths; none when absent.
    pub(super) fn list<'n>(&mut self, node: Option<&'n Node>, path: &str) -> Vec<(String, &'n Node)> {
        let Some(node) = node else { return Vec::new() };
        let Value::List(entries) = &node.value else {
            self.unreadable(path, format!("must be a list, not {}", node.value.kind()));
            return Vec::new();
        };
        let paths = (0..entries.len()).map(|position| format!("{path}[{position}]"));
        let entries: Vec<_> = paths.zip(entries).collect();
        for (path, entry) in &entries {
            self.lines.record(path, entry.referenced.line());
        }
        entries
    }

    fn texts(&mut self, node: Option<&Node>, path: &str) -> Vec<String> {
        let entries = self.list(node, path);
        entries.into_iter().map(|(path, entry)| self.text(entry, &path)).collect()
    }

    /// Text; empty, and reported, when it is something else.
    pub(super) fn text(&mut self, node: &Node, path: &str) -> String {
        match &node.value {
            Value::Text(text) => return text.clone(),
            Value::Flag(_) | Value::Whole(_) | Value::Real(_) => {
                self.unreadable(path, format!("must be text, not {}: put it in quotes", node.value.kind()));
            }
            other => self.unreadable(path, format!("must be text, not {}", other.kind())),
        }
        String::new()
    }

    /// Text of a field that must be there.
    pub(super) fn required_text(&mut self, fields: &mut Fields<'_>, name: &str) -> String {
        let node = self.required(fields, name);
        node.map(|node| self.text(node, &fields.path(name))).unwrap_or_default()
    }
}
