//! The account, from a server whose lists have many pages.

use serde_json::{Value, json};

use super::error;
use super::server::{Answer, Request, Server, json_answer, not_found};

/// 150 deliveries in pages of up to 100.
fn answer(request: &Request) -> Answer {
    let delivery = |n: u32| json!({"id": format!("d{n}"), "event": "webhook.test", "status": "delivered", "attempts": []});
    let page = |numbers: std::ops::Range<u32>, next: Option<&str>| {
        json_answer(&json!({"items": numbers.map(delivery).collect::<Vec<_>>(), "next_cursor": next}))
    };
    match &*request.path {
        "/auth/me/webhook-deliveries?limit=20" => page(0..20, Some("20")),
        "/auth/me/webhook-deliveries?limit=100" => page(0..100, Some("100")),
        "/auth/me/webhook-deliveries?limit=100&cursor=100" => page(100..150, None),
        _ => not_found("not-found"),
    }
}

#[test]
fn all_pages_of_deliveries_are_listed() {
    let server = Server::start(|request, _| answer(request));
    let folder = tempfile::tempdir().unwrap();
    for (arguments, count, more) in [
        (&[][..], 20, true),
        (&["-n", "120"], 120, true),
        (&["--limit", "150"], 150, false),
        (&["--all"], 150, false),
    ] {
        let arguments = [&["account", "webhook", "deliveries", "--json"], arguments].concat();
        let output = server.command(folder.path(), &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", error(&output));
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        let ids: Vec<&str> =
            list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(ids, (0..count).map(|n| format!("d{n}")).collect::<Vec<_>>(), "{arguments:?}");
        assert_eq!(error(&output).contains("there are more; --all lists them"), more, "{arguments:?}");
    }
}
