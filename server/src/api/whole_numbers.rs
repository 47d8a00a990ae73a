//! Whole numbers in requests. JSON has one kind of number, and `60.0` is as whole as `60` (JSON Schema, 6.1.1): some clients write it so.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Unexpected, Visitor};

/// Up to here all whole numbers have a float of their own.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn optional_i64<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    from.deserialize_option(Optional(Signed))
}

pub(super) fn optional_u64<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    from.deserialize_option(Optional(Unsigned))
}

/// For one of several forms, which are told apart by what is there.
pub(super) fn u64<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    from.deserialize_any(Unsigned)
}

struct Optional<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Optional<V>
where
    V: Number<'de>,
{
    type Value = Option<V::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        self.0.read(from).map(Some)
    }
}

trait Number<'de>: Visitor<'de> {
    fn read<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error>;
}

struct Signed;
struct Unsigned;

impl<'de> Number<'de> for Signed {
    fn read<D: Deserializer<'de>>(self, from: D) -> Result<i64, D::Error> {
        from.deserialize_i64(self)
    }
}

impl<'de> Number<'de> for Unsigned {
    fn read<D: Deserializer<'de>>(self, from: D) -> Result<u64, D::Error> {
        from.deserialize_u64(self)
    }
}

impl Visitor<'_> for Signed {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("i64")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
        if number.fract() == 0.0 && number.abs() <= EXACT {
            return Ok(number as i64);
        }
        Err(E::invalid_type(Unexpected::Float(number), &self))
    }
}

impl Visitor<'_> for Unsigned {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("u64")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) {
            return Ok(number as u64);
        }
        Err(E::invalid_type(Unexpected::Float(number), &self))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Of {
        #[serde(default, deserialize_with = "optional_i64")]
        signed: Option<i64>,
        #[serde(default, deserialize_with = "optional_u64")]
        unsigned: Option<u64>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(#[serde(deserialize_with = "u64")] u64),
        Text(String),
    }

    #[test]
    fn a_whole_number_is_found_among_several_forms() {
        let read = |text: &str| serde_json::from_str::<Either>(text).ok();
        assert_eq!(read("60.0"), Some(Either::Number(60)));
        assert_eq!(read("60"), Some(Either::Number(60)));
        assert_eq!(read("\"60\""), Some(Either::Text("60".to_owned())));
        assert_eq!(read("60.5"), None);
    }

    #[test]
    fn what_is_whole_is_read_however_it_is_written() {
        let read = |text: &str| serde_json::from_str::<Of>(text).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"signed": 60.0, "unsigned": 6e1}"#), Ok(Of { signed: Some(60), unsigned: Some(60) }));
        assert_eq!(read(r#"{"signed": -5, "unsigned": 5}"#), Ok(Of { signed: Some(-5), unsigned: Some(5) }));
        assert_eq!(read(r#"{"signed": null}"#), Ok(Of { signed: None, unsigned: None }));
        for wrong in [r#"{"signed": 60.5}"#, r#"{"unsigned": -1}"#, r#"{"signed": 1e300}"#, r#"{"unsigned": "5"}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
