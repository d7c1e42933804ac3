//! Hexadecimal digests: what SDKs compare bodies and attributes with.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

use crate::wire::AttributeValue;

/// MD5 of a message's body.
pub(crate) fn md5_of_body(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
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
    Some(hex::encode(md5.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_attributes_have_no_digest() {
        assert_eq!(md5_of_attributes(&BTreeMap::new()), None);
        assert_eq!(md5_of_body(""), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
