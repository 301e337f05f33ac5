// The AWS SDK for JavaScript v3, with one client for all calls. ../python/caller.py describes the interface.
const readline = require('node:readline');
const { EC2Client, StopInstancesCommand } = require('@aws-sdk/client-ec2');
const { GetCallerIdentityCommand, STSClient } = require('@aws-sdk/client-sts');

const endpoint = process.argv[2];
const sts = new STSClient({ endpoint });
const ec2 = new EC2Client({ endpoint });
const actions = {
  whoami: async () => (await sts.send(new GetCallerIdentityCommand({}))).Arn,
  stop: async (instance) => (await ec2.send(new StopInstancesCommand({ InstanceIds: [instance] })))
    .StoppingInstances[0].InstanceId,
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, ...rest] = line.split(' ');
    const answer = await actions[name](...rest).then(
      (ok) => ({ ok }),
      (error) => ({ error: `${error.name}: ${error.message}` }),
    );
    console.log(JSON.stringify(answer));
  }
})();
