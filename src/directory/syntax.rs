//! Syntaxes of attributes (RFC 4517 §3.3): the form that a server takes values in.
//!
//! Only those are told that SCIM writes otherwise, or that people often get wrong; the server judges the rest.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::attribute::{self, Value};
use super::dn::Dn;
use super::generalized_time::GeneralizedTime;

/// Base64 whose padding may be left out (RFC 7643 §2.3.6).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A syntax that values are brought into before they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `TRUE` or `FALSE` (RFC 4517 §3.3.3).
    Boolean,
    /// A whole number (RFC 4517 §3.3.16).
    Integer,
    /// `20260131080000Z` (RFC 4517 §3.3.13).
    GeneralizedTime,
    /// ASCII (RFC 4517 §3.3.15).
    Ia5String,
    /// Letters, digits and a few signs (RFC 4517 §3.3.29).
    PrintableString,
    /// A telephone number, which is a printable string (RFC 4517 §3.3.31).
    TelephoneNumber,
    /// Digits and spaces (RFC 4517 §3.3.23).
    NumericString,
    /// Two letters (RFC 4517 §3.3.4).
    CountryString,
    /// A distinguished name (RFC 4517 §3.3.9).
    DistinguishedName,
    /// Lines of text (RFC 4517 §3.3.28).
    PostalAddress,
    /// Bytes, which may be text: a password is, a key is not (RFC 4517 §3.3.25).
    OctetString,
    /// A photo (RFC 4517 §3.3.17).
    Jpeg,
    /// An X.509 certificate (RFC 4523 §2.1).
    Certificate,
    /// A list of revoked certificates (RFC 4523 §2.2).
    CertificateList,
    /// Certificates that issuers gave each other (RFC 4523 §2.3).
    CertificatePair,
    /// Sound (RFC 2252 §4.3.2).
    Audio,
    /// A fax (RFC 4517 §3.3.12).
    Fax,
    /// Any bytes (RFC 2252 §4.3.2): whatever an attribute with the option `binary` holds (RFC 4522).
    Binary,
}

const SYNTAXES: [(Syntax, &str, &str); 18] = [
    (Syntax::Boolean, "1.3.6.1.4.1.1466.115.121.1.7", "Boolean: true or false"),
    (Syntax::Integer, "1.3.6.1.4.1.1466.115.121.1.27", "Integer: a whole number"),
    (Syntax::GeneralizedTime, "1.3.6.1.4.1.1466.115.121.1.24", "Generalized Time: a date and time with its zone"),
    (Syntax::Ia5String, "1.3.6.1.4.1.1466.115.121.1.26", "IA5 String: plain ASCII without umlauts or accents"),
    (
        Syntax::PrintableString,
        "1.3.6.1.4.1.1466.115.121.1.44",
        "Printable String: plain letters, digits, spaces and ' ( ) + , - . / : = ?",
    ),
    (
        Syntax::TelephoneNumber,
        "1.3.6.1.4.1.1466.115.121.1.50",
        "Telephone Number: plain letters, digits, spaces and ' ( ) + , - . / : = ?",
    ),
    (Syntax::NumericString, "1.3.6.1.4.1.1466.115.121.1.36", "Numeric String: digits and spaces"),
    (
        Syntax::CountryString,
        "1.3.6.1.4.1.1466.115.121.1.11",
        "Country String: the two letters of a country, such as DE",
    ),
    (Syntax::DistinguishedName, "1.3.6.1.4.1.1466.115.121.1.12", "DN: a name such as cn=Ada,dc=example,dc=org"),
    (Syntax::PostalAddress, "1.3.6.1.4.1.1466.115.121.1.41", "Postal Address: lines of text"),
    (Syntax::OctetString, "1.3.6.1.4.1.1466.115.121.1.40", "Octet String: bytes in base64"),
    (Syntax::Jpeg, "1.3.6.1.4.1.1466.115.121.1.28", "JPEG: a photo in base64"),
    (Syntax::Certificate, "1.3.6.1.4.1.1466.115.121.1.8", "Certificate: an X.509 certificate (DER) in base64"),
    (Syntax::CertificateList, "1.3.6.1.4.1.1466.115.121.1.9", "Certificate List: an X.509 list (DER) in base64"),
    (Syntax::CertificatePair, "1.3.6.1.4.1.1466.115.121.1.10", "Certificate Pair: X.509 certificates (DER) in base64"),
    (Syntax::Audio, "1.3.6.1.4.1.1466.115.121.1.4", "Audio: sound in base64"),
    (Syntax::Fax, "1.3.6.1.4.1.1466.115.121.1.23", "Fax: a fax in base64"),
    (Syntax::Binary, "1.3.6.1.4.1.1466.115.121.1.5", "Binary: bytes in base64"),
];

