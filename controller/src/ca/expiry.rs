//! Reads the one field of an X.509 certificate (RFC 5280, 4.1) that no library here shows: when it expires.

use time::{Date, Month, PrimitiveDateTime, Time};

/// The tag of a version, which certificates of version 1 have not.
const VERSION: u8 = 0xa0;
/// Tags of times with two and with four digits of the year.
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When a certificate in DER expires, in seconds since 1970; `None` if it is not X.509.
pub(super) fn expiry(certificate: &[u8]) -> Option<i64> {
    let to_be_signed = element(element(certificate)?.content)?.content;
    let first = element(to_be_signed)?;
    let serial = if first.tag == VERSION { first.rest } else { to_be_signed };
    let algorithm = element(serial)?.rest;
    let issuer = element(algorithm)?.rest;
    let validity = element(element(issuer)?.rest)?.content;
    let not_after = element(element(validity)?.rest)?;
    let text = std::str::from_utf8(not_after.content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match not_after.tag {
        UTC_TIME => {
            let year: i32 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, &text[4..]),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(part(0)?).ok()?, part(2)?).ok()?;
    let time = Time::from_hms(part(4)?, part(6)?, part(8)?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    rest: &'a [u8],
}

/// The first element of some DER.
fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&length, bytes) = bytes.split_first()?;
    let (length, bytes) = if length < 0x80 {
        (usize::from(length), bytes)
    } else {
        let (digits, bytes) =
            bytes.split_at_checked(usize::from(length & 0x7f)).filter(|it| it.0.len() <= 4)?;
        (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), bytes)
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some(Element { tag, content, rest })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rcgen::{CertificateParams, KeyPair};
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms() {
        let key = KeyPair::generate().unwrap();
        // The second is beyond what two digits of a year can say.
        for end in [1_812_345_678, 4_102_444_800] {
            let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
            params.not_after = OffsetDateTime::from_unix_timestamp(end).unwrap();
            let certificate = params.self_signed(&key).unwrap();
            assert_eq!(expiry(certificate.der()), Some(end));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let der = certificate.der();
        for length in 0..der.len().min(60) {
            assert_eq!(expiry(&der[..length]), None, "{length}");
        }
        assert_eq!(expiry(&[0x30, 0xff]), None);
        assert_eq!(expiry(b"-----BEGIN"), None);
    }
}
