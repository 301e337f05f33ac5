"""The AWS Common Runtime (aws-c-auth), which the SDKs for C++ and others use. See caller.py for the interface."""
import http.client
import io
import re
import sys
import urllib.parse
from datetime import datetime, timezone

from awscrt.auth import AwsCredentialsProvider, AwsSigningAlgorithm, AwsSigningConfig, aws_sign_request
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientBootstrap, DefaultHostResolver, EventLoopGroup

from caller import serve

LIMIT = 30
bootstrap = ClientBootstrap(group := EventLoopGroup(1), DefaultHostResolver(group))
provider = AwsCredentialsProvider.new_default_chain(bootstrap)
server = urllib.parse.urlsplit(sys.argv[1]).netloc


def call(service, **parameters):
    """Sends a signed form to the service and returns the body of its answer."""
    form = urllib.parse.urlencode(parameters).encode()
    headers = HttpHeaders([("host", server), ("content-type", "application/x-www-form-urlencoded")])
    request = HttpRequest("POST", "/", headers, io.BytesIO(form))
    signing = AwsSigningConfig(
        algorithm=AwsSigningAlgorithm.V4,
        credentials_provider=provider,
        region="us-east-1",
        service=service,
        date=datetime.now(timezone.utc),
    )
    signed = aws_sign_request(request, signing).result(LIMIT)
    connection = http.client.HTTPConnection(server, timeout=LIMIT)
    connection.request("POST", signed.path, form, dict(signed.headers))
    response = connection.getresponse()
    body = response.read().decode()
    if response.status != 200:
        raise RuntimeError(f"{response.status} {body}")
    return body


def whoami():
    return re.search("<Arn>(.*)</Arn>", call("sts", Action="GetCallerIdentity", Version="2011-06-15")).group(1)


def stop(instance):
    call("ec2", Action="StopInstances", Version="2016-11-15", **{"InstanceId.1": instance})
    return instance


serve(whoami=whoami, stop=stop)
