#!/usr/bin/env python3
"""Creates roles, a user and an instance in a new moto_server, and then enables its IAM enforcement.

usage: moto_setup.py http://127.0.0.1:PORT

The user may assume AdminRole (ec2:*) and ReadOnlyRole (ec2:Describe*). Prints the user's keys and the instance's id as JSON.
"""
import json
import sys
import urllib.request

import boto3
from botocore.config import Config

endpoint = sys.argv[1].rstrip("/")
options = {
    "endpoint_url": endpoint,
    "region_name": "us-east-1",
    "aws_access_key_id": "testing",
    "aws_secret_access_key": "testing",
    "config": Config(proxies={}, retries={"total_max_attempts": 1}),
}
iam, ec2 = boto3.client("iam", **options), boto3.client("ec2", **options)


def policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


minter = iam.create_user(UserName="minter")["User"]["Arn"]
iam.put_user_policy(UserName="minter", PolicyName="sts", PolicyDocument=policy(Action="sts:*", Resource="*"))
key = iam.create_access_key(UserName="minter")["AccessKey"]
# With enforcement, the trust policy must name the caller's exact ARN.
trust = policy(Action="sts:AssumeRole", Principal={"AWS": minter})
for role, actions in (("AdminRole", "ec2:*"), ("ReadOnlyRole", "ec2:Describe*")):
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName=role, PolicyName="ec2", PolicyDocument=policy(Action=actions, Resource="*"))
image = ec2.describe_images()["Images"][0]["ImageId"]
instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]

enforce = urllib.request.Request(
    endpoint + "/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}
)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
assert json.load(opener.open(enforce))["status"] == "ok"

print(json.dumps({
    "access_key_id": key["AccessKeyId"],
    "secret_access_key": key["SecretAccessKey"],
    "instance_id": instance,
}))
