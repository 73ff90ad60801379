//! A JSON object in a body, with the place of each member. Values are skipped, not copied, and a
//! key that is read may stand there once, however it is escaped.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use shared::{content::Malformed, fault::Fault};

/// One member of an object, where it stands in the body.
pub(crate) struct Member<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) value: &'a RawValue,
    /// From the first byte of the key to the last of the value.
    pub(crate) at: Range<usize>,
    /// The value alone.
    pub(crate) value_at: Range<usize>,
}

impl<'a> Member<'a> {
    /// Reads the value as `T`, if it is one.
    pub(crate) fn read<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.value.get()).ok()
    }

    /// The elements of a list, unread, each with its place in the body.
    pub(crate) fn elements(&self) -> Option<Vec<(&'a str, usize)>> {
        let elements: Vec<&'a RawValue> = self.read()?;
        let place = |element: &'a RawValue| {
            let at = element.get().as_ptr().addr();
            let at = at.checked_sub(self.value.get().as_ptr().addr())?;
            Some((element.get(), at.checked_add(self.value_at.start)?))
        };
        elements.into_iter().map(place).collect()
    }

    /// Whether the value is `null`, which the APIs take for absent.
    pub(crate) fn is_null(&self) -> bool {
        self.value.get() == "null"
    }
}

/// An object in the body, with the place of each member.
pub(crate) struct Object<'a> {
    pub(crate) members: Vec<Member<'a>>,
    /// The place after the opening brace.
    pub(crate) open: usize,
}

impl<'a> Object<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`Fault::Malformed`] or [`Fault::NotAnObject`].
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let whole: &'a RawValue = serde_json::from_slice(bytes)
            .map_err(|error| Fault::Malformed(Malformed::from(error)))?;
        let start = whole.get().as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
        Self::read(whole.get(), start).ok_or(Fault::NotAnObject)
    }

    /// Reads `text`, which stands at `start` in the body.
    pub(crate) fn read(text: &'a str, start: usize) -> Option<Self> {
        let Members(pairs) = serde_json::from_str(text).ok()?;
        let place = |value: &RawValue| {
            value.get().as_ptr().addr().checked_sub(text.as_ptr().addr())?.checked_add(start)
        };
        let open = start.checked_add(1)?;
        let mut members = Vec::with_capacity(pairs.len());
        let mut last = open;
        for (key, value) in pairs {
            let value_at = place(value)?..place(value)?.checked_add(value.get().len())?;
            // Between two members there is white space and a comma, then the quote of the key.
            let gap = text.as_bytes().get(last.checked_sub(start)?..)?;
            let at = last.checked_add(memchr::memchr(b'"', gap)?)?..value_at.end;
            last = value_at.end;
            members.push(Member { key, value, at, value_at });
        }
        Some(Self { members, open })
    }

    /// The member of any of these spellings, of which there may be one. `null` stands for absent.
    ///
    /// # Errors
    /// [`Fault::DuplicateField`], however the key is escaped: serde has unescaped it.
    pub(crate) fn get(
        &self,
        spellings: &'static [&'static str],
    ) -> Result<Option<&Member<'a>>, Fault> {
        Ok(self.get_or_null(spellings)?.filter(|member| !member.is_null()))
    }

    /// The same, `null` included: what is to be set or taken out must not stay beside it.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn get_or_null(
        &self,
        spellings: &'static [&'static str],
    ) -> Result<Option<&Member<'a>>, Fault> {
        let mut found = self.members.iter().filter(|member| spellings.contains(&&*member.key));
        let first = found.next();
        match (found.next(), spellings.first()) {
            (Some(_), Some(name)) => Err(Fault::DuplicateField(name)),
            _ => Ok(first),
        }
    }

    /// The member of these spellings as an object of its own.
    ///
    /// # Errors
    /// When it stands there twice or is not an object.
    pub(crate) fn object(&self, spellings: &'static [&'static str]) -> Result<Option<Self>, Fault> {
        let Some(member) = self.get(spellings)? else { return Ok(None) };
        let name = spellings.first().copied().unwrap_or_default();
        let object = Self::read(member.value.get(), member.value_at.start);
        object.map(Some).ok_or(Fault::WrongType(name))
    }

    /// A member that is true or false, and false where it is absent.
    ///
    /// # Errors
    /// When it stands there twice or is neither.
    pub(crate) fn flag(&self, spellings: &'static [&'static str]) -> Result<bool, Fault> {
        let Some(member) = self.get(spellings)? else { return Ok(false) };
        member.read().ok_or(Fault::WrongType(spellings.first().copied().unwrap_or_default()))
    }

    /// A member that is a whole number.
    ///
    /// # Errors
    /// When it stands there twice or is not such a number.
    pub(crate) fn count(&self, spellings: &'static [&'static str]) -> Result<Option<u64>, Fault> {
        let Some(member) = self.get(spellings)? else { return Ok(None) };
        let name = spellings.first().copied().unwrap_or_default();
        member.read().map(Some).ok_or(Fault::WrongType(name))
    }
}

/// A string that is borrowed where it is not escaped.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Name<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// The members of an object, in order, values unread.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}
