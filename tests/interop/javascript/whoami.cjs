// Makes one signed request with the credentials that the AWS SDK for JavaScript finds on its own.
// usage: node whoami.cjs http://127.0.0.1:PORT
const { GetCallerIdentityCommand, STSClient } = require('@aws-sdk/client-sts');

const client = new STSClient({ endpoint: process.argv[2], maxAttempts: 1 });
client.send(new GetCallerIdentityCommand({})).then(
  (identity) => console.log(identity.Arn),
  (error) => { console.error(`${error.name}: ${error.message}`); process.exitCode = 1; },
);