impl Syntax {
    /// The syntax of that OID. A length behind it is a hint that servers do not keep to (RFC 4512 §4.1.2).
    pub fn of(oid: &str) -> Option<Syntax> {
        let oid = oid.split('{').next().unwrap_or_default().trim_matches('\'');
        SYNTAXES.iter().find(|(_, known, _)| *known == oid).map(|(syntax, ..)| *syntax)
    }

    /// Its name and what it takes, for people.
    pub fn describe(self) -> &'static str {
        SYNTAXES.iter().find(|(syntax, ..)| *syntax == self).map(|(.., text)| *text).unwrap_or_default()
    }

    /// Whether values are bytes, which SCIM writes in base64.
    pub fn is_bytes(self) -> bool {
        match self {
            Syntax::OctetString | Syntax::Jpeg | Syntax::Audio | Syntax::Fax | Syntax::Binary => true,
            other => other.needs_binary_option(),
        }
    }

    /// Whether values travel under the option `binary` and no other way (RFC 4523 §2).
    pub fn needs_binary_option(self) -> bool {
        matches!(self, Syntax::Certificate | Syntax::CertificateList | Syntax::CertificatePair)
    }

    /// A value as SCIM has it, in the form of the syntax; `None` when it has none there.
    pub fn adapt(self, value: &Value) -> Option<Value> {
        let text = value.as_str()?;
        let kept = |fits: bool| fits.then(|| value.clone());
        match self {
            Syntax::Boolean if text.eq_ignore_ascii_case("true") => Some(Value::from("TRUE")),
            Syntax::Boolean if text.eq_ignore_ascii_case("false") => Some(Value::from("FALSE")),
            Syntax::Boolean => None,
            Syntax::Integer => attribute::whole_number(text.trim()).map(Value::from),
            Syntax::GeneralizedTime => GeneralizedTime::parse(text).map(|time| Value::from(time.to_string())),
            Syntax::Ia5String => kept(text.is_ascii()),
            Syntax::PrintableString | Syntax::TelephoneNumber => kept(text.chars().all(is_printable)),
            Syntax::NumericString => kept(text.chars().all(|c| c.is_ascii_digit() || c == ' ')),
            Syntax::CountryString => kept(text.len() == 2 && text.chars().all(|c| c.is_ascii_alphabetic())),
            Syntax::DistinguishedName => kept(text.parse::<Dn>().is_ok()),
            Syntax::PostalAddress => postal_address(text).map(Value::from),
            bytes => bytes.decode(text),
        }
    }

    /// A value of the directory as SCIM has it: [`Syntax::adapt`] makes the same value of it again. `None` when it has no
    /// form there.
    pub fn read_back(self, value: &Value) -> Option<String> {
        match self {
            bytes if bytes.is_bytes() => Some(BASE64.encode(value.as_bytes())),
            Syntax::PostalAddress => value.as_str().map(address_lines),
            _ => value.as_str().map(str::to_owned),
        }
    }

    fn decode(self, text: &str) -> Option<Value> {
        let encoded = if self == Syntax::Jpeg { without_media_type(text) } else { text };
        BASE64.decode(encoded).ok().filter(|bytes| !bytes.is_empty()).map(Value::from)
    }
}

/// The characters of a printable string (RFC 4517 §3.2).
fn is_printable(c: char) -> bool {
    c.is_ascii_alphanumeric() || "'()+,-./:=? ".contains(c)
}

/// A text of several lines in the syntax: `$` stands between them, and is escaped within them.
fn postal_address(text: &str) -> Option<String> {
    // A line has a character at least (RFC 4517 §3.3.28).
    let lines = text.split(['\r', '\n']).filter(|line| !line.is_empty());
    let escaped: Vec<String> = lines.map(|line| line.replace('\\', "\\5C").replace('$', "\\24")).collect();
    (!escaped.is_empty()).then(|| escaped.join("$"))
}

