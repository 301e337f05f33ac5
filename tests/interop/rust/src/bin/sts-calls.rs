//! The AWS SDK for Rust, with one client for all calls. `tests/interop/python/caller.py` describes the interface.

use aws_smithy_types::error::display::DisplayErrorContext;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let endpoint = std::env::args().nth(1).expect("the endpoint is the argument");
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http).load().await;
    let sts = aws_sdk_sts::Client::from_conf(
        aws_sdk_sts::config::Builder::from(&config).endpoint_url(endpoint).build(),
    );
    for line in std::io::stdin().lines() {
        let line = line.expect("a line of UTF-8");
        assert_eq!(line, "whoami", "the only call of this client");
        let answer = match sts.get_caller_identity().send().await {
            Ok(identity) => serde_json::json!({ "ok": identity.arn() }),
            Err(error) => serde_json::json!({ "error": DisplayErrorContext(&error).to_string() }),
        };
        println!("{answer}");
    }
}
