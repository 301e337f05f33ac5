#!/usr/bin/env python3
"""Makes one boto3 call with the credentials that boto3 finds on its own.

usage: ec2.py http://127.0.0.1:PORT whoami | describe | stop INSTANCE
"""
import sys

import boto3

endpoint, verb, *rest = sys.argv[1:]
if verb == "whoami":
    print(boto3.client("sts", endpoint_url=endpoint, region_name="us-east-1").get_caller_identity()["Arn"])
else:
    ec2 = boto3.client("ec2", endpoint_url=endpoint, region_name="us-east-1")
    if verb == "describe":
        reservations = ec2.describe_instances()["Reservations"]
        print(" ".join(instance["InstanceId"] for one in reservations for instance in one["Instances"]))
    else:
        print(ec2.stop_instances(InstanceIds=rest)["StoppingInstances"][0]["CurrentState"]["Name"])
