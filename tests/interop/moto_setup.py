#!/usr/bin/env python3
"""Creates roles, a user and an instance in a new moto_server, and then enables its IAM enforcement.

usage: moto_setup.py http://127.0.0.1:PORT

The user may assume AdminRole (ec2:*) and ReadOnlyRole (ec2:Describe*). For clients that know only S3, the bucket
`identity` has an object of each role's name, which only that role may read. Prints the user's keys and the instance's
id as JSON.
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
iam, ec2, s3 = (boto3.client(service, **options) for service in ("iam", "ec2", "s3"))


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})


minter = iam.create_user(UserName="minter")["User"]["Arn"]
iam.put_user_policy(UserName="minter", PolicyName="sts", PolicyDocument=policy({"Action": "sts:*", "Resource": "*"}))
key = iam.create_access_key(UserName="minter")["AccessKey"]
# With enforcement, the trust policy must name the caller's exact ARN.
trust = policy({"Action": "sts:AssumeRole", "Principal": {"AWS": minter}})
s3.create_bucket(Bucket="identity")
for role, actions in (("AdminRole", "ec2:*"), ("ReadOnlyRole", "ec2:Describe*")):
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)
    bucket = "arn:aws:s3:::identity"
    allowed = policy(
        {"Action": actions, "Resource": "*"},
        {"Action": "s3:List*", "Resource": bucket},
        {"Action": "s3:*", "Resource": [f"{bucket}/{role}", f"{bucket}/{role}/*"]},
    )
    iam.put_role_policy(RoleName=role, PolicyName="actions", PolicyDocument=allowed)
    s3.put_object(Bucket="identity", Key=role, Body=role)
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
