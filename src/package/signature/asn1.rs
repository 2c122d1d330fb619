//! Just enough of ASN.1 to find the parts of a CMS signature and of a certificate.
//!
//! Tags of one byte and lengths that fit; what is written in BER's indefinite lengths (as Java's libraries do) is first
//! brought into definite ones. What the parts mean is known in `cms` and `certificate`.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
const CONSTRUCTED: u8 = 0x20;

/// Deepest nesting. A certificate in a signature reaches about 15.
const MAX_DEPTH: usize = 32;

/// The tag of context-specific `[number]`.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub tag: u8,
    /// Its content.
    pub value: &'a [u8],
    /// All of it: tag, length and content.
    pub all: &'a [u8],
}

impl<'a> Item<'a> {
    /// The items in it.
    pub fn items(&self) -> Items<'a> {
        Items(self.value)
    }
}

/// Reads items one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Items<'a>(pub &'a [u8]);

impl<'a> Items<'a> {
    /// The next item, if it has this tag.
    pub fn read(&mut self, tag: u8) -> Option<Item<'a>> {
        let mut ahead = *self;
        let item = ahead.next().filter(|item| item.tag == tag)?;
        *self = ahead;
        Some(item)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let (tag, length, header) = header(self.0)?;
        let end = header.checked_add(length?)?;
        let item = Item { tag, value: self.0.get(header..end)?, all: self.0.get(..end)? };
        self.0 = &self.0[end..];
        Some(item)
    }
}

/// Tag, length (`None`: indefinite), and how many bytes they take.
fn header(bytes: &[u8]) -> Option<(u8, Option<usize>, usize)> {
    let (tag, first) = (*bytes.first()?, *bytes.get(1)?);
    if tag & 0x1f == 0x1f {
        return None;
    }
    match first {
        0..=0x7f => Some((tag, Some(usize::from(first)), 2)),
        0x80 if tag & CONSTRUCTED != 0 => Some((tag, None, 2)),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let digits = bytes.get(2..2 + count)?;
            let length = digits.iter().fold(0_u64, |length, digit| length << 8 | u64::from(*digit));
            Some((tag, Some(usize::try_from(length).ok()?), 2 + count))
        }
        _ => None,
    }
}

/// The same value with definite lengths only; `None` if it is not BER. What follows it is left out.
pub(super) fn definite(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    convert(bytes, MAX_DEPTH, &mut out)?;
    Some(out)
}

/// Converts the first item of `bytes`; returns how many bytes it took.
fn convert(bytes: &[u8], depth: usize, out: &mut Vec<u8>) -> Option<usize> {
    let (tag, length, start) = header(bytes)?;
    let Some(length) = length else {
        let mut content = Vec::new();
        let mut at = start;
        while bytes.get(at..at + 2)? != [0, 0] {
            at += convert(&bytes[at..], depth.checked_sub(1)?, &mut content)?;
        }
        push(tag, &content, out);
        return Some(at + 2);
    };
    let end = start.checked_add(length)?;
    let value = bytes.get(start..end)?;
    if tag & CONSTRUCTED == 0 {
        out.extend_from_slice(&bytes[..end]);
        return Some(end);
    }
    let mut content = Vec::with_capacity(value.len());
    let mut at = 0;
    while at < value.len() {
        at += convert(&value[at..], depth.checked_sub(1)?, &mut content)?;
    }
    if content == value && tag != OCTET_STRING | CONSTRUCTED {
        // Byte for byte, for there may be a signature over it.
        out.extend_from_slice(&bytes[..end]);
    } else {
        push(tag, &content, out);
    }
    Some(end)
}

/// Writes an item; the pieces of an octet string are joined.
fn push(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    let joined: Vec<u8>;
    let (tag, content) = if tag == OCTET_STRING | CONSTRUCTED {
        joined = Items(content).flat_map(|piece| piece.value).copied().collect();
        (OCTET_STRING, joined.as_slice())
    } else {
        (tag, content)
    };
    out.push(tag);
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect();
        out.push(0x80 | digits.len() as u8);
        out.extend(digits);
    }
    out.extend_from_slice(content);
}

/// An item of this tag and content.
pub(super) fn item(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    push(tag, content, &mut out);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn items_one_after_the_other() {
        let mut items = Items(&[0x02, 1, 5, 0x04, 0x81, 2, 7, 8, 0x30, 0]);
        assert_eq!(items.read(OCTET_STRING), None);
        assert_eq!(items.read(INTEGER).unwrap().value, [5]);
        assert_eq!(items.next().unwrap().value, [7, 8]);
        assert_eq!(items.next().unwrap().all, [0x30, 0]);
        assert_eq!(items.next(), None);
        for broken in [&[0x02][..], &[0x02, 2, 1], &[0x1f, 1, 0], &[0x02, 0x85, 0, 0, 0, 0, 0], &[0x04, 0x80, 0, 0]] {
            assert_eq!(Items(broken).next(), None, "{broken:?}");
        }
    }

    #[test]
    fn indefinite_lengths_and_octet_strings_in_pieces() {
        let text = [0x30, 0x80, 0x24, 0x80, 0x04, 1, 1, 0x04, 2, 2, 3, 0, 0, 0x02, 1, 9, 0, 0, 0xff];
        assert_eq!(definite(&text).unwrap(), [0x30, 8, 0x04, 3, 1, 2, 3, 0x02, 1, 9]);
        // A length that is longer than it need be stays, for it may be signed.
        let odd = [0x30, 0x81, 3, 0x02, 1, 9];
        assert_eq!(definite(&odd).unwrap(), odd);
        assert_eq!(definite(&[0x30, 0x80, 0x02, 1, 9]), None);
        assert_eq!(definite(&[0x30, 0x80].repeat(1000)), None);
        let long = item(SEQUENCE, &item(OCTET_STRING, &[7; 70_000]));
        assert_eq!(definite(&long).unwrap(), long);
        assert_eq!(Items(&long).next().unwrap().items().next().unwrap().value.len(), 70_000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_converted_or_refused(bytes in any::<Vec<u8>>()) {
            if let Some(definite) = definite(&bytes) {
                prop_assert!(Items(&definite).next().is_some());
            }
        }
    }
}
