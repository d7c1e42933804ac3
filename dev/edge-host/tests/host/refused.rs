//! What the host does not start with.

use crate::support::{empty, fixture};

#[tokio::test]
async fn an_unknown_key_is_refused_with_file_and_name() {
    let fixture = fixture().add("[component.main.trigger]\nx = 1\n[outbound_http]\n");
    let file = fixture.manifest();
    let error = fixture.refused().await;
    let text = error.to_string();
    for key in ["component.main.trigger", "outbound_http"] {
        let line = format!("{}: {key}: this host does not know the key", file.display());
        assert!(text.lines().any(|found| found == line), "{text}");
    }
    assert_eq!(error.exit_code(), 64);
}

#[tokio::test]
async fn an_unknown_import_is_refused_with_its_name() {
    let fixture = empty().route("/...", "main");
    let wasm = fixture.folder.path().join("strange.wasm");
    let component = r#"(component (import "acme:thing/api@1.2.3" (instance (export "f" (func)))))"#;
    std::fs::write(&wasm, wat::parse_str(component).unwrap()).unwrap();
    let fixture = fixture.add("[component.main]\nsource = \"strange.wasm\"");
    let text = fixture.refused().await.to_string();
    assert!(text.contains("component.main.source"), "{text}");
    assert!(text.contains("acme:thing/api@1.2.3"), "{text}");
}

#[tokio::test]
async fn what_is_no_http_component_is_refused() {
    for (text, expected) in [
        ("(component)", "does not export wasi:http/handler"),
        ("(module)", "is no component that can be run"),
    ] {
        let fixture = empty().route("/...", "main");
        let wasm = fixture.folder.path().join("other.wasm");
        std::fs::write(&wasm, wat::parse_str(text).unwrap()).unwrap();
        let fixture = fixture.add("[component.main]\nsource = \"other.wasm\"");
        let text = fixture.refused().await.to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_required_variable_without_value_is_refused() {
    let error = fixture().add("[variables]\nkey = { required = true }").refused().await;
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("variables.key: is required"), "{text}");
    assert_eq!(error.exit_code(), 64);
}

#[tokio::test]
async fn a_wrong_host_is_refused() {
    let text = empty()
        .add("[variables]\nhost = { default = \"a b\" }")
        .route("/...", "main")
        .component("main", "allowed_outbound_hosts = [\"http://{{ host }}\", \"example.org\"]")
        .refused()
        .await
        .to_string();
    assert_eq!(text.matches("component.main.allowed_outbound_hosts").count(), 2, "{text}");
}

#[tokio::test]
async fn a_wrong_route_is_refused() {
    let text = fixture().route("/a/.../b/:", "main").refused().await.to_string();
    assert!(text.contains("/a/.../b/:"), "{text}");
}
