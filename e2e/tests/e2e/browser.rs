//! What people do on the page, in a real browser: `e2e/browser/flows.ts`.

use framelift_e2e::process::root;
use framelift_e2e::worker::ManualWorker;
use framelift_e2e::{Setup, Stack};

use crate::clients::{output, program, tools};

/// Runs flows, one after the other, on a new stack. Uploads above 5 MiB go in parts.
async fn browse(flows: &[&str]) {
    browse_with(1, &[], flows).await;
}

/// The same with so many workers and more variables of the service.
async fn browse_with(workers: u16, variables: &[(&'static str, u32)], flows: &[&str]) {
    let variables = [("SPIN_VARIABLE_SINGLE_PUT_BYTES", 5 << 20)].iter().chain(variables);
    let env = variables.map(|(name, value)| (*name, value.to_string())).collect();
    let stack = Stack::start(Setup { env, workers, ..Setup::default() }).await;
    let folder = stack.scratch();
    for file in std::fs::read_dir(root().join("e2e/browser")).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
    }
    let modules = tools("FRAMELIFT_TEST_BROWSER").join("node_modules");
    std::os::unix::fs::symlink(&modules, folder.join("node_modules")).unwrap();
    // Pictures outlive the test where somebody names a folder for them.
    let scratch = std::env::var_os("FRAMELIFT_TEST_PICTURES").map_or_else(|| folder.clone(), Into::into);
    for flow in flows {
        let mut node = program("node");
        let info = stack.info();
        node.args(["flows.ts", flow, &info.api, &info.mail]).arg(root().join("e2e/media")).arg(&scratch);
        node.current_dir(&folder).env("WORKER_TOKEN", ManualWorker::token(&stack));
        output(node).await;
    }
    // An event that a webhook did not take waits for its next try.
    stack.finish_with_messages().await;
}

#[tokio::test]
async fn people_do_everything_on_the_page() {
    browse(&["everything"]).await;
}

#[tokio::test]
async fn uploads_of_the_page_outlive_a_closed_tab_and_a_lost_network() {
    browse(&["closedTab", "lostNetwork"]).await;
}

#[tokio::test]
async fn every_view_of_the_page_is_accessible_in_both_schemes_and_languages() {
    browse(&["everyView"]).await;
}

#[tokio::test]
async fn a_webhook_is_set_tried_and_followed_on_the_page() {
    browse(&["webhooks"]).await;
}

#[tokio::test]
async fn the_documentation_shows_and_tries_every_operation() {
    browse(&["documentation"]).await;
}

#[tokio::test]
async fn plugins_are_uploaded_chosen_configured_and_tried_on_the_page() {
    browse(&["plugins"]).await;
}

#[tokio::test]
async fn ten_thousand_frames_are_scrolled_through_on_the_page() {
    browse(&["manyFrames"]).await;
}

#[tokio::test]
async fn mailed_links_are_followed_on_the_page() {
    browse(&["links"]).await;
}

#[tokio::test]
async fn what_is_typed_outlives_the_end_of_the_session_and_is_not_left_to_another_account() {
    browse(&["endedSession", "sharedMachine"]).await;
}

#[tokio::test]
async fn the_page_is_told_what_happens_and_says_what_waits_and_what_is_too_much() {
    let limits = [("SPIN_VARIABLE_MAX_IN_FLIGHT_PER_USER", 1), ("SPIN_VARIABLE_MAX_OPEN_PER_USER", 3)];
    browse_with(0, &limits, &["liveEvents", "waiting"]).await;
}

#[tokio::test]
async fn the_page_catches_up_after_the_service_was_away_and_does_without_streams() {
    browse_with(0, &[], &["serviceAway", "withoutStreams"]).await;
}
