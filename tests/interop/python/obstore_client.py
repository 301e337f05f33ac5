"""obstore, the Python binding of Rust's object_store. See caller.py for the interface."""
import sys

from obstore.store import S3Store

from caller import serve

stores = {}


def read(bucket, key):
    if bucket not in stores:
        stores[bucket] = S3Store(bucket, endpoint=sys.argv[1], client_options={"allow_http": True})
    return bytes(stores[bucket].get(key).bytes()).decode()


serve(read=read)
