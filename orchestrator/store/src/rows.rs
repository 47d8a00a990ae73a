//! A table of values bound to one statement, so that many rows are written by one round trip.

use serde_json::Value as Json;

/// Named columns of equal length. In the statement's text `{rows}` stands for them, as a relation called `given`.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    columns: Vec<(&'static str, Column)>,
}

#[derive(Debug, Clone)]
pub(crate) enum Column {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
}

impl Rows {
    /// Adds a column of integers.
    #[must_use]
    pub fn ints<T: Into<Option<i64>>>(mut self, name: &'static str, cells: impl IntoIterator<Item = T>) -> Self {
        self.columns.push((name, Column::Int(cells.into_iter().map(Into::into).collect())));
        self
    }

    /// Adds a column of texts.
    #[must_use]
    pub fn texts<T: Into<Option<String>>>(mut self, name: &'static str, cells: impl IntoIterator<Item = T>) -> Self {
        self.columns.push((name, Column::Text(cells.into_iter().map(Into::into).collect())));
        self
    }

    pub(crate) fn into_columns(self) -> impl Iterator<Item = Column> {
        self.columns.into_iter().map(|(_, column)| column)
    }

    /// For Postgres: one array a column, bound from `$first` on.
    pub(crate) fn as_arrays(&self, first: usize) -> String {
        let parameters: Vec<_> = (first..first + self.columns.len()).map(|n| format!("${n}")).collect();
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("unnest({}) AS given ({})", parameters.join(", "), names.join(", "))
    }

    /// For SQLite: all cells in one JSON text, bound as `$first`.
    pub(crate) fn as_json_each(&self, first: usize) -> String {
        let cell = |(place, (name, _)): (usize, &(&str, Column))| format!("value ->> {place} AS {name}");
        let cells: Vec<_> = self.columns.iter().enumerate().map(cell).collect();
        format!("(SELECT {} FROM json_each(${first})) AS given", cells.join(", "))
    }

    /// The cells, row by row, as an array of arrays.
    pub(crate) fn to_json(&self) -> String {
        let length = self.columns.first().map_or(0, |(_, column)| column.len());
        let row = |at| Json::Array(self.columns.iter().map(|(_, column)| column.cell(at)).collect());
        Json::Array((0..length).map(row).collect()).to_string()
    }
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Int(cells) => cells.len(),
            Self::Text(cells) => cells.len(),
        }
    }

    fn cell(&self, at: usize) -> Json {
        match self {
            Self::Int(cells) => cells.get(at).copied().flatten().into(),
            Self::Text(cells) => cells.get(at).cloned().flatten().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_name_the_same_columns_after_the_values_bound_singly() {
        let rows = Rows::default().texts("id", ["a".to_owned()]).ints("fence", [7]);
        assert_eq!(rows.as_arrays(3), "unnest($3, $4) AS given (id, fence)");
        let expected = "(SELECT value ->> 0 AS id, value ->> 1 AS fence FROM json_each($3)) AS given";
        assert_eq!(rows.as_json_each(3), expected);
    }

    #[test]
    fn cells_keep_their_types_and_their_nulls() {
        let rows = Rows::default().texts("id", [Some("a\"b".to_owned()), None]).ints("fence", [None, Some(i64::MAX)]);
        assert_eq!(rows.to_json(), r#"[["a\"b",null],[null,9223372036854775807]]"#);
    }
}
