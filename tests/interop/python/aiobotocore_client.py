"""aiobotocore, with one client and one event loop for all calls. See caller.py for the interface."""
import asyncio
import sys

from aiobotocore.session import get_session

from caller import serve

loop = asyncio.new_event_loop()
session = get_session()


def client(service):
    context = session.create_client(service, endpoint_url=sys.argv[1])
    return loop.run_until_complete(context.__aenter__())


sts, ec2 = client("sts"), client("ec2")


async def whoami():
    return (await sts.get_caller_identity())["Arn"]


async def stop(instance):
    return (await ec2.stop_instances(InstanceIds=[instance]))["StoppingInstances"][0]["InstanceId"]


serve(
    whoami=lambda: loop.run_until_complete(whoami()),
    stop=lambda instance: loop.run_until_complete(stop(instance)),
)
