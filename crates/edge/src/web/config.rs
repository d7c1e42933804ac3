//! The configuration of this component: the allowed origins, and the origin of presigned URLs.

use std::collections::BTreeMap;

use crate::http::Cors;
use crate::object_store;

/// The configuration, read whole.
#[derive(Debug)]
pub struct WebConfig {
    /// The origins whose pages may call.
    pub cors: Cors,
    /// The origin of presigned URLs.
    pub object_store: String,
}

impl WebConfig {
    /// The variables that it is read from.
    pub const VARIABLES: &'static [&'static str] =
        &[Cors::VARIABLE, "s3_endpoint", "s3_public_endpoint", "s3_bucket", "s3_path_style"];

    /// Reads all variables, or returns everything that is wrong with them.
    pub fn read(variables: &BTreeMap<&'static str, String>) -> Result<Self, Vec<String>> {
        let value = |name: &str| variables.get(name).map(|value| value.trim()).filter(|it| !it.is_empty());
        let endpoint = value("s3_public_endpoint").or_else(|| value("s3_endpoint"));
        let path_style = value("s3_path_style") != Some("false");
        let object_store = match (endpoint, value("s3_bucket")) {
            (Some(endpoint), Some(bucket)) => object_store::origin(endpoint, path_style, bucket)
                .map_err(|error| format!("s3_public_endpoint, s3_endpoint: {error}")),
            (None, _) => Err("s3_endpoint: is missing".to_owned()),
            (_, None) => Err("s3_bucket: is missing".to_owned()),
        };
        match (Cors::read(variables), object_store) {
            (Ok(cors), Ok(object_store)) => Ok(Self { cors, object_store }),
            (cors, object_store) => Err([cors.err(), object_store.err()].into_iter().flatten().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&'static str, &str)]) -> Result<String, Vec<String>> {
        let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        WebConfig::read(&variables).map(|config| config.object_store)
    }

    #[test]
    fn uploads_go_where_clients_reach_the_store() {
        let inner = ("s3_endpoint", "http://s3.internal:9000");
        let bucket = ("s3_bucket", "frames");
        assert_eq!(read(&[inner, bucket]).unwrap(), "http://s3.internal:9000");
        let outer = ("s3_public_endpoint", "https://s3.example.com");
        assert_eq!(read(&[inner, bucket, outer]).unwrap(), "https://s3.example.com");
        let by_host = ("s3_path_style", "false");
        assert_eq!(read(&[inner, bucket, outer, by_host]).unwrap(), "https://frames.s3.example.com");
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let problems = read(&[("cors_origins", "*"), ("s3_bucket", "frames")]).unwrap_err();
        assert_eq!(
            problems,
            ["cors_origins: `*` is not an origin such as https://app.example.com", "s3_endpoint: is missing"]
        );
        assert_eq!(read(&[("s3_endpoint", "s3"), ("s3_bucket", "frames")]).unwrap_err().len(), 1);
        assert_eq!(read(&[("s3_endpoint", "http://s3")]).unwrap_err(), ["s3_bucket: is missing"]);
    }
}
