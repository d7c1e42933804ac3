//! Hexadecimal digests: what SDKs compare bodies and attributes with.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

use crate::wire::AttributeValue;

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Bytes of lower- or upper-case hexadecimal; `None` when it is not that.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let [high, low] = *pair else { return None };
            let digit = |c: u8| char::from(c).to_digit(16);
            u8::try_from((digit(high)? << 4) | digit(low)?).ok()
        })
        .collect()
}

/// MD5 of a message's body.
pub(crate) fn md5_of_body(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// MD5 of message attributes, as "calculating the MD5 message digest for message attributes"
/// in the Amazon SQS developer guide has it; `None` for no attributes.
pub(crate) fn md5_of_attributes(attributes: &BTreeMap<String, AttributeValue>) -> Option<String> {
    const STRING: u8 = 1;
    const BINARY: u8 = 2;
    if attributes.is_empty() {
        return None;
    }
    let mut md5 = Md5::new();
    let mut field = |bytes: &[u8], kind: Option<u8>| {
        if let Some(kind) = kind {
            md5.update([kind]);
        }
        // Attributes are at most 1 MiB, so the length fits.
        md5.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        md5.update(bytes);
    };
    for (name, value) in attributes {
        field(name.as_bytes(), None);
        field(value.data_type.as_bytes(), None);
        match (&value.string_value, &value.binary_value) {
            (_, Some(bytes)) => field(&bytes.0, Some(BINARY)),
            (text, None) => field(text.as_deref().unwrap_or_default().as_bytes(), Some(STRING)),
        }
    }
    Some(hex(&md5.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_both_ways() {
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
        assert_eq!(from_hex("00ABff"), Some(vec![0, 0xab, 0xff]));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("zz"), None);
        assert_eq!(from_hex("é"), None);
    }

    #[test]
    fn no_attributes_have_no_digest() {
        assert_eq!(md5_of_attributes(&BTreeMap::new()), None);
        assert_eq!(md5_of_body(""), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
