"""pyarrow's S3 file system, which is the AWS SDK for C++. See caller.py for the interface."""
import sys

from pyarrow.fs import S3FileSystem

from caller import serve

scheme, _, server = sys.argv[1].partition("://")
files = S3FileSystem(endpoint_override=server, scheme=scheme)


def read(bucket, key):
    with files.open_input_stream(f"{bucket}/{key}") as stream:
        return stream.read().decode()


serve(read=read)
