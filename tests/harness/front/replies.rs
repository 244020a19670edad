//! What is answered in place of the service.

use super::http::Reply;
use serde_json::{Value, json};

/// An error of the service.
pub(super) fn error(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({ "__type": format!("com.amazonaws.logs#{code}"), "message": message });
    Reply {
        status,
        headers: vec![
            ("content-type".into(), "application/x-amz-json-1.1".into()),
            (
                "x-amzn-requestid".into(),
                "00000000-0000-0000-0000-000000000000".into(),
            ),
        ],
        body: body.to_string().into_bytes(),
    }
}

/// The same error as STS words it.
pub(super) fn as_xml(error: &Reply) -> Reply {
    let body: Value = serde_json::from_slice(&error.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let code = text("__type")
        .replace("com.amazonaws.logs#", "")
        .replace("Exception", "");
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message></Error></ErrorResponse>",
        text("message")
    );
    Reply {
        body: body.into_bytes(),
        ..error.clone()
    }
}

/// Of a proxy, not of the service.
pub(super) fn page(status: u16, text: &str) -> Reply {
    Reply {
        status,
        headers: vec![("content-type".into(), "text/html".into())],
        body: text.as_bytes().to_vec(),
    }
}

/// The same, with the wish to be left alone for so many seconds.
pub(super) fn busy(status: u16, seconds: u32) -> Reply {
    let mut reply = page(status, "<html>Later</html>");
    let pause = ("retry-after".to_owned(), seconds.to_string());
    reply.headers.push(pause);
    reply
}
