//! Prints the access key that the AWS SDK for Rust finds on its own.

use aws_credential_types::provider::ProvideCredentials;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http).load().await;
    let provider = config.credentials_provider().expect("the default chain has a provider");
    match provider.provide_credentials().await {
        Ok(credentials) => println!("{}", credentials.access_key_id()),
        Err(error) => {
            eprintln!("{error:?}");
            std::process::exit(1);
        }
    }
}
