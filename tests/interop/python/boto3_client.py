"""boto3, with one client for all calls. See caller.py for the interface."""
import sys

import boto3

from caller import serve

sts = boto3.client("sts", endpoint_url=sys.argv[1])
ec2 = boto3.client("ec2", endpoint_url=sys.argv[1])

serve(
    whoami=lambda: sts.get_caller_identity()["Arn"],
    stop=lambda instance: ec2.stop_instances(InstanceIds=[instance])["StoppingInstances"][0]["InstanceId"],
)
