"""polars with its own object_store, without the credential provider that uses boto3. See caller.py for the interface."""
import sys

import polars

from caller import serve

OPTIONS = {"aws_endpoint_url": sys.argv[1], "aws_allow_http": "true"}


def read(bucket, key):
    url = f"s3://{bucket}/{key}"
    table = polars.scan_csv(url, has_header=False, storage_options=OPTIONS, credential_provider=None).collect()
    return table[0, 0]


serve(read=read)