/// The lines of a value of that syntax, as a text of several.
fn address_lines(value: &str) -> String {
    let plain = |line: &str| line.replace("\\24", "$").replace("\\5C", "\\").replace("\\5c", "\\");
    value.split('$').map(plain).collect::<Vec<String>>().join("\n")
}

/// `data:image/jpeg;base64,/9j/` as browsers and scripts write photos (RFC 2397), without what stands before the data.
fn without_media_type(text: &str) -> &str {
    let is_data = |head: &str| {
        let head = head.to_ascii_lowercase();
        head.starts_with("data:") && head.ends_with(";base64")
    };
    text.split_once(',').filter(|(head, _)| is_data(head)).map_or(text, |(_, data)| data)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_read_back_is_written_the_same() {
        for address in ["Main 1$80331 Munich$Germany", "1 \\24t St$Reno \\5C NV", "one line"] {
            let value = Value::from(address);
            let text = Syntax::PostalAddress.read_back(&value).unwrap();
            assert_eq!(Syntax::PostalAddress.adapt(&Value::from(text)), Some(value));
        }
        let photo = Value::from(vec![0xff, 0xd8, 0]);
        let text = Syntax::Jpeg.read_back(&photo).unwrap();
        assert_eq!(Syntax::Jpeg.adapt(&Value::from(text)), Some(photo));
    }

    #[track_caller]
    fn check(syntax: Syntax, text: &str, expected: Option<&str>) {
        assert_eq!(syntax.adapt(&Value::from(text)), expected.map(Value::from), "{syntax:?} {text:?}");
    }

    #[track_caller]
    fn check_bytes(syntax: Syntax, text: &str, expected: Option<&[u8]>) {
        let expected = expected.map(|bytes| Value::from(bytes.to_vec()));
        assert_eq!(syntax.adapt(&Value::from(text)), expected, "{syntax:?} {text:?}");
    }

    #[test]
    fn values_take_the_form_of_the_syntax() {
        check(Syntax::Boolean, "true", Some("TRUE"));
        check(Syntax::Boolean, "False", Some("FALSE"));
        check(Syntax::Boolean, "maybe", None);
        check(Syntax::Integer, "007", Some("7"));
        check(Syntax::Integer, "+7", Some("7"));
        check(Syntax::Integer, " -1 ", Some("-1"));
        check(Syntax::Integer, "-0", Some("0"));
        check(Syntax::Integer, &"9".repeat(60), Some(&"9".repeat(60)));
        for nonsense in ["1.5", "", "-", "1e3", "٣"] {
            check(Syntax::Integer, nonsense, None);
        }
        check(Syntax::GeneralizedTime, "2026-01-31T08:00:00Z", Some("20260131080000Z"));
        check(Syntax::GeneralizedTime, "yesterday", None);
        check(Syntax::Ia5String, "ada@x", Some("ada@x"));
        check(Syntax::Ia5String, "ädä@x", None);
    }

    #[test]
    fn strings_are_kept_as_they_are_or_refused() {
        for phone in ["+49 (30) 123-45/6", "0800 FLOWERS", "+1 425.555,0100 ext: 7 'a'=?"] {
            check(Syntax::TelephoneNumber, phone, Some(phone));
        }
        for phone in ["gehört niemandem", "030 123;ext=7", "#31#", "030\u{a0}123", "a_b", "a\n"] {
            check(Syntax::TelephoneNumber, phone, None);
            check(Syntax::PrintableString, phone, None);
        }
        check(Syntax::PrintableString, "R2D2 (droid)", Some("R2D2 (droid)"));
        check(Syntax::NumericString, "15 079 672", Some("15 079 672"));
        check(Syntax::NumericString, "15-079", None);
        check(Syntax::CountryString, "DE", Some("DE"));
        for country in ["Germany", "D", "D1", "Ä"] {
            check(Syntax::CountryString, country, None);
        }
        check(Syntax::DistinguishedName, "CN=Ada , dc=example", Some("CN=Ada , dc=example"));
        check(Syntax::DistinguishedName, "Ada Lovelace", None);
    }

    #[test]
    fn lines_of_an_address_are_joined_by_dollars() {
        check(Syntax::PostalAddress, "1 Main St\nSpringfield", Some("1 Main St$Springfield"));
        check(Syntax::PostalAddress, "1 Main St\r\n\r\nSpringfield\r", Some("1 Main St$Springfield"));
        check(Syntax::PostalAddress, "$1,000,000\\Sweepstakes\nBox 7", Some("\\241,000,000\\5CSweepstakes$Box 7"));
        check(Syntax::PostalAddress, "\\24", Some("\\5C24"));
        check(Syntax::PostalAddress, "Straße 5", Some("Straße 5"));
        check(Syntax::PostalAddress, "\n\r\n", None);
    }

    #[test]
    fn bytes_are_decoded() {
        for text in ["/9j/4A==", "/9j/4A", "data:image/jpeg;base64,/9j/4A==", "DATA:;BASE64,/9j/4A"] {
            check_bytes(Syntax::Jpeg, text, Some(b"\xff\xd8\xff\xe0"));
        }
        for text in ["https://contoso.com/ada.jpg", "/9j/4", "/9j/4B==", "_9j_4A", "/9j/\n4A==", "data:,/9j/4A==", ""] {
            check_bytes(Syntax::Jpeg, text, None);
        }
        for syntax in [Syntax::Certificate, Syntax::Audio, Syntax::Fax, Syntax::Binary, Syntax::OctetString] {
            check_bytes(syntax, "MAA=", Some(b"\x30\x00"));
            check_bytes(syntax, "data:application/pkix-cert;base64,MAA=", None);
        }
    }

    #[test]
    fn syntaxes_are_known_by_their_oids() {
        assert_eq!(Syntax::of("1.3.6.1.4.1.1466.115.121.1.26{256}"), Some(Syntax::Ia5String));
        assert_eq!(Syntax::of("1.3.6.1.4.1.1466.115.121.1.5"), Some(Syntax::Binary));
        assert_eq!(Syntax::of("1.3.6.1.4.1.1466.115.121.1.15"), None);
        for (syntax, oid, text) in SYNTAXES {
            assert_eq!(Syntax::of(oid), Some(syntax));
            assert_eq!(syntax.describe(), text);
        }
    }

    fn any_syntax() -> impl Strategy<Value = Syntax> {
        prop::sample::select(SYNTAXES.map(|(syntax, ..)| syntax).to_vec())
    }

    /// Texts of which a good part has a form in some syntax.
    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            ".{0,40}",
            "[0-9 +-]{0,20}",
            "[0-9]{4}-?[01][0-9]-?[0-3][0-9]T?[0-9:]{2,8}(\\.[0-9]{1,3})?(Z|[+-][0-9]{2}:?[0-9]{2})",
            "(cn|dc)=[a-z\\\\,+ ]{0,10}",
            "[A-Za-z0-9+/]{0,12}={0,2}",
            "[a-z$\\\\\r\n]{0,12}",
        ]
    }

    proptest! {
        #[test]
        fn what_has_the_form_keeps_it(syntax in any_syntax(), text in any_text()) {
            let adapted = syntax.adapt(&Value::from(text));
            if let Some(adapted) = adapted.filter(|_| !syntax.is_bytes() && syntax != Syntax::PostalAddress) {
                prop_assert_eq!(syntax.adapt(&adapted), Some(adapted));
            }
        }

        #[test]
        fn every_line_of_an_address_can_be_told_from_the_others(text in "[a-c$\\\\24\r\n]{0,16}") {
            let lines: Vec<&str> = text.split(['\r', '\n']).filter(|line| !line.is_empty()).collect();
            let adapted = Syntax::PostalAddress.adapt(&Value::from(text.as_str()));
            let read = adapted.map(|address| address.as_str().unwrap().split('$')
                .map(|line| line.replace("\\24", "$").replace("\\5C", "\\")).collect::<Vec<String>>());
            prop_assert_eq!(read.unwrap_or_default(), lines);
        }

        #[test]
        fn all_bytes_arrive(bytes in prop::collection::vec(any::<u8>(), 1..40)) {
            let text = BASE64.encode(&bytes);
            for text in [text.trim_end_matches('='), text.as_str()] {
                prop_assert_eq!(Syntax::Binary.adapt(&Value::from(text)), Some(Value::from(bytes.clone())));
            }
        }
    }
}
