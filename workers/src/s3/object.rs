//! One object: what belongs to it, and its canonical forms for digests.

use std::collections::BTreeMap;

use blake3::Hash;

use super::list::Stamp;
use crate::checkpointed_pass::Listed;
use crate::digest::Digest;
use crate::progress::Tally;

/// What belongs to an object besides its contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    /// As the store gives it: it need not be a date.
    pub(super) expires: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
}

/// All of an object but its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) attributes: Attributes,
    pub(super) stamp: Stamp,
}

impl Head {
    /// The tally of the object, given the hash of its contents.
    pub(super) fn tally(&self, relative: &str, contents: &Hash) -> Tally {
        let bytes = self.stamp.size;
        let form = canonical(relative, bytes, contents.as_bytes(), &self.attributes);
        Tally { items: 0, objects: 1, bytes, digest: Digest::of(&form) }
    }

    /// What a listing must show again if nothing has been written since.
    pub(super) fn listed(&self, relative: &str) -> Listed {
        listed(relative, &self.stamp, &self.attributes.tags)
    }

    /// In what another object under the same key differs, of which it is known that it does.
    pub(super) fn what_differs(&self, other: &Self) -> String {
        let (here, there) = (&self.attributes, &other.attributes);
        let differing = [
            ("size", self.stamp.size != other.stamp.size),
            ("Content-Type", here.content_type != there.content_type),
            ("Cache-Control", here.cache_control != there.cache_control),
            ("Content-Disposition", here.content_disposition != there.content_disposition),
            ("Content-Encoding", here.content_encoding != there.content_encoding),
            ("Content-Language", here.content_language != there.content_language),
            ("Expires", here.expires != there.expires),
            ("metadata", here.metadata != there.metadata),
            ("tags", here.tags != there.tags),
        ];
        let names: Vec<_> = differing.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
        if names.is_empty() { "contents".to_owned() } else { format!("at least {}", names.join(", ")) }
    }

    /// Stands for the object as it is: what was begun of another is not gone on with.
    pub(super) fn fingerprint(&self, relative: &str) -> String {
        let etag = blake3::hash(self.stamp.etag.as_bytes());
        let form = canonical(relative, self.stamp.size, etag.as_bytes(), &self.attributes);
        blake3::hash(&form).to_hex().to_string()
    }
}

/// An object by what a listing and its tags say. Contents and headers can't change without the stamp, tags can.
pub(super) fn listed(relative: &str, stamp: &Stamp, tags: &BTreeMap<String, String>) -> Listed {
    let mut form = Vec::new();
    text(relative, &mut form);
    form.extend_from_slice(&stamp.size.to_le_bytes());
    text(&stamp.etag, &mut form);
    form.extend_from_slice(&stamp.modified.unwrap_or_default().to_le_bytes());
    pairs(tags, &mut form);
    Listed { keys: 1, digest: Digest::of(&form) }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn pairs(map: &BTreeMap<String, String>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(map.len() as u64).to_le_bytes());
    for (name, value) in map {
        text(name, out);
        text(value, out);
    }
}

/// Everything of variable length is preceded by its length or count, so that the form is injective.
fn canonical(relative: &str, length: u64, contents: &[u8], attributes: &Attributes) -> Vec<u8> {
    let mut out = Vec::new();
    text(relative, &mut out);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(contents);
    let Attributes { content_type, cache_control, content_disposition, content_encoding, content_language, .. } =
        attributes;
    for header in
        [content_type, cache_control, content_disposition, content_encoding, content_language, &attributes.expires]
    {
        out.push(u8::from(header.is_some()));
        text(header.as_deref().unwrap_or_default(), &mut out);
    }
    pairs(&attributes.metadata, &mut out);
    pairs(&attributes.tags, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn whatever_belongs_to_an_object_shows() {
        let some = |text: &str| Some(text.to_owned());
        let map = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let none = Attributes::default();
        let variants = [
            none.clone(),
            Attributes { content_type: some(""), ..none.clone() },
            Attributes { content_type: some("x"), ..none.clone() },
            Attributes { cache_control: some("x"), ..none.clone() },
            Attributes { content_disposition: some("x"), ..none.clone() },
            Attributes { content_encoding: some("x"), ..none.clone() },
            Attributes { content_language: some("x"), ..none.clone() },
            Attributes { expires: some("x"), ..none.clone() },
            Attributes { metadata: map("x", ""), ..none.clone() },
            Attributes { metadata: map("", "x"), ..none.clone() },
            Attributes { tags: map("x", ""), ..none.clone() },
            Attributes { tags: map("", "x"), ..none.clone() },
        ];
        let contents = *blake3::hash(b"").as_bytes();
        let mut forms: HashSet<_> = variants.iter().map(|a| canonical("key", 0, &contents, a)).collect();
        forms.insert(canonical("kez", 0, &contents, &none));
        forms.insert(canonical("key", 1, &contents, &none));
        forms.insert(canonical("key", 0, blake3::hash(b"x").as_bytes(), &none));
        assert_eq!(forms.len(), variants.len() + 3);
    }
}
