//! The HTML pages. All text of a mail goes through [`escape`].

use std::sync::Arc;

use crate::mail::{Header, Mail};

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #8884; overflow-wrap: anywhere; vertical-align: top; }
th { font-weight: 600; }
time { white-space: nowrap; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: 1rem; border-radius: .4rem; }
iframe { width: 100%; height: 32rem; border: 1px solid #8884; border-radius: .4rem; background: #fff; }
.empty { color: #888; }
";

/// Text that is neither markup nor the end of an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// The list of mails, in the order given.
pub(crate) fn list(mails: &[Arc<Mail>]) -> String {
    if mails.is_empty() {
        return page("Mails", "<h1>Mails</h1><p class=\"empty\">No mail yet.</p>");
    }
    let rows: String = mails.iter().map(|mail| row(mail)).collect();
    page(
        "Mails",
        &format!(
            "<h1>Mails</h1><table><thead><tr><th>From</th><th>To</th><th>Subject</th>\
             <th>Date</th></tr></thead><tbody>{rows}</tbody></table>"
        ),
    )
}

/// One mail: its text, its HTML in a frame that can do nothing, and its headers.
pub(crate) fn mail(mail: &Mail) -> String {
    let (id, subject) = (escape(&mail.id), subject(mail));
    let text = mail.text.as_ref().map(|text| format!("<h2>Text</h2><pre>{}</pre>", escape(text)));
    let html = mail.html.as_ref().map(|html| {
        // Links open outside; scripts, forms and the page around stay out of reach.
        let document = escape(&format!("<base target=\"_blank\">{html}"));
        format!(
            "<h2>HTML</h2><iframe title=\"HTML part\" \
             sandbox=\"allow-popups allow-popups-to-escape-sandbox\" srcdoc=\"{document}\">\
             </iframe>"
        )
    });
    let headers: String = mail.headers.iter().map(header).collect();
    page(
        &subject,
        &format!(
            "<p><a href=\"/\">All mails</a> · <a href=\"/api/mails/{id}/raw\">Raw</a></p>\
             <h1>{subject}</h1><table><tbody>\
             <tr><th>From</th><td>{}</td></tr><tr><th>To</th><td>{}</td></tr>\
             <tr><th>Date</th><td><time>{}</time></td></tr></tbody></table>{}{}\
             <h2>Headers</h2><table><tbody>{headers}</tbody></table>",
            escape(&mail.from),
            escape(&mail.to.join(", ")),
            escape(&mail.date),
            text.unwrap_or_default(),
            html.unwrap_or_default(),
        ),
    )
}

/// The page for a mail that does not exist.
pub(crate) fn not_found() -> String {
    page("Not found", "<h1>Not found</h1><p><a href=\"/\">All mails</a></p>")
}

fn row(mail: &Mail) -> String {
    format!(
        "<tr><td>{}</td><td>{}</td><td><a href=\"/mails/{}\">{}</a></td><td><time>{}</time></td></tr>",
        escape(&mail.from),
        escape(&mail.to.join(", ")),
        escape(&mail.id),
        subject(mail),
        escape(&mail.date),
    )
}

fn header(header: &Header) -> String {
    format!("<tr><th>{}</th><td>{}</td></tr>", escape(&header.name), escape(&header.value))
}

/// The subject, escaped; never empty, since it is a link.
fn subject(mail: &Mail) -> String {
    if mail.subject.trim().is_empty() { "(no subject)".to_owned() } else { escape(&mail.subject) }
}

/// `title` is escaped already.
fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>{body}</body></html>"
    )
}
