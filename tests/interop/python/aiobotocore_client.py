"""aiobotocore, with one client and one event loop for all calls. See caller.py for the interface."""
import asyncio
import sys

from aiobotocore.session import get_session

from caller import serve

loop = asyncio.new_event_loop()
session = get_session()
clients = {}


async def client(service):
    """Returns the client. botocore looks for credentials as soon as it makes one, so the first call does that."""
    if service not in clients:
        clients[service] = await session.create_client(service, endpoint_url=sys.argv[1]).__aenter__()
    return clients[service]


async def whoami():
    return (await (await client("sts")).get_caller_identity())["Arn"]


async def stop(instance):
    answer = await (await client("ec2")).stop_instances(InstanceIds=[instance])
    return answer["StoppingInstances"][0]["InstanceId"]


serve(
    whoami=lambda: loop.run_until_complete(whoami()),
    stop=lambda instance: loop.run_until_complete(stop(instance)),
)
