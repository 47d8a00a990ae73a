//! Data as YAML: what `--output json` has, field for field and in the same order.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One document.
pub(crate) fn text<T: Serialize>(data: &T) -> Result<String, String> {
    // Through JSON, so that both always are of the same shape: YAML has forms of its own for some types.
    let json = serde_json::to_string(data).map_err(|error| error.to_string())?;
    let tree: Tree = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    serde_saphyr::to_string(&tree).map_err(|error| error.to_string())
}

/// A JSON value whose fields stay in their order.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Null,
    Bool(bool),
    Whole(i64),
    Large(u64),
    Fraction(f64),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Whole(value) => serializer.serialize_i64(*value),
            Self::Large(value) => serializer.serialize_u64(*value),
            Self::Fraction(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(i64::try_from(value).map_or(Tree::Large(value), Tree::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Fraction(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Tree::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Tree {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn tree_of(value: &Value) -> Tree {
        serde_json::from_str(&value.to_string()).expect("it is JSON")
    }

    fn written(value: &Value) -> String {
        text(value).expect("it is written")
    }

    #[test]
    fn texts_that_look_like_something_else_stay_texts() {
        for odd in [
            "",
            " ",
            "no",
            "NO",
            "y",
            "on",
            "off",
            "true",
            "null",
            "~",
            "1e3",
            "0x1",
            "0o7",
            "012",
            "1_000",
            "1.",
            ".5",
            "-1",
            "+1",
            ".inf",
            ".NaN",
            "1:30",
            "2026-11-21",
            "2026-11-21T21:55:03.123Z",
            "- a",
            "a: b",
            "a #b",
            "#",
            "?",
            ":",
            "-",
            "---",
            "...",
            "!x",
            "&x",
            "*x",
            "|",
            ">",
            "%",
            "@",
            "`",
            "\"",
            "'",
            "{",
            "[",
            ",",
            "<<",
            "=",
            "a\nb",
            "a\n",
            "\n",
            "\n\n",
            "a\n\n",
            " a\nb",
            "a\n b\n",
            "\ta",
            "a\t",
            "a ",
            "a\r\nb",
            "\r",
            "\u{0}",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{1f600}",
            "\\",
            "a\\nb",
        ] {
            for value in
                [json!(odd), json!([odd]), json!({ "k": odd }), json!({ odd: "v" }), json!([{ "k": [odd, odd] }])]
            {
                let text = written(&value);
                assert_eq!(read(&text), tree_of(&value), "{odd:?}:\n{text}");
            }
        }
    }

    #[test]
    fn numbers_stay_numbers() {
        for value in [
            json!(0),
            json!(-1),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(0.5),
            json!(1e300),
            json!(-2.5e-9),
            json!(3.0),
        ] {
            assert_eq!(read(&written(&value)), tree_of(&value), "{}", written(&value));
        }
    }

    #[test]
    fn fields_stay_in_their_order_and_what_is_empty_stays_empty() {
        #[derive(Serialize)]
        struct Two {
            b: Vec<i32>,
            a: Option<bool>,
        }
        assert_eq!(text(&Two { b: vec![1], a: None }).as_deref(), Ok("b:\n- 1\na: null\n"));
        for value in [json!([]), json!({}), json!({ "a": [], "b": {} }), json!([[], [[]], {}]), json!(null)] {
            assert_eq!(read(&written(&value)), tree_of(&value), "{}", written(&value));
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let texts = prop_oneof!["[ -~]{0,12}", "[a-z0-9:#'\"\\n\\r\\t -]{0,12}", "\\PC{0,8}", any::<String>()];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::from),
            texts.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[ -~\\n]{0,8}|\\PC{0,4}", inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_written_is_read_as_it_was(value in values()) {
            let text = written(&value);
            let again: Result<Tree, _> = serde_saphyr::from_str(&text);
            prop_assert!(again.is_ok(), "{:?}\n{}", again, text);
            prop_assert_eq!(again.expect("just looked"), tree_of(&value), "{}", text);
        }
    }
}
