//! Grams, and lists of ids.

/// How many bytes a gram has.
pub(crate) const BYTES: usize = 3;

/// The list of the directories: above all grams.
pub(crate) const DIRECTORIES: u32 = 1 << (8 * BYTES);

/// What stands behind a name, so that each of its bytes begins a gram. No name holds it.
const END: [u8; 2] = *b"//";

/// The grams of folded text that stands for itself, as a part of a name.
pub(crate) fn of_part(part: &str) -> Vec<u32> {
    let mut grams: Vec<u32> = part.as_bytes().windows(BYTES).map(gram).collect();
    grams.sort_unstable();
    grams.dedup();
    grams
}

/// The grams that begin with folded text of fewer bytes than a gram: from, and up to exclusive.
pub(crate) fn beginning(part: &str) -> (u32, u32) {
    let missing = BYTES.saturating_sub(part.len());
    let value = part
        .bytes()
        .fold(0_u32, |value, byte| value << 8 | u32::from(byte));
    let shift = u32::try_from(8 * missing).unwrap_or_default();
    (value << shift, (value + 1) << shift)
}

/// The grams of a folded name, in any order, some of them perhaps twice.
pub(crate) fn of_name(name: &str, mut take: impl FnMut(u32)) {
    let bytes = name.as_bytes();
    bytes.windows(BYTES).for_each(|window| take(gram(window)));
    let tail = bytes
        .get(bytes.len().saturating_sub(2)..)
        .unwrap_or_default();
    let end: Vec<u8> = tail.iter().chain(&END).copied().collect();
    end.windows(BYTES).for_each(|window| take(gram(window)));
}

/// The grams that a name ending in this folded text has.
pub(crate) fn of_end(end: &str) -> Vec<u32> {
    let mut grams = Vec::new();
    of_name(end, |gram| grams.push(gram));
    grams.sort_unstable();
    grams.dedup();
    grams
}

fn gram(window: &[u8]) -> u32 {
    window
        .iter()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Appends ascending ids as differences, the first one's from `low`: LEB128.
pub(crate) fn encode(low: i64, ids: impl Iterator<Item = i64>, into: &mut Vec<u8>) {
    let mut last = low;
    for id in ids {
        let mut rest = id.wrapping_sub(last).cast_unsigned();
        last = id;
        while rest >= 0x80 {
            into.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
            rest >>= 7;
        }
        into.push(u8::try_from(rest).unwrap_or_default());
    }
}

/// The ids that [`encode`] appended.
pub(crate) fn decode(low: i64, blob: &[u8], into: &mut Vec<i64>) {
    into.extend(Ids::new(low, blob));
}

/// Keeps of `ids`, which ascend, those that [`encode`] appended too.
pub(crate) fn keep_common(low: i64, blob: &[u8], ids: &mut Vec<i64>) {
    let mut list = Ids::new(low, blob);
    let mut last = list.next();
    ids.retain(|id| {
        while last.is_some_and(|last| last < *id) {
            last = list.next();
        }
        last == Some(*id)
    });
}

/// The ids of a list, one after the other.
struct Ids<'b> {
    bytes: std::slice::Iter<'b, u8>,
    last: i64,
}

impl<'b> Ids<'b> {
    fn new(low: i64, blob: &'b [u8]) -> Self {
        Self {
            bytes: blob.iter(),
            last: low,
        }
    }
}

impl Iterator for Ids<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let (mut value, mut shift) = (0_u64, 0_u32);
        loop {
            let byte = *self.bytes.next()?;
            value |= u64::from(byte & 0x7f)
                .checked_shl(shift)
                .unwrap_or_default();
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        self.last = self.last.wrapping_add(value.cast_signed());
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_byte_of_a_name_begins_a_gram() {
        let mut grams = Vec::new();
        for name in ["", "a", "ab", "abc", "report.pdf"] {
            grams.clear();
            of_name(name, |gram| grams.push(gram));
            assert_eq!(grams.len(), name.len(), "{name}");
        }
        for (part, name) in [("a", "xa"), ("b", "ab.c"), ("go", "go"), ("é", "café")] {
            let (from, to) = beginning(part);
            grams.clear();
            of_name(name, |gram| grams.push(gram));
            assert!(
                grams.iter().any(|gram| (from..to).contains(gram)),
                "{part} {name}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_part_of_a_name_has_only_grams_of_the_name(name in "[a-cé]{1,12}", from in 0usize..12, length in 0usize..12) {
            let part: String = name.chars().skip(from).take(length).collect();
            let mut grams = Vec::new();
            of_name(&name, |gram| grams.push(gram));
            prop_assert!(of_part(&part).iter().all(|gram| grams.contains(gram)));
        }

        #[test]
        fn ids_come_back(low in -5i64..5, steps in prop::collection::vec(1i64..1_000_000_000_000, 0..50)) {
            let ids: Vec<i64> = steps.iter().scan(low, |id, step| { *id += step; Some(*id) }).collect();
            let (mut blob, mut back) = (Vec::new(), Vec::new());
            encode(low, ids.iter().copied(), &mut blob);
            decode(low, &blob, &mut back);
            prop_assert_eq!(&back, &ids);
            let mut some: Vec<i64> = ids.iter().step_by(3).copied().chain([i64::MAX]).collect();
            let expected: Vec<i64> = some.iter().copied().filter(|id| ids.contains(id)).collect();
            keep_common(low, &blob, &mut some);
            prop_assert_eq!(some, expected);
        }
    }
}
