"""boto3, with one client for all calls. See caller.py for the interface."""
import functools
import sys

import boto3

from caller import serve


@functools.cache
def client(service):
    """Returns the client. boto3 looks for credentials as soon as it makes one, so the first call does that."""
    return boto3.client(service, endpoint_url=sys.argv[1])


def stop(instance):
    return client("ec2").stop_instances(InstanceIds=[instance])["StoppingInstances"][0]["InstanceId"]


serve(whoami=lambda: client("sts").get_caller_identity()["Arn"], stop=stop)
