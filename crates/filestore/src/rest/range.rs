//! One byte range of a file (RFC 9110, section 14). Pure.

/// What of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: nothing was said, or nothing that we serve.
    Whole,
    /// From the first to the last byte, inclusive.
    Part(u64, u64),
    /// No byte of it.
    Outside,
}

/// What a `Range` header asks of `length` bytes. Several ranges at once are not served: then the
/// whole is, as the RFC allows.
pub(super) fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(range) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return Wanted::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => part(first, last, length),
        (Ok(first), Err(_)) if last.is_empty() => part(first, u64::MAX, length),
        (Err(_), Ok(count)) if first.is_empty() => match count.min(length) {
            0 => Wanted::Outside,
            count => Wanted::Part(length - count, length - 1),
        },
        _ => Wanted::Whole,
    }
}

fn part(first: u64, last: u64, length: u64) -> Wanted {
    if first >= length {
        Wanted::Outside
    } else {
        Wanted::Part(first, last.min(length - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (header, wanted_of_ten) in [
            (None, Wanted::Whole),
            (Some("bytes=0-3"), Wanted::Part(0, 3)),
            (Some("bytes=4-"), Wanted::Part(4, 9)),
            (Some("bytes=-3"), Wanted::Part(7, 9)),
            (Some("bytes=-30"), Wanted::Part(0, 9)),
            (Some("bytes=8-30"), Wanted::Part(8, 9)),
            (Some("bytes=9-9"), Wanted::Part(9, 9)),
            (Some("bytes=10-"), Wanted::Outside),
            (Some("bytes=-0"), Wanted::Outside),
            (Some("bytes=5-4"), Wanted::Whole),
            (Some("bytes=0-1,3-4"), Wanted::Whole),
            (Some("lines=0-1"), Wanted::Whole),
            (Some("bytes=a-b"), Wanted::Whole),
            (Some("bytes="), Wanted::Whole),
            (Some("bytes=0-18446744073709551615"), Wanted::Part(0, 9)),
        ] {
            assert_eq!(wanted(header, 10), wanted_of_ten, "{header:?}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Outside);
    }
}
